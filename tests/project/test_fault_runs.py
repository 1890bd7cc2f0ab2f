"""A few of the faults of `make test-faults`, and that it can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fault_children
import fault_commands
import fault_runs
import pytest
from checkout import ROOT
from fault_training import Dealt
from tiny_runs import play_numbers, tiny_config

from drac.runs import checkpoint
from drac.train import train

QUICK = [kind for kind in fault_runs.KINDS if not kind.endswith(fault_runs.SLOW)]
SCRIPT = ROOT / "tests" / "scripts" / "fault_runs.py"


@pytest.mark.parametrize(
    "kinds",
    [
        ("train counting", "storms of SIGTERM"),
        pytest.param(QUICK, marks=[pytest.mark.full, pytest.mark.slow]),
    ],
)
def test_what_was_killed_ends_as_if_it_had_not_been(kinds: list[str], tmp_path: Path) -> None:
    """In a process of its own: this one has threads, and a fork would copy their locks."""
    words = ["--faults", str(len(kinds)), "--kinds", *kinds, "--folder", str(tmp_path)]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("problems: 0")


def test_every_weight_and_every_row_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play_numbers(monkeypatch)
    train(tiny_config(), tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    runs = tmp_path / "one", tmp_path / "other"
    assert fault_children.different(*runs) == []
    path = checkpoint.newest(runs[1])
    assert path is not None
    state = checkpoint.load(path)
    next(iter(state["training"]["network"].values())).add_(1e-6)
    checkpoint.save(runs[1], int(path.stem.removeprefix("step_")), state)
    with (runs[1] / "arms.csv").open("a", encoding="utf-8") as file:
        file.write("4,none,4,0,0,1\n")
    weight, csv = fault_children.different(*runs)
    assert weight.startswith("/training/network/")
    assert csv == "arms.csv"
    shutil.rmtree(runs[1] / "checkpoint")
    assert fault_children.different(*runs) == ["no checkpoint in other"]


def test_files_that_are_damaged_or_half_there_are_found() -> None:
    before, whole = {"config.json": b"{}"}, {"config.json": b"{}", "clip.mp4": b"long"}
    for now, problems in (
        (before, []),
        (whole, []),
        ({**before, "clip.mp4": b"lo"}, ["clip.mp4 is neither absent nor whole"]),
        ({**before, "other": b""}, ["other is neither absent nor whole"]),
        ({}, ["config.json is damaged"]),
    ):
        assert fault_commands.damage(now, before, whole) == problems


def test_the_log_counts_kills_and_problems() -> None:
    fine = Dealt(Counter({"kill between": 2, "STOP and CONT": 3}), starts=4)
    wrong = Dealt(Counter({"kill while saving": 1}), starts=2, problems=["arms.csv"])
    reached = [("a sweep", 0, fine), ("train ppo", 0, fine), ("train ppo", 1, wrong)]
    *_, problem, total = fault_runs.table(reached, 9)
    assert total == "3 of 9 units, 5 kills and 6 other faults; problems: 1"
    assert problem == "train ppo: arms.csv"


def test_units_deal_all_faults_and_begin_with_one_of_each_kind() -> None:
    units = fault_runs.units(QUICK, 1000)
    assert [kind for kind, *_ in units[: len(QUICK)]] == QUICK
    assert abs(sum(faults for *_, faults in units) - 1000) < len(QUICK)
    assert max(faults for *_, faults in units) <= fault_runs.UNIT
