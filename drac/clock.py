"""Seconds that only pass forwards, whatever the system's clock does."""

from __future__ import annotations

import time


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
