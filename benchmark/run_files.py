"""The files of one run as they are found: read strictly, for others may be writing them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from drac import lock, logs

PROGRESS_COLUMNS = ("step", "arm", "train_return", "charts/SPS")
ARM_COLUMNS = ("update", "arm", "count")
"""What is read of progress.csv and arms.csv; of eval.csv it is every column."""

_TEXT = {"arm", "split"}
_MAY_BE_BLANK = {"train_return"}  # no episode has ended yet


class DamagedError(ValueError):
    """A file of a run holds what `drac train` does not write. The message names the file."""


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a run's CSV file; no rows if it is absent or has none yet.

    A last line without its end is still being written, and left out.

    Args:
        path: the file.
        columns: those that are needed; further ones may be there.

    Raises:
        DamagedError: if a column is absent, a line has too many fields, or a needed value is
            missing or not finite.
    """
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1] or ",".join(columns)
        table: pd.DataFrame = pd.read_csv(io.StringIO(whole), low_memory=False)
    except FileNotFoundError:
        return pd.DataFrame(columns=list(columns))
    except (OSError, ValueError) as error:
        raise DamagedError(f"{path.name} cannot be read ({_one_line(error)})") from None
    if absent := [name for name in columns if name not in table]:
        raise DamagedError(f"{path.name} is damaged: it has no column {', '.join(absent)}")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for an index
        raise DamagedError(f"{path.name} is damaged: line 2 has more fields than the header")
    for name in columns:
        _check(path.name, table, name)
    return table[list(columns)]


def _check(file: str, table: pd.DataFrame, name: str) -> None:
    """Turn a column of numbers into numbers, and refuse what is missing or not finite."""
    if name in _TEXT:
        good = table[name].notna().to_numpy()
    else:
        given, table[name] = table[name], pd.to_numeric(table[name], errors="coerce")
        good = np.isfinite(table[name].to_numpy(float))
        if name in _MAY_BE_BLANK:
            good |= given.isna().to_numpy()
    if not good.all():
        line = int(good.argmin()) + 2
        raise DamagedError(f"{file} is damaged: line {line} has no {name}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def final_evaluation(run_dir: Path) -> pd.DataFrame:
    """Return the episodes of a run's last evaluation: step, split, level_seed, return, length.

    Raises:
        DamagedError: see `read_csv`.
    """
    episodes = read_csv(run_dir / "eval.csv", logs.EVAL_COLUMNS)
    last: pd.DataFrame = episodes[episodes["step"] == episodes["step"].max()]
    return last


def in_use(run_dir: Path) -> bool:
    """Whether a process is training this run: `drac.lock.owned` holds its folder."""
    return lock.in_use(run_dir)
