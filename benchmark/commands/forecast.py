"""What a sweep will take here, before it begins: runs, steps, hours, disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.commands.progress_bar import bar
from benchmark.engines.local import Job
from benchmark.store.progress import read_progress
from drac import methods
from drac.config import TrainConfig
from drac.config.quantities import number_of

LONG_H = 24.0
"""Hours from which on it is asked, or warned, before anything begins."""

MEASURED = 200_000
"""Steps of a sweep from which on the speed of this machine is measured first."""

CHECKPOINTS_BYTES, UPDATE_BYTES = 2 * 10_000_000, 4_000
"""Of a run with the paper's network: the two that are kept; an update's rows in all logs."""


def agreed(jobs: Sequence[Job], workers: int, root: Path, yes: bool) -> bool:
    """Say what is left to do and what it takes; whether it may begin.

    What takes more than a day needs a yes on a terminal; elsewhere there is a warning.

    Args:
        jobs: what is left to do.
        workers: jobs side by side.
        root: of the store.
        yes: not to ask.
    """
    left = [_steps_left(job) for job in jobs]
    hours = _hours(jobs, left, workers)
    size = sum(CHECKPOINTS_BYTES + job.config.num_updates * UPDATE_BYTES for job in jobs)
    free = shutil.disk_usage(next(p for p in (root, *root.absolute().parents) if p.exists())).free
    unknown = "hours unknown" if sum(left) >= MEASURED else "too short to be timed first"
    about = unknown if hours is None else f"about {hours:,.1f} hours here"
    print(
        f"to do: {number_of(len(jobs), 'run')}, {number_of(sum(left), 'step')}, {about};"
        f" disk: at most {size / 1e9:,.1f} GB of {free / 1e9:,.1f} GB free",
        flush=True,
    )
    if size > free:
        print("drac-bench run: warning: the disk may fill up", file=sys.stderr)
    if hours is None or hours <= LONG_H or yes:
        return True
    long = f"this takes {hours / 24:,.1f} days here"
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        print(f"drac-bench run: warning: {long}; --dry-run only says so", file=sys.stderr)
        return True
    print(f"{long}; begin? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _steps_left(job: Job) -> int:
    now = read_progress(job.run_dir, job.config)
    return max(0, now.total - now.step)


def _hours(jobs: Sequence[Job], left: Sequence[int], workers: int) -> float | None:
    """Return how long the steps take at this machine's speed; None if that was not measured.

    One run of each method is measured, beside as many like it as will run side by side; all
    augmentations of a family count as one, since they cost a few percent at most.
    """
    from benchmark.speed.children import ChildFailedError

    if sum(left) < MEASURED:
        return None
    steps: dict[str, int] = {}
    configs: dict[str, TrainConfig] = {}
    for job, count in zip(jobs, left, strict=True):
        name = methods.get(job.config.method).name
        steps[name] = steps.get(name, 0) + count
        configs[name] = job.config
    side_by_side = min(workers, len(jobs))
    seconds = 0.0
    try:
        with bar("measuring this machine's speed", len(configs)) as on_part:
            for name, config in configs.items():
                seconds += steps[name] / _steps_per_s(config, side_by_side)
                on_part()
    except ChildFailedError as error:
        print(f"drac-bench run: warning: {error}", file=sys.stderr)
        return None
    return seconds / 3600


def _steps_per_s(config: TrainConfig, number: int) -> float:
    """Measure, for some seconds, `number` runs side by side; return their speeds' sum."""
    from benchmark.speed import children
    from benchmark.speed.records import Task
    from drac import hardware  # imports torch

    if config.threads == "auto":
        share = max(1, len(os.sched_getaffinity(0)) // number)
        config = config.model_copy(update={"threads": share})
    resolved = hardware.resolve(config)
    task = Task(config=resolved, how="whole" if resolved.device == "cuda" else "quick")
    return float(sum(cell["steps_per_s"] for cell in children.run([task] * number)))
