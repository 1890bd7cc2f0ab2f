"""A reader that goes away, or no output at all, ends no command."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from checkout import EVIDENCE, ROOT

from benchmark.store.run_record import validate
from drac.commands import output

SMALL = (
    "train --game coinrun --method ppo --num-envs 4 --num-steps 16 --steps 128 --eval-episodes 2"
    " --eval-envs 2 --hidden-size 16 --minibatches 2 --epochs 1 --device cpu --threads 1"
)


def shell(command: str, folder: Path) -> tuple[str, str]:
    """Run a command line whose program is a module; return its own exit status, and stderr."""
    program, _, rest = command.partition(" ")
    words = f"{shlex.quote(sys.executable)} -m {program} {rest}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    piped, _, reader = words.partition(" | ")
    line = f"{{ {piped}; echo $? >status; }} | {reader}" if reader else f"{words}; echo $? >status"
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    return (folder / "status").read_text().strip(), done.stderr


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for first, said in (
        (0.01, "reading: 0 of 1,000\nreading: 1 of 1,000\nIQM: 2 of 1,000\n"),
        (1e9, ""),
    ):
        monkeypatch.setattr(output, "FIRST_LINE_S", first)
        monkeypatch.setattr(output, "LINES_S", first)
        with output.progress("reading", 1000) as advance:
            for name in (None, "IQM"):
                time.sleep(0.2 if said else 0)  # a part may take long
                advance(name)
            time.sleep(0.2 if said else 0)
        out, err = capsys.readouterr()
        assert out == ""
        assert list(dict.fromkeys(err.splitlines())) == said.splitlines()


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"method": ["drac-crop"], "a": [1.0], "b" * 20: [2.0], "c": ["x"]})
    monkeypatch.setenv("COLUMNS", "34")
    first, second = output.columns(table, 1).split("\n\n")
    assert first.split()[0] == "method"
    assert max(map(len, (first + "\n" + second).splitlines())) <= 34
    assert second.split()[0] == "method"
    monkeypatch.delenv("COLUMNS")
    assert output.columns(table, 1).count("\n") == 1


@pytest.mark.parametrize("how", [" | true", " | head -1", " >&-"])
def test_a_run_goes_on_without_output(how: str, tmp_path: Path) -> None:
    assert shell(f"drac.cli {SMALL} --run-dir run{how}", tmp_path) == ("0", "")
    assert validate(tmp_path / "run") == []


@pytest.mark.parametrize(
    "command",
    [
        "drac.cli --help >&-",
        "drac.cli train --help >&-",
        "drac.cli train --help | true",
        "benchmark.cli --help >&-",
        "benchmark.cli tables --table levels | true",
    ],
)
def test_other_commands_end_as_they_would(command: str, tmp_path: Path) -> None:
    if "tables" in command:
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "runs").symlink_to(EVIDENCE / "rehearsal" / "runs")
    assert shell(command, tmp_path) == ("0", "")


def test_mistakes_are_told_where_stdout_is_closed(tmp_path: Path) -> None:
    status, said = shell("drac.cli train --game pong >&-", tmp_path)
    assert (status, said.count("\n")) == ("2", 1)
    assert said.startswith("drac train: error: unknown game 'pong'")
