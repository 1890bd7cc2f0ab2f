"""Jobs of an engine carried out in the terminal: begun, followed, stopped, summed up."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmark.engines import catalogue
from drac.commands.output import fitted
from drac.config import TrainConfig
from drac.config.quantities import duration, number_of
from drac.runs import signals

if TYPE_CHECKING:
    from benchmark.commands.display import SweepDisplay
    from benchmark.engines.engine import Engine, Job
    from benchmark.engines.sweep import Outcome, Sweep

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.2
"""Between two looks at the engine: short after something has ended, twice as long each time."""


def carry_out(
    own: Mapping[str, Any],
    engine: Engine,
    jobs: Sequence[Job],
    judge: Callable[[Job, int], Outcome],
    first: str,
    *,
    next_command: str = "",
    may_begin: Callable[[], bool] = lambda: True,
    configs: Mapping[str, TrainConfig] = MappingProxyType({}),
) -> int:
    """Execute jobs, or print them, and say how they ended; returns the exit status.

    Args:
        own: the flags of `benchmark.engines.options`.
        engine: as these describe it.
        jobs: what is left to do.
        judge: as for `Sweep`.
        first: the line that is printed first.
        next_command: what to do when all is complete.
        may_begin: called as soon as the engine is there; nothing may be written earlier.
        configs: of the jobs that train, by id.
    """
    from benchmark.commands.display import SweepDisplay
    from benchmark.engines.sweep import Sweep
    from drac.runs.logs import LOG

    if own["dry_run"]:
        preview = engine.preview(jobs)
        may_begin()
        print(preview)
        return 0
    with contextlib.ExitStack() as stack:  # whatever goes wrong, no child outlives us
        catalogue.called(own["engine"], lambda: stack.enter_context(engine))
        if not may_begin():
            print("nothing was begun")
            return 1
        display = SweepDisplay(len(jobs), configs)
        stack.callback(display.close)
        display.message(f"{first}, {engine.where}")
        if jobs:
            display.message(f"logs: {jobs[0].run_dir / LOG}" + ", ..." * (len(jobs) > 1))
        begun = time.monotonic()
        sweep = Sweep(engine, jobs, judge, own["retries"])
        waited = catalogue.called(own["engine"], lambda: _execute(sweep, display))
    if not waited:
        left_to = "left to the engine" if engine.detached else "stopped"
        print(f"{left_to}; the same command continues")
        return signals.EXIT_CODE
    return _summary(sweep, time.monotonic() - begun, next_command)


def _execute(sweep: Sweep, display: SweepDisplay) -> bool:
    """Wait for the jobs to be over; return False if they are left as they are."""
    engine, pause = sweep.engine, SHORTEST_PAUSE_S
    with signals.stop_requested(lambda text: None) as stopped:  # we speak below, not in a handler
        while not sweep.is_over:
            if stopped():
                display.message("stopping: what runs saves its state first (Ctrl-C again: at once)")
                engine.cancel()
                return False
            ended = sweep.poll()
            if engine.detached:
                return False
            for one in ended:
                display.ended(one)
            display.update(engine.running)
            pause = SHORTEST_PAUSE_S if ended else min(2 * pause, LONGEST_PAUSE_S)
            time.sleep(pause)
    return True


def _summary(sweep: Sweep, seconds: float, following: str) -> int:
    """Say how the jobs ended; returns the exit status."""
    from benchmark.engines.sweep import State, log_end

    finished, failed = sweep.having(State.COMPLETE), sweep.having(State.FAILED)
    print(f"{number_of(len(finished), 'run')} finished in {duration(seconds)}")
    for ended in failed:
        print("", fitted(f"{ended.job.id}: {ended.outcome.text}"), sep="\n")
        lines = log_end(ended.job)
        for line in lines:
            if line != lines[-1]:  # the outcome has it; earlier attempts may have said it too
                print(f"  | {line}")
        print(f"this run alone: {ended.job}")
    if failed:
        names = ", ".join(ended.job.id for ended in failed)
        said = f"{len(failed)} of {number_of(len(sweep.over), 'run')} failed: {names}"
        print(fitted(said), file=sys.stderr)
        return 1
    if stopped := sweep.having(State.STOPPED):
        print(f"{number_of(len(stopped), 'run')} left; the same command continues")
        return signals.EXIT_CODE
    if following:
        print(f"next: {following}")
    return 0
