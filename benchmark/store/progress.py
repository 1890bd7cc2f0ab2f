"""How far a run is, from its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.store.run_files import (
    PROGRESS_COLUMNS,
    DamagedError,
    final_evaluation,
    read_csv,
)
from benchmark.store.run_record import total_steps
from drac.config import TrainConfig


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: environment steps done.
        total: environment steps to do.
        sps: steps per second of the last update; None before the first.
        train_return: mean over the last 100 training episodes; None before the first.
        test_return: mean of the last test evaluation; None before the first.
        arm: current augmentation, "-" before the first update.
    """

    step: int
    total: int
    sps: float | None = None
    train_return: float | None = None
    test_return: float | None = None
    arm: str = "-"

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step at the present speed; None if that is unknown."""
        return (self.total - self.step) / self.sps if self.sps else None


def progress_of(run_dir: Path, config: TrainConfig) -> Progress:
    """Return how far a run is; a damaged file counts as absent (`validate` says that it is)."""
    try:
        rows = read_csv(run_dir / "progress.csv", PROGRESS_COLUMNS)
        episodes = final_evaluation(run_dir)
    except DamagedError:
        return Progress(0, total_steps(config))
    if rows.empty:
        return Progress(0, total_steps(config))
    last = rows.iloc[-1]
    tested = episodes.loc[episodes["split"] == "test", "return"]
    return Progress(
        step=int(last["step"]),
        total=total_steps(config),
        sps=float(last["charts/SPS"]),
        train_return=None if pd.isna(last["train_return"]) else float(last["train_return"]),
        test_return=float(tested.mean()) if len(tested) else None,
        arm=str(last["arm"]),
    )


def last_line(path: Path) -> str:
    """Return the last line of a log that says something; "" if there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 4096))
            text = log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
