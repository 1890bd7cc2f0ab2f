"""Many runs' CSV files of one kind, as tables of a bounded size: see `run_files.read_columns`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.store.run_files import Columns, DamagedError, read_columns
from benchmark.store.store import root_of

RUN = "run"
"""The column that says which file a row is from."""

_ROWS = 2**19
"""Rows of a part, about: few parts, and little memory."""


def read_many(
    files: Mapping[int, Path], columns: Sequence[str], problems: dict[int, str]
) -> Iterator[pd.DataFrame]:
    """Yield the rows of many files, in a few parts; an absent file has none.

    Args:
        files: number of a run -> its file, in the folder that `Store.run_dir` returned.
        columns: those that are needed, as for `run_files.read_columns`.
        problems: takes what is wrong with a file, by the number of its run; a file with a problem
            has no rows, and one that has a problem already is not read.

    Yields:
        A column `run` and `columns`, in the order of `files`; numbers are float64.
    """
    parts: list[Columns] = []
    rows = 0
    for run in (run for run in files if run not in problems):
        try:
            own = read_columns(files[run], columns, root_of(files[run].parent) / "runs")
        except DamagedError as error:
            problems[run] = str(error)
            continue
        size = len(own[columns[0]])
        parts.append({RUN: np.full(size, run), **own})
        rows += size
        if rows >= _ROWS:
            yield _together(parts)
            parts, rows = [], 0
    if rows:
        yield _together(parts)


def _together(parts: Sequence[Columns]) -> pd.DataFrame:
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    counts = [name for name, values in columns.items() if name != RUN and values.dtype == np.int64]
    return pd.DataFrame(columns).astype(dict.fromkeys(counts, np.float64))
