"""Processes that are to be killed: commands of drac, forked from a process that has imported it.

A fork saves the seconds of the imports at every start. Nothing else is saved: the child parses its
command line, locks, reads, trains and writes as the command does, and dies of real signals. This
process has one thread, so that a fork copies no lock that somebody holds.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_runs
import torch
from tiny_runs import differences, state, tables

import benchmark.cli
import drac.cli
from benchmark.engines import process
from drac.runs import checkpoint
from drac.train.state import Training

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300.0
"""So long may a child take for anything before it counts as hanging; the cores may be busy."""

MODULES = {"drac": drac.cli, "drac-bench": benchmark.cli}
Before = Callable[[], None]


class Hanging(Exception):
    """A child has done nothing for `LIMIT_S`."""


class Child:
    """A process of ours: what `subprocess.Popen` is to a command."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self) -> int:
        self.until(lambda: False)
        assert self.returncode is not None
        return self.returncode

    def until(self, ready: Callable[[], object], every: float = 0.002) -> bool:
        """Wait until something is so; False if the process ends first."""
        waited = 0.0  # not by a clock: somebody may have stopped all of us for a while
        while not ready():
            if self.poll() is not None:
                return False
            if waited > LIMIT_S:
                self.kill()
                raise Hanging(f"nothing has happened for {LIMIT_S:.0f} s")
            time.sleep(every)
            waited += every
        return True

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def killed(self) -> bool:
        """Kill it; whether that is what it died of."""
        self.kill()
        return self.wait() == -signal.SIGKILL

    def children(self) -> list[int]:
        """The processes that it has begun and that are there still."""
        with contextlib.suppress(OSError):
            path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
            return [int(pid) for pid in path.read_text(encoding="ascii").split()]
        return []


def forked(command: Sequence[str], log: Path, before: Before) -> Child:
    """Run a command, such as ("drac", "train", ...), in a fork; `before` is called in it first."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid)
    status = 70
    try:
        _write_to(log)
        before()
        status = MODULES[command[0]].main(command[1:])
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _write_to(log: Path) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def executed(command: Sequence[str], log: Path) -> Child:
    """Run the command itself, imports and all."""
    with log.open("ab") as file:
        words = [sys.executable, "-m", MODULES[command[0]].__name__, *command[1:]]
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        streams = [(os.POSIX_SPAWN_DUP2, file.fileno(), stream) for stream in (1, 2)]
        return Child(os.posix_spawn(sys.executable, words, env, file_actions=streams))


def play_numbers(training: bool = True) -> None:
    """In a child: train on numbers in place of Procgen, for good; if not, evaluate so only."""
    patch = pytest.MonkeyPatch()
    tiny_runs.play_numbers(patch)
    if not training:
        patch.setattr("drac.train.loop.Training", Training)


def fork_the_runs_of_sweeps() -> None:
    """In a child, a sweep: fork its runs too, which train on numbers."""

    class Forked(Child):
        """What the local engine asks of `subprocess.Popen`."""

        def __init__(self, words: Sequence[str], stdout: Any, **_: Any) -> None:
            def before() -> None:
                os.setsid()
                process.end_with_parent()
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)

            train = words.index("train")
            super().__init__(forked(["drac", *words[train:]], Path(stdout.name), before).pid)

    class Module:
        Popen, DEVNULL, STDOUT = Forked, None, None

    play_numbers()
    process.subprocess = Module  # type: ignore[assignment]


def unfinished(run_dir: Path) -> set[str]:
    """Return the temporary files of checkpoints: of one that is being written, or was."""
    with contextlib.suppress(FileNotFoundError):
        names = {path.name for path in checkpoint.folder(run_dir).iterdir()}
        return {name for name in names if name.startswith(".step_")}
    return set()


def different(one: Path, other: Path) -> list[str]:
    """Return what differs between two finished runs, timing aside; nothing if they are equal."""
    for run_dir in (one, other):
        if checkpoint.newest(run_dir) is None:
            return [f"no checkpoint in {run_dir.name}"]
    ours, theirs = tables(one), tables(other)
    found = differences(state(one), state(other))
    return found + [n for n in sorted({*ours, *theirs}) if ours.get(n) != theirs.get(n)]


def last_line(log: Path) -> str:
    """Return the last line of a log, for a message."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def some_seconds(rng: random.Random, most: float) -> None:
    """Sleep for a random time."""
    time.sleep(rng.uniform(0.0, most))


torch.set_num_threads(1)
for _name in (
    *("torch._dynamo", "rich.progress", "drac.commands.display", "drac.arms.selectors"),
    *("tensorboard.compat.proto.event_pb2", "tensorboard.summary.writer.record_writer"),
    *("benchmark.commands.display", "benchmark.store.store", "benchmark.store.progress"),
    *("av", "drac.pictures.playing", "drac.pictures.video", "drac.pictures.video_frames"),
    *("drac.evaluate.robustness", "drac.policy.exported", "drac.policy.read"),
    *("benchmark.analysis.best_augmentation", "benchmark.tables.formats"),
):
    importlib.import_module(_name)  # late imports of the commands: once, not in every fork
