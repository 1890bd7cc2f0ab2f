"""What `drac-bench` does with words that make no sense: one line on stderr, and nothing written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from synthetic_runs import tree

from benchmark import cli

PROGRESS = re.compile(r"^[A-Za-z ]+: \d+( of \d+)?\n", re.MULTILINE)
"""What a slow machine says on stderr besides."""


def refused(words: Sequence[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Have a command refused with exit status 2 and nothing changed in the folder; what it said."""
    before = tree(folder)
    capsys.readouterr()
    assert cli.main([*words]) == 2
    said = capsys.readouterr()
    err = PROGRESS.sub("", said.err)
    assert (said.out, err.count("\n")) == ("", 1)
    assert tree(folder) == before
    return err
