"""Tables of the site: what a cell says, and by what it is sorted."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
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
        href: path to which it leads; "" for nowhere.
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
        csv: path of the same as a file; "" for none.
        keys: how many of the first columns name the row.
    """

    name: str
    caption: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    csv: str = ""
    keys: int = 1


WIDE = 12
"""Columns beyond which a screen of 1,280 pixels does not show the last ones."""

Links = Mapping[str, Mapping[str, str]]
"""Where cells lead: heading of their column -> their text -> path."""


def grid(
    name: str,
    caption: str,
    frame: pd.DataFrame,
    *,
    notes: Sequence[str] = (),
    csv: str = "",
    links: Links = MappingProxyType({}),
    strong: Container[tuple[int, str]] = (),
    keys: int = 1,
) -> Grid:
    """Make a table of a data frame, whose first columns name the rows.

    A column whose every cell begins with a number, or stands for one that is missing, is sorted by
    that number: "1.23 ± 0.45" by 1.23. A column of "-" alone is left out: the file has it. In a
    `WIDE` table published numbers come first, so that one sees them without scrolling.
    """
    names = list(frame.columns)
    if len(names) > WIDE:
        names[keys:] = sorted(names[keys:], key=lambda name: not str(name).startswith("published"))
    headings: list[tuple[str, bool]] = []
    columns: list[list[Cell]] = []
    for heading in names:
        texts = [shown(value) for value in frame[heading]]
        if texts and {*texts} == {"-"} and len(headings) >= keys:
            continue
        lacking = [is_lacking(text) for text in texts]
        numbers = [number(text) for text in texts]
        numeric = not all(lacking) and numbers.count(None) == lacking.count(True)
        letters = [None if is_lacking(text) else text.casefold() for text in texts]
        leads = links.get(str(heading), {})
        headings.append((str(heading), numeric))
        columns.append(
            [
                Cell(text, key, leads.get(text, ""), less, (row, heading) in strong)
                for row, (text, key, less) in enumerate(
                    zip(texts, numbers if numeric else letters, lacking, strict=True)
                )
            ]
        )
    rows = tuple(zip(*columns, strict=True))
    return Grid(name, caption, tuple(headings), rows, tuple(notes), csv, keys)


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
    """Return the number that a cell begins with; None if there is none."""
    if is_lacking(text):
        return None
    match = _NUMBER.match(text.strip("*_ ~≈<>"))
    return float(match[0].replace(",", "").replace("−", "-")) if match else None


def is_lacking(text: str) -> bool:
    """Whether a cell says that there is no number."""
    return text.strip("*_ ").casefold() in _WORDS
