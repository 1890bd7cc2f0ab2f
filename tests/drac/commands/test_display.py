"""What a run shows: plain lines, or a live bar."""

from __future__ import annotations

import functools
import io
import re
import sys
import time
from dataclasses import replace

import pytest
from rich.console import Console

from drac.commands import display
from drac.commands.display import returns_text, watching
from drac.config import TrainConfig
from drac.stats import Report, UpdateStats

STATS = UpdateStats(*[0.0] * len(UpdateStats.__dataclass_fields__))
NAMES = ("crop", "flip(axis='vertical')", "[x]", "[/]", "[bold]x[/bold]", ":smile:", "a[", "\\")


def report(step: int, arm: str, train: float | None = None) -> Report:
    return Report(step, 1, arm, (), 0.0, train, train, 0, STATS)


def play(arm: str) -> None:
    """Show a short run."""
    with watching() as watcher:
        watcher.begun(TrainConfig(device="cpu", precision="float32"), 16384)
        watcher.progress(20_000.5)
        watcher.updated(report(32768, arm), 100.0)
        watcher.evaluated(32768, "train", 2.5)
        watcher.evaluated(32768, "test", 1.25)
        watcher.updated(report(49152, arm, 3.0), 100.0)
        watcher.message(f"message {arm} ends")


@pytest.mark.parametrize("arm", NAMES)
def test_without_a_terminal_there_are_plain_lines(
    arm: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "PLAIN_INTERVAL_S", 0.0)
    play(arm)
    out, err = capsys.readouterr()
    assert err == ""
    assert not re.search(r"[^\n\x20-\x7e]", out)
    begun, first, second, train, test, last, message = out.splitlines()
    assert begun == (
        "ucb-drac on coinrun, seed 0, 24,985,600 steps (25,000,000 in whole updates), fidelity"
        " paper, cpu float32: continued at step 16,384"
    )
    assert first.endswith("step 20,000/24,985,600  - steps/s  - left")
    assert second.endswith(f" - left  arm {arm}")
    assert train == "step 32,768: mean return 2.50 on the train split"
    assert test == "step 32,768: mean return 1.25 on the test split"
    assert last.endswith(f"train 3.00  test 1.25  arm {arm}")
    assert message == f"message {arm} ends"


def test_plain_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as watcher:
        watcher.begun(TrainConfig(), 0)
        for step in range(1000):
            watcher.progress(step)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(": begun")


def test_speed_and_time_left_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with watching() as watcher:
        watcher.begun(TrainConfig(steps="1M"), 0)
        now[0] += 20
        watcher.progress(40_000)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("step 40,000/999,424  2,000 steps/s  0:08:00 left")


@pytest.mark.parametrize("arm", NAMES)
def test_in_a_terminal_there_is_a_bar_and_names_are_literal(
    arm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    terminal = functools.partial(Console, force_terminal=True, width=200)
    monkeypatch.setattr(display, "Console", terminal)
    play(arm)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert "49,152/24,985,600" in shown
    assert f"train 3.00  test 1.25 {arm}" in shown
    assert f"message {arm} ends" in shown
    assert "\x1b[" in out.getvalue()


def test_in_a_narrow_terminal_the_arm_alone_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(display, "Console", functools.partial(Console, force_terminal=True))
    arms = "mylab.mine:Vignette(strength=0.9)", "kornia:RandomErasing(p=0.5, scale=(0.02, 0.1))"
    monkeypatch.setattr(TrainConfig, "augmentation_specs", arms)
    message = "SIGINT received: " + "a sentence " * 8
    with watching() as watcher:
        assert watcher._bar
        watcher.begun(TrainConfig(device="cpu", precision="float32"), 0)
        for step, arm in enumerate(arms, start=1):
            watcher.updated(report(step * 4_000_000, arm, 3.0), 100.0)
            watcher._bar.refresh()
        watcher.evaluating("test", 0, 100)
        watcher._bar.refresh()
        watcher.message(message)
    lines = [
        re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip()
        for line in out.getvalue().replace("\r", "\n").splitlines()
    ]
    assert max(map(len, lines)) <= 80
    bars = [line for line in lines if line.startswith("━")]
    for said in (
        "16% - steps/s (time) train 3.00 vignette-strength-0.9",
        "32% - steps/s (time) train 3.00 kornia-randomerasing-p-0.5-scale-…",
        "32% - steps/s (time) evaluating test: 0/100",
    ):
        assert said in [re.sub(" [0-9:-]{7} ", " (time) ", line[13:]) for line in bars]
    begin = next(k for k, line in enumerate(lines) if line.startswith("SIGINT"))
    assert " ".join(" ".join(lines[begin : begin + 2]).split()) == message.strip()


def test_returns_that_do_not_exist_yet() -> None:
    assert returns_text(None, None) == ""
    assert returns_text(1.0, None) == "train 1.00"
    assert returns_text(0.0, -1.234) == "train 0.00  test -1.23"


def test_a_return_of_some_envs_says_of_how_many(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maze shows 10.00 as long as only the envs that succeeded at once have ended an episode."""
    monkeypatch.setattr(display, "PLAIN_INTERVAL_S", 0.0)
    with watching() as watcher:
        watcher.begun(TrainConfig(device="cpu", precision="float32"), 0)
        for share in (12 / 64, 1.0):
            early = replace(report(384, "crop", 10.0), envs_ended=share)
            watcher.updated(early, 100.0)
    _, early_line, later = capsys.readouterr().out.splitlines()
    assert "  train 10.00 (12 of 64 envs)  arm crop" in early_line
    assert "  train 10.00  arm crop" in later
