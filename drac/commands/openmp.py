"""How OpenMP's threads, which torch computes with on CPU, wait for each other."""

from __future__ import annotations

import os

SPIN_COUNT = 10_000
"""Turns of GNU OpenMP's waiting loop, some 30 microseconds, before a thread sleeps."""


def spin_briefly() -> None:
    """Have threads that wait give their core away soon; a setting of the user's own stays.

    By default they spin for milliseconds. Where other work shares the cores, that is time which
    the thread that is waited for does not get (docs/performance.md, "Other work on the cores").
    OpenMP reads its settings when torch is loaded, so this must come before.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
