"""What may happen to `drac train`: kills, storms of signals, standstills, clocks, strange locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import fault_children
from fault_children import Before, Child, different, some_seconds, unfinished
from procgen_runs import with_defaults
from tiny_runs import OPTIONS

from drac.config import TrainConfig, as_argv
from drac.files import lock
from drac.runs import checkpoint, signals

BETWEEN = 3
"""Updates that a run makes between two faults, at most. Each is followed by a checkpoint."""

METHODS = ("ppo", "ucb-drac", "rl2-drac", "plr", "daac", "idaac", "counting")
ELSEWHERE = lock.Owner("elsewhere", 12345, "2026-01-01T00:00:00+00:00", "0-0")


@dataclass
class Dealt:
    """What a unit of the fault test has done, and what was wrong."""

    faults: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(number for name, number in self.faults.items() if name.startswith("kill"))


class Run:
    """A command that trains, the same one at every start, in a folder of its own.

    Args:
        folder: of this unit; the run left alone is in `alone` below it, the other in `run`.
        method: "counting" is DrAC with a plug-in that has state.
        faults: how many the run must be long enough for.
        procgen: whether the command itself is executed, and plays; otherwise it is forked, and
            trains on numbers. PLR, which chooses among Procgen's levels, trains on those.
        before: called in the fork before its command.
    """

    def __init__(
        self,
        folder: Path,
        method: str,
        faults: int,
        procgen: bool = False,
        before: Before = lambda: None,
        **options: object,
    ) -> None:
        self.alone, self.run_dir, self.log = folder / "alone", folder / "run", folder / "log"
        self.method, self.procgen, self.before, self.dealt = method, procgen, before, Dealt()
        more: dict[str, object] = {"method": method, "game": "bigfish", **options}
        if method == "counting":
            more |= {"method": "drac", "augmentation": "spoils:Counting"}
        if method in ("daac", "idaac"):
            more |= {"idaac_value_epochs": 1}
        config = TrainConfig(**with_defaults({**OPTIONS, "eval_every": 80}, more))
        self.size = config.rollout_size
        steps = self.size * (BETWEEN * faults + 8)
        self.words = as_argv(config.model_copy(update={"steps": steps}))

    def start(self, run_dir: Path | None = None, before: Before = lambda: None) -> Child:
        command = ["drac", "train", *self.words, "--run-dir", str(run_dir or self.run_dir)]
        self.dealt.starts += 1
        if self.procgen:
            return fault_children.executed(command, self.log)

        def prepare() -> None:
            fault_children.play_numbers(training=self.method != "plr")
            self.before()
            before()

        return fault_children.forked(command, self.log, prepare)

    def step(self) -> int:
        return checkpoint.newest_step(self.run_dir)

    def left_alone(self) -> None:
        """Run the command once without any fault, clocks and all."""
        before, self.before = self.before, lambda: None
        self.expect(self.start(self.alone).wait())
        self.before = before

    def progressed(self, child: Child, rng: random.Random) -> bool:
        """Wait for a few updates, so that the run does get on; False if it ends before."""
        goal = self.step() + self.size * rng.randint(1, BETWEEN)
        return child.until(lambda: self.step() >= goal)

    def finish(self) -> None:
        """Let the run end, and compare it with the one left alone."""
        if self.expect(self.start().wait()):
            self.compare()

    def compare(self) -> None:
        self.dealt.problems += different(self.alone, self.run_dir)

    def expect(self, status: int, *wanted: int, saying: str = "") -> bool:
        """Note a problem unless a command ended as it should, 0 if nothing is said."""
        said = fault_children.last_line(self.log)
        if status in (wanted or (0,)) and saying in said:
            return True
        self.dealt.problems.append(f"status {status}, {said!r}")
        return False


Fault = Callable[[Run, random.Random], bool]
"""Starts the run and does something to it; False if the run ended before."""


def kill(run: Run, rng: random.Random, before: Before = lambda: None) -> bool:
    """Kill a run: half the times while it saves, otherwise at any moment, its imports included."""
    before_it, child = unfinished(run.run_dir), run.start(before=before)
    faults = run.dealt.faults
    mid = faults["kill while saving"] <= faults["kill between"]
    if not mid and rng.random() < 0.2:
        some_seconds(rng, 6.0 if run.procgen else 0.25)
    elif not run.progressed(child, rng):
        return _ended(run, child)
    elif mid:
        if not child.until(lambda: unfinished(run.run_dir) - before_it, every=0.0005):
            return _ended(run, child)
        time.sleep(rng.choice((0.0, 0.0, 0.001, 0.003)))
    else:
        some_seconds(rng, 0.05)
    if not child.killed():
        return _ended(run, child)
    left = unfinished(run.run_dir) - before_it  # what the killed process did not remove
    faults["kill while saving" if left else "kill between"] += 1
    return True


def _ended(run: Run, child: Child) -> bool:
    run.expect(child.wait())
    return False


def storm(run: Run, rng: random.Random) -> bool:
    """Send a run many signals that ask it to stop; kill it in the midst of every fourth storm."""
    child = run.start()
    if rng.random() < 0.2:
        some_seconds(rng, 0.25)
    elif not run.progressed(child, rng):
        return _ended(run, child)
    which = (signal.SIGTERM,) if rng.random() < 0.5 else (signal.SIGTERM, signal.SIGUSR1)
    for _ in range(rng.choice((1, 3, 30, 300))):
        child.send_signal(rng.choice(which))
        time.sleep(rng.choice((0.0, 0.0, 0.0005, 0.005)))
    run.dealt.faults["storm of signals"] += 1
    if rng.random() < 0.25 and child.killed():
        run.dealt.faults["kill in a storm"] += 1
        return True
    # By the signal itself: it came before the run could save, or after it had.
    return run.expect(child.wait(), signals.EXIT_CODE, *(-number for number in which))


def standstill(run: Run, rng: random.Random) -> bool:
    """Stop and continue a run; a second one is refused meanwhile. Then kill it, half asleep."""
    child = run.start()
    if not run.progressed(child, rng):
        return _ended(run, child)
    for _ in range(rng.choice((1, 1, 5))):
        child.send_signal(signal.SIGSTOP)
        some_seconds(rng, 0.2)
        if rng.random() < 0.25:
            refused = run.start().wait()
            run.expect(refused, 2, saying=f"is in use by process {child.pid}")
            run.dealt.faults["second command refused"] += 1
        child.send_signal(signal.SIGCONT)
        run.dealt.faults["STOP and CONT"] += 1
        some_seconds(rng, 0.05)
    if rng.random() < 0.5:
        child.send_signal(signal.SIGSTOP)
    if not child.killed():
        return _ended(run, child)
    run.dealt.faults["kill of a stopped run"] += 1
    return True


def jump(rng: random.Random) -> Before:
    """Return what has the clocks of a child jump at every twentieth look, by up to years."""
    seed = rng.random()

    def before() -> None:
        own, off = random.Random(seed), 0.0

        def jumping(real: Callable[[], float]) -> Callable[[], float]:
            def clock() -> float:
                nonlocal off
                if own.random() < 0.05:
                    off += own.choice((-1, 1)) * own.choice((0.5, 3600.0, 86_400.0 * 400))
                return max(real() + off, 0.0)

            return clock

        time.time, time.monotonic = jumping(time.time), jumping(time.monotonic)

    return before


def kill_under_jumping_clocks(run: Run, rng: random.Random) -> bool:
    """Kill a run whose clocks jump; the times of its files are nonsense too."""
    for path in run.run_dir.rglob("*"):
        moment = rng.uniform(0, 4e9)
        os.utime(path, (moment, moment))
    run.dealt.faults["clocks that jump"] += 1
    return kill(run, rng, jump(rng))


def foreign_lock(run: Run, rng: random.Random) -> bool:
    """Have a process of another host own the folder: in name only, or in fact; then kill ours."""
    if not run.run_dir.exists():
        return kill(run, rng)
    path = run.run_dir / lock.NAME
    path.write_text(json.dumps(vars(ELSEWHERE)), encoding="utf-8")
    if rng.random() < 0.5:
        with path.open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            run.expect(run.start().wait(), 2, saying="is in use by process 12345 on elsewhere")
        run.dealt.faults["held by another host"] += 1
    else:
        run.dealt.faults["left by another host"] += 1
    begun = run.log.stat().st_size
    goes_on = kill(run, rng)
    said = run.log.read_bytes()[begun:]
    if goes_on and b"continued at step" in said and b"taking it over" not in said:
        run.dealt.problems.append("it is not said that the folder of another host is taken over")
    return goes_on


def no_locks() -> None:
    """In a child: the file system cannot lock."""

    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock  # type: ignore[assignment]


def foreign_claim(run: Run, rng: random.Random) -> bool:
    """Without locks: a claim of another host is respected, that of a killed process is not."""
    path = run.run_dir / lock.CLAIM
    if rng.random() < 0.3 and run.run_dir.exists():
        kept = path.read_bytes() if path.exists() else b""
        path.write_text(json.dumps(vars(ELSEWHERE)), encoding="utf-8")
        run.expect(run.start().wait(), 2, saying="if that process is gone, delete")
        run.dealt.faults["claim of another host"] += 1
        path.unlink()
        if kept:
            path.write_bytes(kept)
    return kill(run, rng)


def torment(run: Run, fault: Fault, faults: int, rng: random.Random) -> Dealt:
    """Deal a run so many faults, let it end, and compare."""
    run.left_alone()
    for _ in range(faults):
        if run.dealt.problems:
            break
        if not fault(run, rng):  # it has come to its end before: begin anew
            run.compare()
            shutil.rmtree(run.run_dir)
    if not run.dealt.problems:
        run.finish()
    return run.dealt
