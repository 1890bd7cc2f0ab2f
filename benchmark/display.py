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
from benchmark.store import Progress, progress_of

PLAIN_INTERVAL_S = 15.0


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _time_left(progress: Progress) -> str:
    if not progress.sps:
        return "-"
    seconds = int((progress.total - progress.step) / progress.sps)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


class SweepDisplay:
    """Shows the runs of a sweep until `close`.

    Args:
        total: number of runs to execute.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._console = Console(file=sys.stdout)
        self._live = None
        self._printed_at = 0.0
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4)
            self._live.start()

    def message(self, text: str) -> None:
        """Print a line above the display."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def ended(self, run: str, outcome: str) -> None:
        """Count a run as done and say how it ended."""
        self._done += 1
        self.message(f"[{self._done}/{self._total}] {run}: {outcome}")

    def update(self, jobs: Sequence[Job]) -> None:
        """Show where the running jobs are, from their files."""
        if self._live:
            self._live.update(self._table(jobs))
        elif time.monotonic() - self._printed_at >= PLAIN_INTERVAL_S:
            self._printed_at = time.monotonic()
            for job in jobs:
                now = progress_of(job.run_dir, job.config)
                self.message(
                    f"  {job.id}: step {now.step:,}/{now.total:,}  {_number(now.sps, 0)} steps/s"
                    f"  {_time_left(now)} left  train {_number(now.train_return)}"
                    f"  test {_number(now.test_return)}  arm {now.arm}"
                )

    def _table(self, jobs: Sequence[Job]) -> Group:
        table = Table(box=None, pad_edge=False)
        for name in ("run", "", "step", "steps/s", "left", "train", "test", "augmentation"):
            table.add_column(name, justify="left" if name in ("run", "augmentation") else "right")
        for job in jobs:
            now = progress_of(job.run_dir, job.config)
            table.add_row(
                job.id,
                ProgressBar(total=now.total, completed=now.step, width=20),
                f"{now.step:,}/{now.total:,}",
                _number(now.sps, 0),
                _time_left(now),
                _number(now.train_return),
                _number(now.test_return),
                now.arm,
            )
        return Group(f"{self._done} of {self._total} runs done", table)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live:
            self._live.stop()
