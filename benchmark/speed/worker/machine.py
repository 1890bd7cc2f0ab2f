"""What this machine does beside training: matrix products, other processes' work, its memory."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from pathlib import Path

import torch

SIDE = 2048
"""Rows and columns of the matrices."""


def matmul_rates(
    device: torch.device, precision: str, seconds: float, side: int = SIDE
) -> tuple[float, float]:
    """Multiply matrices for `seconds`, after one second to warm up.

    Args:
        device: where.
        precision: "float32" or "bf16".
        seconds: at least this long, and at least one product.
        side: rows and columns.

    Returns:
        10^9 floating-point operations per second: of the fastest product, and of all.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(one)
    # On a GPU a product is over before the next is launched: wait after many.
    number = 50 if device.type == "cuda" else 1

    def for_seconds(limit: float) -> list[float]:
        found: list[float] = []
        until = time.perf_counter() + limit
        while not found or time.perf_counter() < until:
            begun = time.perf_counter()
            for _ in range(number):
                torch.mm(one, other, out=out)
            if device.type == "cuda":
                torch.cuda.synchronize()
            found.append((time.perf_counter() - begun) / number)
        return found

    for_seconds(min(1.0, seconds))
    found = for_seconds(seconds)
    work = 2 * side**3 / 1e9
    return work / min(found), work * len(found) / sum(found)


class Others:
    """Watches, from its making on, how many cores other processes keep busy."""

    def __init__(self) -> None:
        self._begun = _clocks()

    def cores(self) -> float:
        """Return the mean number of cores since then; 0 where Linux does not say."""
        machine, own, wall = (now - then for now, then in zip(_clocks(), self._begun, strict=True))
        return max(0.0, (machine - own) / wall)


def _clocks() -> tuple[float, float, float]:
    """Return seconds: that all processors together were busy, of this process, of the clock."""
    busy_s = 0.0
    with contextlib.suppress(OSError):
        first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
        user, nice, system, _idle, _waiting, *rest = map(int, first.split()[1:9])
        busy_s = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
    return busy_s, time.process_time(), time.perf_counter()


def peak_memory_mb() -> float:
    """Return the peak of this process's resident memory, in 10^6 bytes."""
    # ru_maxrss may hold what the parent had when it made us; VmHWM begins anew with each program.
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
