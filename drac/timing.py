"""Clocks: seconds that only pass forwards, and where the time of training goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, Protocol, get_args

Phase = Literal[
    "step envs",
    "act",
    "normalize, GAE",
    "gather minibatch",
    "augment",
    "forward, backward",
    "optimizer",
    "auxiliary phase",
    "evaluate",
    "checkpoint",
]
PHASES: tuple[Phase, ...] = get_args(Phase)


class Phases(Protocol):
    """Is told which phase the work belongs to. Inside a phase, others are part of it."""

    def __call__(self, phase: Phase) -> AbstractContextManager[None]:
        """Return a context that spans one piece of a phase."""


def unmeasured(phase: Phase) -> AbstractContextManager[None]:
    """Measure nothing."""
    return nullcontext()


class PhaseTimer:
    """Adds up the seconds of each phase.

    Args:
        synchronize: waits for the device, so that what a phase launched is counted in it;
            `torch.cuda.synchronize` on CUDA. Measuring then costs what it would have overlapped.
    """

    def __init__(self, synchronize: Callable[[], None] | None = None) -> None:
        self._synchronize = synchronize
        self._inside = False
        self.seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def __call__(self, phase: Phase) -> Iterator[None]:
        """Count the time inside the context to `phase`."""
        if self._inside:
            yield
            return
        self._inside = True
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._inside = False
            if self._synchronize:
                self._synchronize()
            self.seconds[phase] += time.perf_counter() - begun


class Stopwatch:
    """Adds up the seconds since it was made.

    A clock that is set back costs the time until it is next looked at, and nothing more: a
    difference between two of its own readings would be negative, and checkpoints that are due
    after some minutes would wait until it has caught up.
    """

    def __init__(self) -> None:
        self._read, self._total = time.monotonic(), 0.0

    def __call__(self) -> float:
        """Return the seconds so far, never less than before."""
        now = time.monotonic()
        self._total += max(now - self._read, 0.0)
        self._read = now
        return self._total
