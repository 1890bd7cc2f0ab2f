"""What `drac-bench run` says before it begins, and when it asks."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from synthetic_runs import tree, write_run

from benchmark import cli
from benchmark.commands import forecast
from benchmark.engines import local
from benchmark.speed.children import ChildFailedError
from drac.config import TrainConfig

SMALL = [
    *("--num-envs", "8", "--num-steps", "16", "--steps", "300", "--eval-episodes", "3"),
    *("--eval-every", "0", "--device", "cpu", "--precision", "float32"),
]
LONG = ["run", "--methods", "ppo", "drac-crop", "drac-flip", "--games", "maze", "--steps", "25M"]


class Terminal(io.StringIO):
    """Answers as somebody at a terminal would."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        local, "train_command", lambda job: [sys.executable, "-c", "raise SystemExit(1)"]
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every method makes 250 steps per second, and what was measured."""
    found: list[tuple[str, int]] = []

    def speed(config: TrainConfig, number: int) -> float:
        found.append((config.method, number))
        return 250.0

    monkeypatch.setattr(forecast, "_steps_per_s", speed)
    return found


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(
    tmp_path: Path, measured: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(tmp_path)
    assert cli.main([*LONG, "--workers", "2", "--dry-run"]) == 0
    said = capsys.readouterr()
    hours = 3 * 24_985_600 / 250 / 3600  # in whole rollouts
    assert f"to do: 3 runs, 74,956,800 steps, about {hours:.1f} hours here; disk: " in said.out
    assert said.err == ""
    assert measured == [("ppo", 2), ("drac-flip", 2)]  # one of each family
    assert tree(tmp_path) == before


def test_what_is_done_is_not_counted(
    tmp_path: Path, measured: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results", "ppo", "maze", experiment="default")
    words = ["--methods", "ppo", "--games", "maze", "jumper", *SMALL, "--dry-run"]
    assert cli.main(["run", *words]) == 0
    said = capsys.readouterr().out
    assert "to do: 1 run, 256 steps, too short to be timed first; disk: at most 0.0 GB" in said
    assert not measured


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("answer", "begun"), [("y\n", True), ("\n", False), ("", False)])
def test_more_than_a_day_needs_a_yes_on_a_terminal(
    answer: str, begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stdout", said)
    assert cli.main(LONG) == 1  # training fails here, if it begins
    assert "this takes 3.5 days here; begin? [y/N] " in said.getvalue()
    assert ("nothing was begun" in said.getvalue()) != begun
    assert (tmp_path / "results").exists() == begun


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("words", [[], ["--yes"]])
def test_elsewhere_it_warns(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*LONG, *words]) == 1
    assert ("warning: this takes 3.5 days" in capsys.readouterr().err) != bool(words)


def test_what_cannot_be_measured_is_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(config: TrainConfig, number: int) -> float:
        raise ChildFailedError("measuring ppo failed")

    monkeypatch.setattr(forecast, "_steps_per_s", fail)
    assert cli.main([*LONG, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.err == "drac-bench run: warning: measuring ppo failed\n"
    assert "74,956,800 steps, hours unknown; disk: " in said.out
