"""What a run writes as it trains: progress.csv, arms.csv, eval.csv, TensorBoard, meta.json.

Methods may keep further tables, such as levels.csv.
"""

from __future__ import annotations

import csv
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drac import files, reading
from drac.config import ConfigError
from drac.counts import shown
from drac.report import Report, UpdateStats

if TYPE_CHECKING:
    import pandas as pd

PROGRESS_COLUMNS = (
    *("step", "update", "arm", "train_return", "train_length", "episodes", "bandit_reward"),
    *UpdateStats.__dataclass_fields__,
    *("wall_s", "charts/SPS"),
)
TIMING_COLUMNS = ("wall_s", "charts/SPS")
"""The columns that differ between two runs of the same command."""

ARM_COLUMNS = ("update", "arm", "count", "mean", "score", "selected")
EVAL_COLUMNS = ("step", "split", "level_seed", "return", "length")
SPLITS = ("train", "test")
"""What every evaluation plays: the run's training levels, and the full distribution."""

META = "meta.json"
META_FORMAT = 1


class _Table:
    """A CSV file that grows by rows and can be cut back to an earlier length.

    A file that an earlier version began, with fewer columns, keeps those it has.
    """

    def __init__(self, path: Path, columns: Sequence[str], position: int) -> None:
        with path.open("ab") as file:
            file.truncate(position)
        self._columns, self._header = columns, _header(path) if position else columns
        self._file = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        if position == 0:
            self.append([columns])

    def append(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write rows, whose fields are in the order of `columns`."""
        for row in rows:
            fields = dict(zip(self._columns, row, strict=True))
            self._writer.writerow([fields.get(name, "") for name in self._header])
        self._file.flush()

    def position(self) -> int:
        """Bytes written so far, all of them on disk: a checkpoint is about to rely on it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


class RunLog:
    """Writes the logs of a run.

    Args:
        run_dir: an existing folder.
        positions: what `positions()` returned when the checkpoint that the run continues from was
            made; later rows are cut off. None begins new files.
        step: the step to continue from; TensorBoard hides older events beyond it.
        tables: columns of further CSV files, by name, that the run's method keeps.

    Raises:
        ConfigError: if a file is shorter than its position.
    """

    def __init__(
        self,
        run_dir: Path,
        positions: Mapping[str, int] | None = None,
        step: int = 0,
        tables: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        positions = positions or {}
        columns: dict[str, Sequence[str]] = {
            "progress": PROGRESS_COLUMNS,
            "arms": ARM_COLUMNS,
            "eval": EVAL_COLUMNS,
            **(tables or {}),
        }
        for name in columns:
            path, position = run_dir / f"{name}.csv", positions.get(name, 0)
            if position and (not path.exists() or path.stat().st_size < position):
                raise ConfigError(
                    f"{path} lacks rows that the checkpoint says it had; cannot continue"
                )
        self._tables = {
            name: _Table(run_dir / f"{name}.csv", header, positions.get(name, 0))
            for name, header in columns.items()
        }
        with warnings.catch_warnings():  # tensorboard's own imports warn of their dependencies
            warnings.simplefilter("ignore")
            from torch.utils.tensorboard import SummaryWriter
        self._events: Any = SummaryWriter(str(run_dir), purge_step=step + 1 if step else None)

    def update(self, report: Report, wall_s: float, sps: float) -> None:
        """Log an update; `wall_s` is the run's time so far, `sps` steps per second of late."""
        blank = ["" if v is None else v for v in (report.train_return, report.train_length)]
        losses = asdict(report.stats)
        head = [report.step, report.update, report.arm, *blank, report.episodes]
        timing = [round(wall_s, 3), round(sps, 2)]
        self._tables["progress"].append([[*head, report.bandit_reward, *losses.values(), *timing]])
        self._tables["arms"].append(
            [report.update, arm.arm, arm.count, arm.mean, arm.score, int(arm.arm == report.arm)]
            for arm in report.arms
        )
        scalars = {f"losses/{name}": value for name, value in losses.items()}
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

    def rows(self, table: str, rows: Iterable[Iterable[Any]]) -> None:
        """Append rows to one of the tables given at construction."""
        self._tables[table].append(rows)

    def _scalars(self, scalars: Mapping[str, float], step: int) -> None:
        for name, value in scalars.items():
            self._events.add_scalar(name, value, step)

    def positions(self) -> dict[str, int]:
        """Return the length of every CSV file in bytes, for a checkpoint."""
        return {name: table.position() for name, table in self._tables.items()}

    def close(self) -> None:
        """Close every file."""
        for table in self._tables.values():
            table.close()
        self._events.close()


def read_meta(run_dir: Path) -> dict[str, Any]:
    """Return a run's meta.json, empty if absent or damaged."""
    try:
        meta = reading.read_json(run_dir / META)
    except (OSError, ValueError):
        return {}
    return meta if isinstance(meta, dict) else {}


def write_meta(run_dir: Path, **facts: Any) -> None:
    """Add facts to a run's meta.json: versions, machine, wall time. A damaged one is begun anew.

    Raises:
        ConfigError: if it is one of a later version.
    """
    known = read_meta(run_dir)
    version = known.get("format", META_FORMAT)
    if version != META_FORMAT:
        path, ours = run_dir / META, f"this version reads format {META_FORMAT}"
        raise ConfigError(f"{path} has format {shown(version)}; {ours}")
    text = json.dumps({"format": META_FORMAT, **known, **facts}, indent=2)
    files.write_text(run_dir / META, text + "\n")
