"""What `drac-bench run` says before it begins, when it asks, and what its live display shows."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from refusals import refused
from rich.console import Console
from synthetic_runs import tree, write_run

from benchmark import cli
from benchmark.commands import display
from benchmark.engines import engine
from benchmark.speed.records import load
from benchmark.store.progress import Progress
from drac.config import TrainConfig
from drac.config.quantities import duration
from drac.runs.meta import write_meta

SPEED = ROOT / "results/evidence/training-speed.json"
LONG = ["run", "--methods", "ppo", "--games", "maze", "--seeds", "0-3", "--steps", "25M"]
STEPS = 4 * 24_985_600  # in whole rollouts
CORES = len(os.sched_getaffinity(0))


class Terminal(io.StringIO):
    """Answers as somebody at a terminal would."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def training(run: str, config: TrainConfig, run_dir: Path, *share: Any) -> engine.Job:
        return engine.Job(run, ("-c", "raise SystemExit(1)"), run_dir, *share)

    monkeypatch.setattr(engine, "training", training)


@pytest.fixture
def measured(tmp_path: Path) -> float:
    """A recorded speed; how many core-seconds a step of PPO takes."""
    results = tmp_path / "results"
    results.mkdir()
    shutil.copy(SPEED, results / "speed.json")
    cells = [c for c in load(SPEED).cells if (c.method, c.engine) == ("ppo", "drac")]
    return min(cell.run_hours * cell.threads for cell in cells) * 3600 / 25_000_000


def hms(text: str) -> int:
    hours, minutes, seconds = map(int, text.split(":"))
    return 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize("words", [["--workers", "1"], ["--workers", "2"], ["--threads", "1"]])
def test_a_dry_run_says_what_it_takes_and_writes_nothing(
    words: list[str], measured: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(tmp_path)
    assert cli.main([*LONG, *words, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.out.count("python -c") == 4
    (line,) = said.err.splitlines()
    assert line.startswith(f"to do: 4 runs, {STEPS:,} steps, about ")
    assert (
        " and the last evaluations (from results/speed.json, measured on AMD EPYC, 2 cores" in line
    )
    assert line.endswith(" free)")
    assert " 90 MB of disk (" in line
    workers = 2 if "2" in words else 1
    threads = 1 if "--threads" in words else max(1, CORES // workers)
    expected = measured * STEPS / (workers * threads)
    assert hms(line.split("about ")[1].split()[0]) == pytest.approx(expected, rel=0.001)
    assert tree(tmp_path) == before


def test_what_is_done_is_not_counted_and_an_unknown_time_is_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results", experiment="default")
    small = [f"--{name}" for name in ("num-envs", "num-steps", "steps", "eval-episodes")]
    given = [word for pair in zip(small, ("8", "16", "300", "3"), strict=True) for word in pair]
    given += ["--eval-every", "0", "--device", "cpu", "--precision", "float32", "--dry-run"]
    words = ["run", "--methods", "ppo", "--games", "coinrun", *given]
    assert cli.main(words) == 0
    assert capsys.readouterr().err == ""  # nothing is left to do
    assert cli.main(["run", "--methods", "ppo", "--games", "coinrun", "maze", *given]) == 0
    said = capsys.readouterr().err
    unknown = "time unknown (drac-bench speed --json results/speed.json measures it)"
    assert f"to do: 1 run, 256 steps, {unknown}, " in said
    begun = write_run(tmp_path / "results", game="heist", experiment="default")
    (begun / "eval.csv").unlink()
    for saved, left in ((0, 256), (128, 128)):  # what the logs have beyond a checkpoint is lost
        write_meta(begun, steps=saved)
        assert cli.main(["run", "--methods", "ppo", "--games", "heist", *given]) == 0
        assert f"to do: 1 run, {left} steps, " in capsys.readouterr().err
    (tmp_path / "results/speed.json").write_text("{}")
    assert cli.main([*LONG, "--dry-run"]) == 0  # no run needs it
    assert "time unknown (results/speed.json " in capsys.readouterr().err


def test_a_speed_of_another_device_says_nothing(
    measured: float, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*LONG, "--device", "cuda", "--engine", "ray", "--dry-run"]
    assert cli.main(words) == 0
    assert "time unknown" in capsys.readouterr().err
    assert cli.main([*LONG, "--engine", "ray", "--dry-run"]) == 0
    hours = f"{measured * STEPS / 3600:,.1f} CPU-hours and the last evaluations (from "
    assert f"about {hours}" in capsys.readouterr().err


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("answer", "begun"), [("y\n", True), ("\n", False), ("", False)])
def test_more_than_a_day_needs_a_yes_on_a_terminal(
    answer: str, begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stdout", said)
    assert cli.main([*LONG, "--threads", "1", "--retries", "0"]) == 1  # training fails, if begun
    assert " days here; begin? [y/N] " in said.getvalue()
    assert ("nothing was begun" in said.getvalue()) != begun
    assert (tmp_path / "results/runs").exists() == begun


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("words", [[], ["--yes"]])
def test_elsewhere_it_warns(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*LONG, "--threads", "1", "--retries", "0", *words]) == 1
    said = capsys.readouterr()
    assert ("drac-bench run: warning: this takes " in said.err) != bool(words)
    assert said.out.startswith("to do: 4 runs, ")


def test_without_a_terminal_it_says_soon_and_then_ever_more_rarely_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    ids = [f"e/ppo/maze/seed{k}" for k in range(2)]
    jobs = [engine.Job(id_, (), tmp_path / id_) for id_ in ids]
    shown = display.SweepDisplay(3, dict.fromkeys(ids, TrainConfig(steps=16_384)))
    said_at = []
    for second in range(4000):
        now[0] = float(second)
        shown.update(jobs)
        if text := capsys.readouterr().out:
            said_at.append(second)
            assert text.splitlines() == [
                f"{duration(second)}: 0 of 3 runs done, 2 running (step 0/32,768)",
                *(f"  {id_}: step 0/16,384" for id_ in ids if second > 35),
            ]
    assert said_at == [5, 15, 35, 75, 155, 315, 635, 1235, 1835, 2435, 3035, 3635]


def test_what_a_sweep_says_fits_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code = "raise SystemExit('no such thing as ' + 'this or that ' * 20)"
    monkeypatch.setattr(
        engine, "training", lambda run, config, folder, *_: engine.Job(run, ("-c", code), folder)
    )
    words = ["run", "--methods", "drac-color-jitter", "--games", "starpilot", "maze"]
    assert cli.main([*words, "--retries", "0", "--steps", "1M"]) == 1
    said = capsys.readouterr()
    first = "results/runs/default/drac-color-jitter/starpilot/seed0/train.log"
    assert f"logs: {first}, ...\n" in said.out
    lines = [*said.out.splitlines(), *said.err.splitlines()]
    copied = ("this run alone: ", "  | ")  # a command, and a log as it is
    long = [line for line in lines if len(line) > 80 and not line.startswith(copied)]
    assert long == []
    assert " ".join(said.out.split()).count("; its log is results/runs/default/") == 4


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_display_keeps_game_and_seed(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("e/discounted-ucb-drac/starpilot/seed10", "e/drac-random-choice/coinrun/seed2")
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=width)
    monkeypatch.setattr(display, "Console", lambda file: terminal)
    shown = display.SweepDisplay(2, dict.fromkeys(names, TrainConfig()))
    shown.close()
    arm = "mylab.mine:Vignette(strength=0.9)"
    now = Progress(9_000_000, 24_985_600, 123.4, 10.0, 7.5, arm, " (12 of 64 envs)")
    table = shown._table(dict(zip(names, (now, replace(now, evaluating=True)), strict=True)), "")
    terminal.print(table)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert max(map(len, text.splitlines())) <= width
    for words in (("starpilot", "10"), ("coinrun", "2")):
        (line,) = [line for line in text.splitlines() if line.startswith(words[0])]
        assert words[1] in line.split()
        assert "35:59:03" in line
    assert " vignette-" in text
    assert text.count("evaluating") == 1
    assert ("10.00*" in text) == (width == 80)
    assert ("(12 of 64 envs)" in text) == (width == 120)


@pytest.mark.parametrize("spec", ["nowhere:Vignette", "math:sqroot", "kornia:RandomInvertt"])
def test_an_augmentation_that_is_not_there_ends_a_sweep_before_its_plan(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--methods", "drac", "--augmentation", spec, "--games", "maze", "--dry-run"]
    said = refused([*words, "--results", str(tmp_path / "r")], tmp_path, capsys)
    assert spec.partition(":")[0] in said
