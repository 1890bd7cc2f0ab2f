"""A report killed at any step: the old or the new one is under its name, nothing else is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_runs import tree

from benchmark.report import folder

REPLACE = """
import os, sys
from pathlib import Path
from benchmark.report import folder

steps = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "os.listdir",
         "os.chmod", "fcntl.flock", "ctypes.dlsym", "tempfile.mkdtemp", "tempfile.mkstemp"}
left = int(sys.argv[1])
if sys.argv[2] == "renames":
    folder._exchanged = lambda one, other: False

def kill(event, arguments):
    global left
    if event in steps:
        left -= 1
        if left == 0:
            os._exit(9)

with folder.swapped_in(Path("report")) as new:  # once before, so that nothing is imported later
    (new / "index.html").write_text("old")
sys.addaudithook(kill)
with folder.swapped_in(Path("report")) as new:
    (new / "index.html").write_text("new")
left = 0
"""


def replace(where: Path, kill_at: int, how: str) -> int:
    """Write a report "old" and replace it by "new", killed before a step; its exit status."""
    words = [sys.executable, "-c", REPLACE, str(kill_at), how]
    run = subprocess.run(words, cwd=where, capture_output=True, text=True)
    assert run.returncode in (0, 9), run.stderr
    return run.returncode


@pytest.mark.parametrize("how", ["exchange", "renames"])
def test_a_kill_at_any_step_leaves_a_report(how: str, tmp_path: Path) -> None:
    found, absent = [], 0
    for step in range(1, 200):
        where = tmp_path / str(step)
        where.mkdir()
        if replace(where, step, how) == 0:
            break
        page = where / "report/index.html"
        absent += not page.exists()
        with folder.swapped_in(where / "report") as new:  # the next command, and what it finds
            found.append(page.read_text())
            (new / "index.html").write_text("next")
        assert sorted(tree(where)) == ["report", "report/index.html", "report/report.json"]
        assert page.read_text() == "next"
    assert sorted(set(found)) == ["new", "old"]
    assert found == sorted(found, reverse=True)  # never an old one again
    assert absent == (1 if how == "renames" else 0)
    assert len(found) > 15
