"""Tables of the site: what a cell says, and by what it is sorted."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

_NUMBER = re.compile(r"[-−+]?[0-9][0-9,]*(\.[0-9]+)?([eE][-+]?[0-9]+)?(?![0-9A-Za-z.-])")
_WORDS = frozenset(
    {
        *("", "-", "–", "—", "missing", "not available", "no runs", "nan", "n/a", "not measured"),
        *("no ppo to compare with", "no game in common", "other games", "100 by definition"),
        "not comparable: settings differ",
    }
)
"""What stands in the place of a number that there is not."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what is shown.
        sort: the key of its column's order, a number or text; None sorts last either way.
        href: where it leads, relative to the page; "" for nowhere.
        lacking: it stands for something that is not there.
        strong: it is emphasized; the notes say why.
    """

    text: str
    sort: float | str | None
    href: str = ""
    lacking: bool = False
    strong: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of a page.

    Attributes:
        name: unique on its page; letters, digits and dashes.
        caption: what the table shows.
        columns: (heading, whether it holds numbers).
        rows: as many cells each as there are columns.
        notes: sources, missing runs, caveats.
        csv: path of the same as a file, relative to the page; "" for none.
        keys: how many of the first columns name the row.
    """

    name: str
    caption: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    csv: str = ""
    keys: int = 1


@dataclass(frozen=True)
class Links:
    """Where the cells of some columns lead: heading -> function of the cell's text."""

    by_column: Mapping[str, Callable[[str], str]] = field(default_factory=dict)

    def of(self, column: str, text: str) -> str:
        """Return the link of a cell, "" if it has none."""
        make = self.by_column.get(column)
        return make(text) if make else ""


def grid(
    name: str,
    caption: str,
    frame: pd.DataFrame,
    *,
    notes: Sequence[str] = (),
    csv: str = "",
    links: Links | None = None,
    strong: Container[tuple[int, str]] = (),
    keys: int = 1,
) -> Grid:
    """Make a table of a data frame, whose first columns name the rows.

    A column whose every cell begins with a number, or stands for one that is missing, is sorted by
    that number: "1.23 ± 0.45" by 1.23.
    """
    links = links or Links()
    texts = {str(column): [shown(value) for value in frame[column]] for column in frame}
    numbers = {
        column: [None if is_lacking(text) else number(text) for text in cells]
        for column, cells in texts.items()
    }
    numeric = {
        column: any(value is not None for value in numbers[column])
        and all(
            value is not None or is_lacking(text)
            for text, value in zip(cells, numbers[column], strict=True)
        )
        for column, cells in texts.items()
    }
    rows = [
        tuple(
            Cell(
                texts[column][i],
                numbers[column][i] if numeric[column] else _letters(texts[column][i]),
                links.of(column, texts[column][i]),
                is_lacking(texts[column][i]),
                (i, column) in strong,
            )
            for column in texts
        )
        for i in range(len(frame))
    ]
    columns = tuple((column, numeric[column]) for column in texts)
    return Grid(name, caption, columns, tuple(rows), tuple(notes), csv, keys)


def _letters(text: str) -> str | None:
    return None if is_lacking(text) else text.casefold() or None


def shown(value: Any) -> str:
    """Return a value as text: NaN as "missing", whole numbers with thousands' commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return " ".join(value.split())
    if value is None or pd.isna(value):
        return "missing"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def number(text: str) -> float | None:
    """Return the number that a cell begins with; None if it begins with none."""
    match = _NUMBER.match(text.strip("*_ ~≈<>"))
    return float(match[0].replace(",", "").replace("−", "-")) if match else None


def is_lacking(text: str) -> bool:
    """Whether a cell says that there is no number."""
    return text.strip("*_ ").casefold() in _WORDS
