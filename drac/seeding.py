"""One root seed feeds named, independent streams of random numbers.

A stream's seed depends on the root seed and its name alone, so that adding a stream, or drawing
more from one of them, leaves the others as they were.
"""

from __future__ import annotations

import zlib

import numpy as np


def seed_sequence(root: int, *names: str | int) -> np.random.SeedSequence:
    """Return numpy's SeedSequence of a named stream, e.g. ("evaluate", "test", step)."""
    keys = [zlib.crc32(name.encode()) if isinstance(name, str) else name for name in names]
    return np.random.SeedSequence(entropy=root, spawn_key=tuple(keys))


def stream_seed(root: int, *names: str | int) -> int:
    """Return a seed in 0..2**31-1 for a named stream; Procgen and torch both accept it."""
    return int(seed_sequence(root, *names).generate_state(1)[0] & 0x7FFFFFFF)
