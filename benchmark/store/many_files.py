"""Many runs' CSV files of one kind, read at once.

A parse per file costs more than the rows in it; here the files of one header are parsed as one
text. Whatever is unusual about a file is left to `run_files.read_csv`, which says what is wrong.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.store.run_files import (
    LARGEST,
    LIMIT,
    MAY_BE_INFINITE,
    MAY_BE_MISSING,
    TEXT,
    DamagedError,
    read_csv,
)
from drac.files import untrusted

RUN = "run"
"""The column that says which file a row is from."""

_CHUNK = 2**25
"""Bytes parsed together: enough to make the cost of a parse small, and little memory."""


def read_many(
    files: Mapping[int, Path], columns: Sequence[str], problems: dict[int, str]
) -> Iterator[pd.DataFrame]:
    """Yield the rows of many files, in a few parts; an absent file has none.

    Args:
        files: number of a run -> its file.
        columns: those that are needed, as for `run_files.read_csv`.
        problems: takes what is wrong with a file, by the number of its run; a file with a problem
            has no rows, and one that has a problem already is not read.

    Yields:
        `columns` after a column `run`, in the order of `files` where they have the same header.
    """
    groups: dict[bytes, list[tuple[int, Path, bytes]]] = {}
    sizes: Counter[bytes] = Counter()
    for run, path in files.items():
        if run in problems:
            continue
        try:
            text = untrusted.read(path, LIMIT)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            problems[run] = f"{path.name} cannot be read ({error})"
            continue
        header, _, body = text[: text.rfind(b"\n") + 1].partition(b"\n")
        groups.setdefault(header, []).append((run, path, body))
        sizes[header] += len(body)
        if sizes[header] > _CHUNK:
            del sizes[header]
            yield from _parse(header, groups.pop(header), columns, problems)
    for header, group in groups.items():
        yield from _parse(header, group, columns, problems)


def _parse(
    header: bytes,
    group: Sequence[tuple[int, Path, bytes]],
    columns: Sequence[str],
    problems: dict[int, str],
) -> Iterator[pd.DataFrame]:
    """Yield the rows of files with the same header, if there are any."""
    plain = [file for file in group if _is_plain(header, file[2])]
    together = _together(header, plain, columns)
    read = set() if together is None else {run for run, _, _ in plain}
    parts = [] if together is None else [together]
    for run, path, _ in group:
        if run in read:
            continue
        try:
            table = read_csv(path, columns)
        except DamagedError as error:
            problems[run] = str(error)
            continue
        table.insert(0, RUN, run)
        parts.append(table)
    if filled := [part for part in parts if len(part)]:
        yield pd.concat(filled, ignore_index=True)


def _is_plain(header: bytes, body: bytes) -> bool:
    """Whether a file has as many fields as its lines should have, and no quoted ones."""
    return b'"' not in body and body.count(b",") == body.count(b"\n") * header.count(b",")


def _together(
    header: bytes, group: Sequence[tuple[int, Path, bytes]], columns: Sequence[str]
) -> pd.DataFrame | None:
    """Return the rows of all files in one parse; None if one of them is not as it should be."""
    kinds = {name: "category" if name in TEXT else "float64" for name in columns}
    whole = b"\n".join([header, b"".join(body for _, _, body in group)])
    try:
        table = pd.read_csv(
            io.BytesIO(whole), usecols=list(columns), dtype=kinds, index_col=False,
            keep_default_na=False, na_values=[""],
        )  # fmt: skip
    except ValueError:  # a word among numbers, a column that is absent, too many fields
        return None
    lines = [body.count(b"\n") for _, _, body in group]
    if len(table) != sum(lines):  # blank lines
        return None
    if not all(_is_known(table[name], name) for name in columns):
        return None
    table = table[list(columns)]
    table.insert(0, RUN, np.repeat([run for run, _, _ in group], lines))
    return table


def _is_known(values: pd.Series, name: str) -> bool:
    """Whether all values are such as `run_files` takes; a NaN here was nothing, or "NaN"."""
    if name in TEXT:
        return not values.isna().any()
    blank = values.isna() & (MAY_BE_MISSING.get(name) == {""})
    infinite = np.isinf(values) & (name in MAY_BE_INFINITE)
    return bool((blank | infinite | (values.abs() < LARGEST)).all())
