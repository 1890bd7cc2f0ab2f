"""What one sees of a sweep: a live line per running run, or plain lines without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from benchmark.engines.engine import Job
from benchmark.engines.sweep import Ended, State
from benchmark.store.progress import Progress, read_progress
from drac.commands.output import fitted
from drac.config import TrainConfig
from drac.config.quantities import duration, number_of
from drac.methods import spellings
from drac.runs.logs import LOG

FIRST_S, PLAIN_INTERVAL_S = 5.0, 600.0
"""Without a terminal: seconds until what runs is shown; then twice as long each time, at most."""
EACH_S = 60.0
"""Seconds without an end from which on each running run has a line."""
LIVE_INTERVAL_S = 2.0  # looking means reading files, on the cores that train
NARROW = 110
"""A terminal with fewer columns shows shares of steps, and no note beside early returns."""
EVALUATING = "evaluating"
"""Stands in place of the arm meanwhile."""
SHOWN = 32
"""Running runs that are shown, at most."""


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _time_left(progress: Progress) -> str:
    return "-" if progress.seconds_left is None else duration(progress.seconds_left)


def progress_fields(now: Progress) -> list[str]:
    """Return how far a run is as the parts of a line: what is left and an arm, where there is."""
    step, sps, left, train, test, arm = _texts(now)
    if now.sps is None:
        return [f"step {step}"]
    said = [f"step {step}", f"{sps} steps/s"]
    said += [f"{left} left"] if now.step < now.total else []
    said += [] if now.train_return is None else [f"train {train}"]
    said += [] if now.test_return is None else [f"test {test}"]
    if now.evaluating:
        return [*said, EVALUATING]
    return said + ([] if arm == "-" else [f"arm {arm}"])


def _texts(now: Progress) -> tuple[str, ...]:
    """Return steps done and to do, steps per second, time left, the two returns, and the arm."""
    arm = "-" if now.arm == "none" else spellings.arms([now.arm])[now.arm]
    arm = EVALUATING if now.evaluating else arm
    numbers = (_number(now.train_return) + now.early, _number(now.test_return), arm)
    return f"{now.step:,}/{now.total:,}", _number(now.sps, 0), _time_left(now), *numbers


class SweepDisplay:
    """Shows the runs of a sweep until `close`.

    Args:
        total: how many jobs there are.
        configs: id of a job that trains a run -> the run's config; how far others are is not shown.
    """

    def __init__(self, total: int, configs: Mapping[str, TrainConfig]) -> None:
        self._total, self._configs, self._done = total, configs, 0
        self._console = Console(file=sys.stdout)
        self._live = None
        self._begun = self._shown_at = time.monotonic()
        self._interval = FIRST_S
        if self._console.is_terminal:
            self._shown_at = float("-inf")
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()

    def message(self, text: str) -> None:
        """Print a line above the display."""
        self._console.print(fitted(text, "    "), markup=False, highlight=False, soft_wrap=True)

    def ended(self, ended: Ended) -> None:
        """Say how a run ended, and count it as done if it is not tried again."""
        run, text = ended.job.id, ended.outcome.text
        if ended.outcome.state is State.FAILED and ended.again_in is None:  # the summary says why
            text = f"FAILED; its log is {ended.job.run_dir / LOG}"
        if ended.again_in is not None:
            self.message(f"{run}: {text}; tried again in {duration(ended.again_in)}")
            return
        self._done += 1
        self._shown_at = float("-inf") if self._live else time.monotonic()
        self.message(f"[{self._done}/{self._total}] {run}: {text}")

    def update(self, jobs: Sequence[Job]) -> None:
        """Show where the running jobs are, from their files, if it is time to look again."""
        interval = LIVE_INTERVAL_S if self._live else self._interval
        if time.monotonic() - self._shown_at < interval:
            return
        self._shown_at = time.monotonic()
        running = len(jobs)
        jobs = [job for job in jobs if job.id in self._configs]
        now = {job.id: read_progress(job.run_dir, self._configs[job.id]) for job in jobs[:SHOWN]}
        more = f"and {number_of(len(jobs) - SHOWN, 'other')}" if len(jobs) > SHOWN else ""
        if self._live:
            self._live.update(self._table(now, more))
            return
        self._interval = min(2 * self._interval, PLAIN_INTERVAL_S)
        since = duration(self._shown_at - self._begun)
        steps = f"{sum(p.step for p in now.values()):,}/{sum(p.total for p in now.values()):,}"
        how_far = f" (step {steps})" if now and not more else ""
        self.message(f"{since}: {self._counts()}, {running} running{how_far}")
        if self._interval <= EACH_S:
            return
        for run, progress in now.items():
            self.message(f"  {run}: {'  '.join(progress_fields(progress))}")
        if more:
            self.message(f"  {more}")

    def _counts(self) -> str:
        return f"{self._done} of {number_of(self._total, 'run')} done"

    def _table(self, now: Mapping[str, Progress], more: str) -> Group:
        narrow = self._console.width < NARROW
        table = Table(box=None, pad_edge=False)
        for name in ("game", "seed", "method", "step", "steps/s", "left", "train", "test", "arm"):
            yields = name in ("method", "arm")  # of its width, where the terminal is narrow
            left = yields or name == "game"
            table.add_column(
                name,
                justify="left" if left else "right",
                overflow="ellipsis",
                no_wrap=not yields,
            )
        called = spellings.shown(run.split("/")[1] for run in self._configs)
        several = len({run.split("/")[0] for run in self._configs}) > 1
        for run, progress in now.items():
            experiment, method, game, seed = run.split("/")
            method = f"{experiment}/" * several + called[method]
            step, sps, left_, train, *rest = _texts(progress)
            if narrow:
                step = f"{100 * progress.step // progress.total}%"
                train = _number(progress.train_return) + ("*" if progress.early else "")
            table.add_row(game, seed.removeprefix("seed"), method, step, sps, left_, train, *rest)
        early = narrow and any(progress.early for progress in now.values())
        notes = ["* of the envs that have ended an episode so far" if early else "", more]
        return Group(self._counts(), table, *filter(None, notes))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live:
            self._live.stop()
