"""How far a run is, from its files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.store.run_files import (
    PROGRESS_COLUMNS,
    Columns,
    DamagedError,
    final_episodes,
    read_columns,
)
from benchmark.store.run_record import total_steps
from drac.config import TrainConfig
from drac.config.quantities import passed
from drac.files import untrusted
from drac.stats import early_text


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: environment steps done.
        total: environment steps to do.
        sps: steps per second of the last update; None before the first.
        train_return: mean over the last 100 training episodes; None before the first.
        early: which envs it is of, while some have ended no episode: `drac.stats.early_text`.
        test_return: mean of the last test evaluation; None before the first.
        arm: current augmentation, "-" before the first update.
        evaluating: whether an evaluation is due at this step and is not there, so that the run, if
            anybody works on it, plays it now.
    """

    step: int
    total: int
    sps: float | None = None
    train_return: float | None = None
    test_return: float | None = None
    arm: str = "-"
    early: str = ""
    evaluating: bool = False

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step at the present speed; None if that is unknown."""
        return (self.total - self.step) / self.sps if self.sps else None


def read_progress(run_dir: Path, config: TrainConfig) -> Progress:
    """Return how far a run is, from progress.csv and eval.csv alone: see `progress_of`."""
    try:
        updates = read_columns(run_dir / "progress.csv", PROGRESS_COLUMNS)
        return progress_of(config, updates, final_episodes(run_dir))
    except DamagedError:
        return progress_of(config, {}, {})


def progress_of(config: TrainConfig, updates: Columns, episodes: Columns) -> Progress:
    """Return how far a run is, from what was read of it: see `RunRecord`.

    A damaged file, which has no columns there, counts as absent (`validate` says what is wrong),
    and neither of the two is then believed.
    """
    if not updates or not episodes or not len(updates["step"]):
        return Progress(0, total_steps(config))
    step, arm, train_return, ended, sps = (updates[name][-1] for name in PROGRESS_COLUMNS)
    tested = episodes["return"][episodes["split"] == "test"]
    total, before = total_steps(config), int(step) - config.rollout_size
    due = step == total or passed(config.eval_every, before, int(step))
    return Progress(
        step=int(step),
        total=total,
        sps=float(sps),
        train_return=None if np.isnan(train_return) else float(train_return),
        test_return=float(tested.mean()) if len(tested) else None,
        arm=str(arm),
        early=early_text(float(ended), config.num_envs),
        evaluating=due and step not in episodes["step"],
    )


def last_line(path: Path) -> str:
    """Return the last line of a log that says something, plain; "" if there is none."""
    try:
        with untrusted.opened(path, path.parent) as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            text = log.read(4096).decode("utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", last)  # it may hold what commands a terminal
