"""What one sees of a sweep: a live line per running run, or plain lines without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from benchmark.engines.local import Job
from benchmark.store.progress import Progress, read_progress
from drac.config.quantities import number_of

PLAIN_INTERVAL_S = 600.0  # since the last line: runs that are shorter are one line each
LIVE_INTERVAL_S = 2.0  # looking means reading files, on the cores that train


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _time_left(progress: Progress) -> str:
    if progress.seconds_left is None:
        return "-"
    seconds = int(progress.seconds_left)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def progress_line(now: Progress) -> str:
    """Format how far a run is as one plain line."""
    step, sps, left, train, test, arm = _texts(now)
    return f"step {step}  {sps} steps/s  {left} left  train {train}  test {test}  arm {arm}"


def _texts(now: Progress) -> tuple[str, ...]:
    """Return steps done and to do, steps per second, time left, the two returns, and the arm."""
    numbers = (_number(now.train_return) + now.early, _number(now.test_return), now.arm)
    return f"{now.step:,}/{now.total:,}", _number(now.sps, 0), _time_left(now), *numbers


class SweepDisplay:
    """Shows the runs of a sweep until `close`.

    Args:
        total: number of runs to execute.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._console = Console(file=sys.stdout)
        self._live = None
        self._shown_at = time.monotonic()
        if self._console.is_terminal:
            self._shown_at = float("-inf")
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()

    def message(self, text: str) -> None:
        """Print a line above the display."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def ended(self, run: str, outcome: str) -> None:
        """Count a run as done and say how it ended."""
        self._done += 1
        self._shown_at = float("-inf") if self._live else time.monotonic()
        self.message(f"[{self._done}/{self._total}] {run}: {outcome}")

    def update(self, jobs: Sequence[Job]) -> None:
        """Show where the running jobs are, from their files, if it is time to look again."""
        interval = LIVE_INTERVAL_S if self._live else PLAIN_INTERVAL_S
        if time.monotonic() - self._shown_at < interval:
            return
        self._shown_at = time.monotonic()
        if self._live:
            self._live.update(self._table(jobs))
            return
        for job in jobs:
            self.message(f"  {job.id}: {progress_line(read_progress(job.run_dir, job.config))}")

    def _table(self, jobs: Sequence[Job]) -> Group:
        table = Table(box=None, pad_edge=False)
        for name in ("run", "", "step", "steps/s", "left", "train", "test", "augmentation"):
            table.add_column(name, justify="left" if name in ("run", "augmentation") else "right")
        for job in jobs:
            now = read_progress(job.run_dir, job.config)
            bar = ProgressBar(total=now.total, completed=now.step, width=20)
            table.add_row(job.id, bar, *_texts(now))
        return Group(f"{self._done} of {number_of(self._total, 'run')} done", table)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live:
            self._live.stop()
