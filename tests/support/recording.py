"""A watcher that keeps what it is told, and ends the run it watches."""

from __future__ import annotations

import os
import signal

from drac.stats import Report
from drac.train.watcher import Watcher


class Recording(Watcher):
    """Keeps progress, reports and messages of a run.

    Args:
        stop_after: an update after which it sends a signal to this process.
        stop_in: a split, and the episode of it in an evaluation after which it does.
        killed_after: an update after which it fails, as if the process had been killed.
        stop_at: the step at which it sends a signal; progress is told with every gradient step.
    """

    def __init__(
        self,
        stop_after: int | None = None,
        stop_in: tuple[str, int] | None = None,
        killed_after: int | None = None,
        stop_at: float | None = None,
    ) -> None:
        self.stop_at = stop_at
        self.stop_after, self.stop_in, self.killed_after = stop_after, stop_in, killed_after
        self.steps: list[float] = []
        self.reports: list[Report] = []
        self.said: list[str] = []

    def progress(self, step: float) -> None:
        self.steps.append(step)
        if self.stop_at is not None and step >= self.stop_at:
            self.stop_at = None
            os.kill(os.getpid(), signal.SIGTERM)

    def updated(self, report: Report, sps: float) -> None:
        self.reports.append(report)
        if report.update == self.killed_after:
            raise RuntimeError("power cut")
        if report.update == self.stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluating(self, split: str, played: int, episodes: int) -> None:
        if (split, played) == self.stop_in:
            os.kill(os.getpid(), signal.SIGTERM)

    def message(self, text: str) -> None:
        self.said.append(text)
