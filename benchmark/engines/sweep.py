"""Jobs of an engine until none is left: what fails is tried again, and stops no other."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from benchmark.engines.engine import Engine, Job
from benchmark.store.progress import last_line
from drac.errors import OTHERS_CODE_FAILED
from drac.files import lock, untrusted
from drac.runs import signals
from drac.runs.logs import LOG
from drac.runs.meta import read_meta

BAD_INPUT = 2
"""The exit status of our commands that says so."""
STAYS = (BAD_INPUT, OTHERS_CODE_FAILED)
"""What would end likewise if it was tried again."""

BACK_OFF_S = 10.0
"""Before a job is tried again; twice as long after each further failure."""
LONGEST_BACK_OFF_S = 600.0

LOG_LINES = 8
"""Of a failed job's log that are shown."""


class State(Enum):
    """How a job ended."""

    COMPLETE = "complete"
    STOPPED = "stopped after saving"
    TAKEN = "taken by another process"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """How a job ended, and a sentence that says so."""

    state: State
    text: str


@dataclass(frozen=True)
class Ended:
    """A job that has ended; `again_in` seconds it will be tried again, None if it is over."""

    job: Job
    outcome: Outcome
    again_in: float | None = None


@dataclass
class Sweep:
    """Executes jobs.

    Args:
        engine: entered.
        jobs: all of them.
        judge: says of a job and its exit status how it ended.
        retries: how often a job is tried again after failing, but for what `STAYS`. Whenever its
            run has got further since the last failure, in meta.json's `steps`, they are counted
            anew.
    """

    engine: Engine
    jobs: Sequence[Job]
    judge: Callable[[Job, int], Outcome]
    retries: int
    over: dict[str, Ended] = field(default_factory=dict, init=False)
    """Id of a job that is over -> how it ended."""

    def __post_init__(self) -> None:
        self._open = {job.id: job for job in self.jobs}
        self._failures: Counter[str] = Counter()
        self._reached: dict[str, int] = {}
        self._resting = dict.fromkeys(self._open, 0.0)

    @property
    def is_over(self) -> bool:
        """Whether every job is over."""
        return not self._open

    def poll(self) -> list[Ended]:
        """Begin what can begin, without waiting; return what has ended since the last call."""
        now = time.monotonic()
        for id_ in [id_ for id_, until in self._resting.items() if until <= now]:
            del self._resting[id_]
            self.engine.submit(self._open[id_])
        ended = []
        for id_, status in self.engine.poll().items():
            job = self._open[id_]
            outcome = self.judge(job, status)
            again_in = None
            if outcome.state is State.FAILED and status not in STAYS:
                again_in = self._again_in(job)
            ended.append(Ended(job, outcome, again_in))
            if again_in is not None:
                self._resting[id_] = time.monotonic() + again_in
            else:
                self.over[id_] = ended[-1]
                del self._open[id_]
        return ended

    def having(self, state: State) -> list[Ended]:
        """Return the jobs that are over and ended so."""
        return [ended for ended in self.over.values() if ended.outcome.state is state]

    def _again_in(self, job: Job) -> float | None:
        steps = read_meta(job.run_dir).get("steps")
        reached = steps if isinstance(steps, int) else 0
        if reached > self._reached.get(job.id, 0):
            self._failures[job.id] = 0
        self._reached[job.id] = reached
        self._failures[job.id] += 1
        failures = self._failures[job.id]
        if failures > self.retries:
            return None
        return float(min(BACK_OFF_S * 2 ** min(failures - 1, 10), LONGEST_BACK_OFF_S))


def outcome(run_dir: Path, status: int, problems: Sequence[str]) -> Outcome:
    """Say how a job ended: complete, stopped, taken by another, or FAILED: why, and its log."""
    if not status and not problems:
        return Outcome(State.COMPLETE, "complete")
    if lock.in_use(run_dir):
        return Outcome(State.TAKEN, "left to another process, which has begun it")
    if status == signals.EXIT_CODE:
        return Outcome(State.STOPPED, State.STOPPED.value)
    why = "; ".join(problems)
    if status < 0:
        why = f"killed by {signal.Signals(-status).name}"
    elif status:
        why = f"exit status {status}"
        if said := last_line(run_dir / LOG):
            why += f", {said}"
    log = "" if str(run_dir / LOG) in why else f"; its log is {run_dir / LOG}"
    return Outcome(State.FAILED, f"FAILED ({why}){log}")


def log_end(job: Job) -> list[str]:
    """Return the last lines of a job's log; none if it cannot be read."""
    path = job.run_dir / LOG
    try:
        with untrusted.opened(path, path.parent) as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
            lines = log.read(16_384).decode("utf-8", errors="replace").splitlines()
    except (OSError, ValueError):
        return []
    return [line for line in lines if line.strip()][-LOG_LINES:]
