"""What a training run tells while it goes on."""

from __future__ import annotations

from drac.config import TrainConfig
from drac.stats import Report


class Watcher:
    """Follows a training run; every method may be overridden, none has to be."""

    def begun(self, config: TrainConfig, step: int) -> None:
        """The run starts, or continues from `step`."""

    def progress(self, step: float) -> None:
        """`step` environment steps' worth of work is done; called several times a second."""

    def updated(self, report: Report, sps: float) -> None:
        """An update has been logged."""

    def evaluating(self, split: str, played: int, episodes: int) -> None:
        """`played` of an evaluation's `episodes` are over; at first none is."""

    def evaluated(self, step: int, split: str, mean_return: float) -> None:
        """A split has been evaluated."""

    def message(self, text: str) -> None:
        """Something the user should read."""
