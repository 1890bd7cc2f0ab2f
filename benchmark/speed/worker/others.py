"""Whether other processes were busy on this machine while we measured."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Others:
    """Watches, from its making on, how many cores other processes keep busy."""

    def __init__(self) -> None:
        self._begun = self._now()

    def cores(self) -> float:
        """Return the mean number of cores since then; 0 where Linux does not say."""
        machine, own, wall = (
            now - then for now, then in zip(self._now(), self._begun, strict=True)
        )
        return max(0.0, (machine - own) / wall)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Return seconds: of all processors, of this process, of the clock."""
        return _busy_s(), time.process_time(), time.perf_counter()


def _busy_s() -> float:
    """Return the seconds that all processors together were busy since the machine started."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, *rest = map(int, first.split()[1:9])
    return float(user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
