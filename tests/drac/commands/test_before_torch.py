"""`drac train` says at once what it does, and refuses what it can before it imports torch."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from small_runs import small_config

from drac.config import as_argv
from drac.files import lock
from drac.runs.meta import META

CONFIG = small_config(method="drac", augmentation="mine:Invert")
WORDS = ["train", *as_argv(CONFIG), "--run-dir", "run"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> Path:
    """A folder in which torch ends whatever imports it, with a run whose plug-in has changed."""
    (tmp_path / "torch.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "mine.py").write_text("")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "config.json").write_text(CONFIG.to_json())
    (run_dir / META).write_text(json.dumps({"steps": 32, "code": {"mine": "0123"}}))
    return tmp_path


def ended(here: Path, *more: str) -> tuple[int, str, str]:
    """Run the command; its status, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "drac.cli", *WORDS, *more],
        cwd=here,
        env={**os.environ, "PYTHONPATH": f"{here}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_first_line_comes_before_torch(here: Path) -> None:
    said = "drac-invert on bigfish, seed 0: importing torch, making levels and envs\n"
    assert ended(here, "--accept-changed-code") == (3, said, "")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "the source of mine has changed since run was last trained; put it back, start over"),
        (["--clip", "0.3"], "run holds a run with another configuration: clip is 0.2 there"),
        (["--run-dir", "torch.py"], "torch.py cannot be a run folder: torch.py is a file"),
    ],
)
def test_what_needs_no_torch_is_refused_without_it(
    more: list[str], message: str, here: Path
) -> None:
    status, out, err = ended(here, *more)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    if not more:
        assert err.endswith(f": drac {shlex.join(WORDS)} --accept-changed-code\n")


def test_a_run_that_another_process_has_is_refused_without_torch(here: Path) -> None:
    with lock.owned(here / "run"):
        status, out, err = ended(here, "--fresh")
    assert (status, out) == (2, "")
    assert f"run is in use by process {os.getpid()}" in err
