"""What may happen to `drac-bench run`: a run of it is killed, the sweep is, or there are two."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import fault_children
from fault_children import Child, different, some_seconds
from fault_training import BETWEEN, Dealt
from procgen_runs import with_defaults
from tiny_runs import OPTIONS

from benchmark.store.store import Store
from drac.config import TrainConfig, as_argv
from drac.files import lock
from drac.runs import checkpoint, signals

METHODS = ("ppo", "ucb-drac")
SEEDS = ("0", "1")


class Sweep:
    """A sweep of four runs, two at a time; the one left alone is in another store."""

    def __init__(self, folder: Path, faults: int) -> None:
        self.alone, self.root, self.log = folder / "alone", folder / "store", folder / "log"
        self.dealt = Dealt()
        options = with_defaults({**OPTIONS, "eval_every": 80}, {"game": "bigfish"})
        config = TrainConfig(**options)
        steps = config.rollout_size * (BETWEEN * faults + 8)
        shared = as_argv(config.model_copy(update={"steps": steps}))[6:]
        self.words = ["run", "--methods", *METHODS, "--games", "bigfish", "--seeds", *SEEDS]
        self.words += ["--workers", "2", "--experiment", "faults", *shared]

    def start(self, root: Path | None = None) -> Child:
        self.dealt.starts += 1
        command = ["drac-bench", *self.words, "--results", str(root or self.root)]
        return fault_children.forked(command, self.log, fault_children.fork_the_runs_of_sweeps)

    def run_dirs(self, root: Path) -> list[Path]:
        return [Store(root).run_dir(spec) for spec in Store(root).specs("faults")]

    def steps(self) -> int:
        """How far all runs are, together."""
        return sum(map(checkpoint.newest_step, self.run_dirs(self.root)))

    def left_alone(self) -> None:
        self.expect(self.start(self.alone).wait(), 0)

    def running(self, sweep: Child, rng: random.Random) -> bool:
        """Wait until the sweep's runs have got on; False if it ends before."""
        goal = self.steps() + 8 * rng.randrange(1, 2 * BETWEEN)
        return sweep.until(lambda: self.steps() >= goal and bool(sweep.children()), every=0.01)

    def expect(self, status: int, *wanted: int) -> bool:
        if status not in wanted:
            said = fault_children.last_line(self.log)
            self.dealt.problems.append(f"status {status}, {said!r}")
        return status in wanted

    def quiet(self) -> None:
        """Wait until no process owns a run: they save when their sweep was killed."""
        for _ in range(int(fault_children.LIMIT_S / 0.02)):
            if not any(map(lock.in_use, self.run_dirs(self.root))):
                return
            time.sleep(0.02)
        raise fault_children.Hanging("a run outlives its sweep")

    def finish(self) -> None:
        self.quiet()
        if self.expect(self.start().wait(), 0):
            self.compare()

    def compare(self) -> None:
        for pair in zip(self.run_dirs(self.alone), self.run_dirs(self.root), strict=True):
            self.dealt.problems += different(*pair)


Fault = Callable[[Sweep, random.Random], bool]
"""Starts the sweep and does something to it; False if all its runs are complete."""


def kill_a_run(sweep: Sweep, rng: random.Random) -> bool:
    """Kill a run, or both: the sweep does the others, and ends with status 1."""
    child = sweep.start()
    if not sweep.running(child, rng):
        sweep.expect(child.wait(), 0)
        return False
    for pid in child.children()[: rng.choice((1, 1, 2))]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            sweep.dealt.faults["kill of a sweep's run"] += 1
    if rng.random() < 0.7:  # the others need not come to their ends each time
        some_seconds(rng, 0.5)
        child.send_signal(signal.SIGTERM)
    return sweep.expect(child.wait(), 0, 1, signals.EXIT_CODE, -signal.SIGTERM)


def kill_the_sweep(sweep: Sweep, rng: random.Random) -> bool:
    """Kill the sweep: its runs save and end; half the times the next sweep does not wait."""
    child = sweep.start()
    if not sweep.running(child, rng):
        sweep.expect(child.wait(), 0)
        return False
    if child.killed():
        sweep.dealt.faults["kill of a sweep"] += 1
    if rng.random() < 0.5:
        sweep.quiet()
    return True


def two_sweeps(sweep: Sweep, rng: random.Random) -> bool:
    """Have two sweeps work on the same runs; kill one of them, or a run of it."""
    pair = [sweep.start()]
    some_seconds(rng, 0.5)
    pair.append(sweep.start())
    rng.shuffle(pair)
    victim = pair[0]
    if sweep.running(victim, rng):
        some_seconds(rng, 0.3)
        children = victim.children()
        if children and rng.random() < 0.5:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(children), signal.SIGKILL)
                sweep.dealt.faults["kill of one of two sweeps' runs"] += 1
        elif victim.killed():
            sweep.dealt.faults["kill of one of two sweeps"] += 1
    sweep.dealt.faults["two sweeps"] += 1
    for child in pair:
        if rng.random() < 0.8:
            some_seconds(rng, 0.3)
            child.send_signal(signal.SIGTERM)
        status = child.wait()
        if child is not victim or status != -signal.SIGKILL:
            sweep.expect(status, 0, 1, signals.EXIT_CODE, -signal.SIGTERM)
    return any(child.returncode for child in pair)


def torment(sweep: Sweep, fault: Fault, faults: int, rng: random.Random) -> Dealt:
    """Deal a sweep so many kills, let it end, and compare every run."""
    sweep.left_alone()
    for _ in range(2 * faults):
        if sweep.dealt.kills >= faults or sweep.dealt.problems:
            break
        if not fault(sweep, rng):  # it has come to its end before: begin anew
            sweep.quiet()
            sweep.compare()
            shutil.rmtree(sweep.root)
    if not sweep.dealt.problems:
        sweep.finish()
    return sweep.dealt
