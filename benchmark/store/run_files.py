"""The files of one run as they are found: read strictly, for others may be writing them."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drac.errors import shown
from drac.files import untrusted
from drac.games import LARGEST_RETURN
from drac.runs import logs

if TYPE_CHECKING:
    import pandas as pd

PROGRESS_COLUMNS = ("step", "arm", "train_return", "envs_ended", "charts/SPS")
ARM_COLUMNS = ("update", "arm", "count", "mean", "score")
"""What is read of progress.csv and arms.csv; of eval.csv it is every column."""

ROBUSTNESS_COLUMNS = ("metric", "split", "variant", "pairs", "value")
"""What is read of robustness.csv, which `drac evaluate --robustness` leaves."""

_LIMIT = 2**30
"""Bytes of a run's CSV file. An eval.csv of 25M steps has about a megabyte."""

_LARGEST = 1e100
"""Losses beyond it have means and squares that might overflow."""

_TEXT = {"arm", "split", "metric", "variant"}
"""Columns of words; the others are numbers."""
_COUNTS = {"step", "update", "count", "level_seed", "length", "pairs"}
_LIMITS = {
    "level_seed": math.inf,  # it is only shown
    **dict.fromkeys(_COUNTS - {"level_seed"}, 2.0**53),
    **dict.fromkeys(("return", "train_return", "value", "mean", "score"), LARGEST_RETURN),
    "charts/SPS": LARGEST_RETURN,
}
_MAY_BE_ABSENT = {"envs_ended"}  # of runs of earlier versions, where it is NaN
_MAY_BE_MISSING = {
    "envs_ended": {""},
    "train_return": {""},  # no episode has ended yet
    "value": {"NaN"},  # a game has no such variant
}
_MAY_BE_INFINITE = {"score"}  # of an arm that must be tried first

Columns = Mapping[str, NDArray[Any]]
"""Name -> values (rows,): int64 for counts and numbers of steps, float64, or str as objects."""


class DamagedError(ValueError):
    """A file of a run holds what `drac train` does not write. The message names the file."""


def read_columns(path: Path, columns: Sequence[str], root: Path | None = None) -> Columns:
    """Read a run's CSV file; no rows if it is absent or has none yet.

    A last line without its end is still being written, and left out. (This
    reads a run's small files many times faster than pandas, and a table needs thousands.)

    Args:
        path: the file.
        columns: those that are needed; further ones may be there. "envs_ended", which earlier
            versions did not write, is NaN where it is absent.
        root: a folder above it below which no link is followed; by default its own.

    Raises:
        DamagedError: if a column is absent or there twice, a line has too many fields, or a needed
            value is missing or not finite.
    """
    try:
        text = untrusted.read(path, _LIMIT, root or path.parent).decode("utf-8")
        whole = text[: text.rfind("\n") + 1] or ",".join(columns)
        header, rows, fields = [], [], _plain_fields(whole)
        if not fields:
            header, *rows = csv.reader(io.StringIO(whole, newline=""), strict=True)
        untrusted.check_columns(header or fields)
    except FileNotFoundError:
        header, rows, fields = [*columns], [], {}
    except (OSError, ValueError, csv.Error) as error:
        said = " ".join(str(error).split())
        raise DamagedError(f"{path.name} cannot be read ({said})") from None
    known = {*header, *fields, *_MAY_BE_ABSENT}
    if absent := [name for name in columns if name not in known]:
        raise DamagedError(f"{path.name} is damaged: it has no column {', '.join(absent)}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header) and row:
            _refuse_length(path.name, number, row, header, columns)
    if rows := [row for row in rows if row]:
        fields = dict(zip(header, zip(*rows, strict=True), strict=False))
    blank = {name: ("",) * len(next(iter(fields.values()), ())) for name in _MAY_BE_ABSENT}
    return {name: _typed(path.name, name, (blank | fields).get(name, ())) for name in columns}


def _plain_fields(text: str) -> dict[str, Sequence[str]]:
    """Return the columns of CSV text without quotes whose lines are all of as many fields.

    None of any other text: the csv module then reads it, several times more slowly.
    """
    header, _, body = text.partition("\n")
    names, lines = header.split(","), body.count("\n")
    width, limit = len(names), csv.field_size_limit()
    if width < 2 or len({*names}) < width or '"' in text or "\r" in text:
        return {}
    cells = body.replace("\n", ",\n,").split(",")  # each end of a line is a cell of its own
    ends = cells[width :: width + 1]
    if not lines == len(ends) == ends.count("\n"):
        return {}
    if len(text) > limit and max(map(len, (*names, *cells))) > limit:
        return {}
    return {name: cells[place : -1 : width + 1] for place, name in enumerate(names)}


def _refuse_length(
    file: str, number: int, row: list[str], header: list[str], columns: Sequence[str]
) -> None:
    if len(row) > len(header):
        raise DamagedError(f"{file} is damaged: line {number} has more fields than the header")
    lacking = next((name for name in columns if name in header[len(row) :]), header[len(row)])
    raise DamagedError(f"{file} is damaged: line {number} has no {lacking}")


def _typed(file: str, name: str, texts: Sequence[str]) -> NDArray[Any]:
    """Turn a column of numbers into numbers, and refuse what is missing or not finite."""
    if name in _TEXT:
        words = {text: sys.intern(text) for text in {*texts}}
        values = np.array([words[text] for text in texts], dtype=object)
        bad = {text for text in words if text == "" or not text.isprintable()}
        good = np.array([text not in bad for text in texts] if bad else (), dtype=bool)
    else:
        try:
            values = np.fromiter(map(float, texts), np.float64, len(texts))
        except ValueError:
            values = np.array([_number(text) for text in texts], dtype=np.float64)
        good = np.abs(values) < _LIMITS.get(name, _LARGEST)  # NaN is smaller than nothing
        if missing := _MAY_BE_MISSING.get(name):
            good |= np.array([text in missing for text in texts], dtype=bool)
        if name in _MAY_BE_INFINITE:
            good |= np.isinf(values)
    if not good.all():
        row = int(good.argmin())
        raise DamagedError(f"{file} is damaged: line {row + 2} has no {name}{_why(texts[row])}")
    if name in _COUNTS and (np.abs(values) < 2**53).all() and (values % 1 == 0).all():
        return values.astype(np.int64)
    return values


def _why(text: str) -> str:
    """Say what is wrong with a number, as the end of a sentence; "" of what is none."""
    try:
        finite = math.isfinite(float(text))
    except ValueError:
        return ""
    return f": {shown(text)} is {'beyond what any run has' if finite else 'not finite'}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a run's CSV file into a table: see `read_columns`.

    Raises:
        DamagedError: likewise.
    """
    import pandas as pd

    return pd.DataFrame(read_columns(path, columns))


def final_rows(columns: Columns, by: str) -> Columns:
    """Return the rows of the last step or update, whose number is in the column `by`."""
    last = columns[by] == columns[by].max(initial=0)
    return {name: values[last] for name, values in columns.items()}


def final_episodes(run_dir: Path, root: Path | None = None) -> Columns:
    """Return the episodes of a run's last evaluation: step, split, level_seed, return, length.

    Raises:
        DamagedError: see `read_columns`.
    """
    return final_rows(read_columns(run_dir / "eval.csv", logs.EVAL_COLUMNS, root), "step")
