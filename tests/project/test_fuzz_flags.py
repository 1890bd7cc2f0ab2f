"""Some hundreds of the command lines of `make test-fuzz`, and that it can fail."""

from __future__ import annotations

import random
import re
import threading
from pathlib import Path

import fuzz_flags
import pytest

import benchmark.cli
import drac.cli
from benchmark.commands import status
from drac.commands import augmentations


@pytest.mark.parametrize("inputs", [192, pytest.param(3840, marks=pytest.mark.full)])
def test_command_lines_are_done_or_refused(inputs: int, tmp_path: Path) -> None:
    result = fuzz_flags.fuzz(inputs, 7, tmp_path, lambda text: None)
    assert result.failures == []
    assert {counts.total() for counts in result.counts.values()} == {
        inputs // len(fuzz_flags.COMMANDS)
    }
    outcomes = sum(result.counts.values(), fuzz_flags.Counter())
    assert outcomes["refused"] > inputs / 3
    assert outcomes["would start"] + outcomes["done"] > inputs / 5  # many pass all checks


def test_every_command_is_fuzzed() -> None:
    for program, usage in (
        ("drac", drac.cli.USAGE),
        ("drac-bench", benchmark.cli.USAGE),
        ("drac augmentations", augmentations.USAGE),
    ):
        listed = usage.partition("commands:")[2].partition("examples:")[0]
        for name in re.findall(r"^  (\S+)", listed, re.MULTILINE):
            command = f"{program} {name}"
            assert any(one.startswith(command) for one in fuzz_flags.COMMANDS), command


def test_a_command_line_can_be_made_again() -> None:
    known = fuzz_flags.flags_of("drac export")
    assert fuzz_flags.Flag("run", "one", positional=True) in known
    one, other = (fuzz_flags.draw("drac export", known, random.Random(5)) for _ in range(2))
    assert one == other


def test_tracebacks_long_waits_and_what_is_written_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(*args: object) -> None:
        match next(deeds, None):
            case "raise":
                raise ZeroDivisionError
            case "write":
                Path("outside").touch()
                raise fuzz_flags.flags.ConfigError("no")
            case "wait":
                threading.Event().wait(30)
            case "say":
                raise fuzz_flags.flags.ConfigError("one\ntwo" * 5000)

    deeds = iter(["raise", "write", "wait", "wait", "say"])
    monkeypatch.setattr(status, "experiments", careless)
    monkeypatch.setattr(fuzz_flags, "COMMANDS", ("drac-bench status",))
    monkeypatch.setattr(fuzz_flags, "draw", lambda *args: ["drac-bench", "status"])
    monkeypatch.setattr(fuzz_flags, "LIMIT_S", 1)
    found = fuzz_flags.fuzz(4, 0, tmp_path, lambda text: None).failures
    for failure, what in zip(
        found,
        ("ZeroDivisionError", "there was written", "nothing for 1 s", "and said"),
        strict=True,
    ):
        assert what in failure
