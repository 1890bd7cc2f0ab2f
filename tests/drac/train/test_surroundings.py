"""Where runs have to live: odd locales and paths, clocks that jump, two processes on one folder."""

from __future__ import annotations

import csv
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from small_runs import small_config
from tiny_runs import tiny_config

from benchmark.store.run_record import validate
from drac.config import as_argv
from drac.runs import checkpoint, meta
from drac.timing import Stopwatch
from drac.train import train
from drac.train.watcher import Watcher

NAME = "ein Lauf (ü, 日本, [red]) №1"


def drac(here: Path, *argv: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start the real command line in a folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "drac.cli", *argv],
        cwd=here,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finished(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Wait; return status, stdout and stderr."""
    out, err = process.communicate()
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def command(**options: Any) -> list[str]:
    return ["train", *as_argv(small_config(**options)), "--run-dir", NAME]


C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ASCII = {**C, "PYTHONIOENCODING": "ascii"}
"""Neither has a way to print the run's name; the latter has an error for that."""


@pytest.mark.full
def test_a_locale_without_utf_8_and_a_path_beyond_ascii(tmp_path: Path) -> None:
    status, out, err = finished(drac(tmp_path, *command(), **C))
    assert (status, err) == (0, "")
    assert f"done: 32 steps, train 0.00, test 0.00; files in {NAME}\n" in out
    run = tmp_path / NAME
    assert validate(run) == []
    assert NAME in meta.read_meta(run)["command"]
    status, out, err = finished(drac(tmp_path, *command(seed=1), **ASCII))
    assert (status, out) == (2, "")
    assert "seed is 0 there and 1 here" in err
    assert err.count("\n") == 1
    out_file = f"{NAME}.safetensors"
    assert finished(drac(tmp_path, "export", NAME, "--out", out_file, **ASCII))[::2] == (0, "")
    argv = ("evaluate", out_file, "--episodes", "1", "--num-envs", "1")
    status, out, err = finished(drac(tmp_path, *argv, **ASCII))
    assert (status, "Traceback" in err) == (0, False), err
    assert "1 episode on 1 level\n" in out
    assert len(list((tmp_path / f"{NAME}-evaluations").iterdir())) == 1


def test_what_an_encoding_lacks_is_printed_escaped(tmp_path: Path) -> None:
    code = "from drac.commands import flags; "
    code += r"flags.run_command('x', 'g\xfcte \udcc3\udcbc', {}, ['--help'])"
    env = {**os.environ, **ASCII, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"g\\xfcte \xc3\xbc\n"


# Clocks


class Jumping:
    """A clock that is set back and ahead by up to a year, again and again."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._now = 1e6

    def __call__(self) -> float:
        year = 365 * 86_400.0
        self._now += self._rng.choice((0.01, 0.01, 0.01, -3600.0, year, -year, -1e9, 1e9))
        return self._now


class Counting(Watcher):
    """Counts the checkpoints of a run."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.newest: set[str] = set()

    def updated(self, report: Any, sps: float) -> None:
        assert sps >= 0
        if path := checkpoint.newest(self.run_dir):
            self.newest.add(path.name)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_clock_that_jumps(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    config = tiny_config(steps=80, checkpoint_every=1)
    plain = train(config, tmp_path / "plain")
    monkeypatch.setattr(time, "monotonic", Jumping(seed))
    monkeypatch.setattr(time, "time", Jumping(seed + 10))
    watcher = Counting(tmp_path / "run")
    result = train(config, tmp_path / "run", watcher)
    assert result.test_return == plain.test_return
    assert len(watcher.newest) >= 2
    with (tmp_path / "run" / "progress.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    walls = [float(row["wall_s"]) for row in rows]
    assert walls == sorted(walls)
    assert walls[0] >= 0
    assert all(float(row["charts/SPS"]) >= 0 for row in rows)
    wall = meta.read_meta(tmp_path / "run")["wall_s"]
    assert math.isfinite(wall)
    assert wall >= walls[-1]


def test_a_clock_set_back_delays_no_checkpoint(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock takes half a minute; after the fifth it is set back by a day."""
    readings = iter(
        [*(100_000.0 + 30 * n for n in range(5)), *(10_000.0 + 30 * n for n in range(9999))]
    )
    monkeypatch.setattr(time, "monotonic", lambda: next(readings))
    watcher = Counting(tmp_path / "run")
    train(tiny_config(steps=80, checkpoint_every=2), tmp_path / "run", watcher)
    assert len(watcher.newest) >= 3


def test_a_stopwatch_only_goes_forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([5.0, 7.0, 1.0, 1.5, 1.5, 100.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(readings))
    watch = Stopwatch()
    assert [watch() for _ in range(5)] == [2.0, 2.0, 2.5, 2.5, 101.0]


# Two processes


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not ready():
        assert process.poll() is None, finished(process)
        time.sleep(0.01)


@pytest.mark.full
def test_two_processes_on_one_folder(tmp_path: Path) -> None:
    """The second is refused; the first ends as if it had been alone; then it is the second's."""
    long = command(steps=32 * 100_000, checkpoint_every=0)
    first = drac(tmp_path, *long)
    run = tmp_path / NAME
    wait_until(lambda: checkpoint.newest(run) is not None, first)
    status, out, err = finished(drac(tmp_path, *long))
    assert (status, out) == (2, "")
    assert f"is in use by process {first.pid}" in err
    assert err.count("\n") == 1
    first.send_signal(signal.SIGTERM)
    assert finished(first)[0] == 75
    newest = checkpoint.newest(run)
    assert newest is not None
    step = int(newest.stem.removeprefix("step_"))
    last = (run / "progress.csv").read_text(encoding="utf-8").splitlines()[-1]
    assert last.split(",")[0] == str(step)
    second = drac(tmp_path, *long)
    wait_until(lambda: checkpoint.newest(run) != newest, second)
    second.kill()
    assert finished(second)[0] == -signal.SIGKILL


@pytest.mark.full
def test_of_two_that_start_at_once_one_trains(tmp_path: Path) -> None:
    processes = [drac(tmp_path, *command(steps=320)) for _ in range(2)]
    ended = [finished(process) for process in processes]
    statuses = sorted(status for status, _, _ in ended)
    # The slower one may find the run complete.
    assert statuses in ([0, 0], [0, 2])
    assert all("is in use by" in err for status, _, err in ended if status == 2)
    assert validate(tmp_path / NAME) == []
