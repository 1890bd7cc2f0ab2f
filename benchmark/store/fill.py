"""Reads many runs into the index with several processes: files are most of the work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context

from benchmark.suites import RunSpec

AT_A_TIME = 25
"""Runs that a process is given: Ctrl-C waits for those that were."""

MOST = 8
"""Processes: their disk is one."""


def with_all_cores(
    read: Callable[[Sequence[RunSpec]], None],
    specs: Sequence[RunSpec],
    on_run: Callable[[], None],
) -> None:
    """Have the index know runs. What it then lacks, as it cannot be written, is read again.

    Args:
        read: reads some into the index, in a process of its own: a module-level function.
        specs: which runs, best those of a method together.
        on_run: called after each, here.
    """
    parts = [specs[k : k + AT_A_TIME] for k in range(0, len(specs), AT_A_TIME)]
    workers = min(len(os.sched_getaffinity(0)), MOST, len(parts))
    with ProcessPoolExecutor(workers, get_context("spawn"), _leave_ctrl_c_to_us) as pool:
        reading = {pool.submit(read, part): len(part) for part in parts}
        try:
            with suppress(BrokenProcessPool):  # one was killed
                for done in as_completed(reading):
                    done.result()
                    for _ in range(reading[done]):
                        on_run()
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_ctrl_c_to_us() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
