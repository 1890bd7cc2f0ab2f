"""What a run writes as it trains: progress.csv, arms.csv, eval.csv, TensorBoard, a tracker.

Methods may keep further tables, such as levels.csv.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drac.errors import ConfigError
from drac.files import untrusted
from drac.files.atomic import Appender
from drac.files.retry import Retry
from drac.runs.tensorboard import EventLog
from drac.runs.trackers import Tracker
from drac.stats import Report, UpdateStats

if TYPE_CHECKING:
    import pandas as pd

LOG = "train.log"
"""What a run of a sweep prints, and the traceback of an error in the code of others."""

_REPORTED = (
    *("step", "update", "arm", "train_return", "train_length", "train_episodes", "envs_ended"),
    *("episodes", "bandit_reward"),
)
"""Attributes of `Report` that are logged under their names."""

PROGRESS_COLUMNS = (
    *_REPORTED,
    *UpdateStats.__dataclass_fields__,
    *("skipped_steps", "wall_s", "charts/SPS"),
)
TIMING_COLUMNS = ("wall_s", "charts/SPS")
"""The columns that differ between two runs of the same command."""

ARM_COLUMNS = ("update", "arm", "count", "mean", "score", "selected")
EVAL_COLUMNS = ("step", "split", "level_seed", "return", "length")
SPLITS = ("train", "test")
"""What every evaluation plays: the run's training levels, and the full distribution."""


class _Table:
    """A CSV file that grows by rows and can be cut back to an earlier length.

    A file that an earlier version began, with fewer columns, keeps those it has.
    """

    def __init__(self, path: Path, columns: Sequence[str], position: int, retry: Retry) -> None:
        self._columns, self._header = columns, _header(path) if position else columns
        self._file = Appender(path, position, retry)
        if position == 0:
            self.append([columns])

    def append(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write rows, whose fields are in the order of `columns`: all of them, or none."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        for row in rows:
            fields = dict(zip(self._columns, row, strict=True))
            writer.writerow([fields.get(name, "") for name in self._header])
        self._file.append(text.getvalue().encode("utf-8"))

    def position(self) -> int:
        """Bytes written so far, all of them on disk."""
        return self._file.position()

    def close(self) -> None:
        self._file.close()


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header = next(csv.reader(file), [])
        untrusted.check_columns(header)
        return header
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{path} has no header that can be read ({error})") from None


def _require_rows(path: Path, position: int) -> None:
    """Raise ConfigError unless a file has a whole row that ends at a position."""
    try:
        with path.open("rb") as file:
            file.seek(max(position - 1, 0))
            last = file.read(1)
    except OSError:
        last = b""
    if position and last != b"\n":
        is_behind = "was changed since" if last else "lacks rows that the checkpoint says it had"
        raise ConfigError(f"{path} {is_behind}; cannot continue (drac train --fresh starts over)")


class RunLog:
    """Writes the logs of a run.

    Args:
        run_dir: an existing folder.
        positions: what `positions()` returned when the checkpoint that the run continues from was
            made; later rows are cut off. None begins new files.
        step: the step to continue from; TensorBoard hides older events beyond it.
        tables: columns of further CSV files, by name, that the run's method keeps.
        retry: of each write.
        settings: the run's options.
        tracker: is given the scalars that TensorBoard gets.

    Raises:
        ConfigError: if a file is shorter than its position, or has no end of a row there.
        DiskError: if a write fails for longer than `retry` lasts; whoever continues from the
            last checkpoint finds the files as they were then.
    """

    def __init__(
        self,
        run_dir: Path,
        positions: Mapping[str, int] | None = None,
        step: int = 0,
        tables: Mapping[str, Sequence[str]] | None = None,
        retry: Retry | None = None,
        settings: Mapping[str, Any] | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        positions, retry = positions or {}, retry or Retry()
        self._tracker, self._settings = tracker or Tracker(), settings or {}
        columns: dict[str, Sequence[str]] = {
            "progress": PROGRESS_COLUMNS,
            "arms": ARM_COLUMNS,
            "eval": EVAL_COLUMNS,
            **(tables or {}),
        }
        for name in columns:
            _require_rows(run_dir / f"{name}.csv", positions.get(name, 0))
        self._tables = {
            name: _Table(run_dir / f"{name}.csv", header, positions.get(name, 0), retry)
            for name, header in columns.items()
        }
        self._events = EventLog(run_dir, step, retry)
        if self._settings and not step:
            self._events.hparams(self._settings)

    def update(self, report: Report, wall_s: float, sps: float) -> None:
        """Log an update; `wall_s` is the run's time so far, `sps` steps per second of late."""
        losses = asdict(report.stats)
        head = [getattr(report, name) for name in _REPORTED]  # None is written as a blank
        tail = [report.skipped_steps, round(wall_s, 3), round(sps, 2)]
        self._tables["progress"].append([[*head, *losses.values(), *tail]])
        self._tables["arms"].append(
            [report.update, arm.arm, arm.count, arm.mean, arm.score, int(arm.arm == report.arm)]
            for arm in report.arms
        )
        scalars = {f"losses/{name}": value for name, value in losses.items()}
        scalars["losses/explained_variance"] = report.explained_variance
        scalars["losses/clipfrac"] = report.stats.clip_fraction  # as CleanRL calls it
        if "learning_rate" in self._settings:
            scalars["charts/learning_rate"] = self._settings["learning_rate"]
        scalars |= {"charts/SPS": sps, "train/episodes": report.episodes}
        scalars["bandit/reward"] = report.bandit_reward
        if report.train_return is not None and report.train_length is not None:
            scalars["charts/episodic_return"] = scalars["train/return"] = report.train_return
            scalars["charts/episodic_length"] = report.train_length
        for arm in report.arms:
            for name in ("count", "mean", "score"):
                scalars[f"bandit/{name}/{arm.arm}"] = getattr(arm, name)
        self._scalars(scalars, report.step)

    def evaluation(self, step: int, episodes: pd.DataFrame) -> None:
        """Log the episodes of one split, as `drac.evaluate.evaluate` returns them."""
        columns = list(EVAL_COLUMNS[1:])
        self._tables["eval"].append([step, *row] for row in episodes[columns].to_numpy().tolist())
        split = episodes["split"].iloc[0]
        mean, length = episodes["return"].mean(), episodes["length"].mean()
        name = "train/eval_return" if split == "train" else f"{split}/return"
        self._scalars({name: mean, f"{split}/eval_length": length}, step)

    def _scalars(self, values: Mapping[str, float], step: int) -> None:
        self._events.scalars(values, step)
        self._tracker.scalars(values, step)

    def rows(self, table: str, rows: Iterable[Iterable[Any]]) -> None:
        """Append rows to one of the tables given at construction."""
        self._tables[table].append(rows)

    def positions(self) -> dict[str, int]:
        """Return the length of every CSV file in bytes, for a checkpoint."""
        return {name: table.position() for name, table in self._tables.items()}

    def close(self) -> None:
        """Close every file."""
        for table in self._tables.values():
            table.close()
        self._events.close()
        self._tracker.close()
