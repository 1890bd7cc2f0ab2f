"""A table for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

NOT_AVAILABLE = "not available"

T = TypeVar("T")


def number(value: float, form: str, absent: str = NOT_AVAILABLE) -> str:
    """Format a number, e.g. by ".2f"; NaN is one that is absent."""
    return absent if math.isnan(value) else f"{value:{form}}"


@dataclass(frozen=True)
class Block:
    """Rows under one heading.

    Attributes:
        cells: what is shown; all text.
        heading: "" where the table's title says it.
        bold: (position of the row, name of the column) of cells that are emphasized; what that
            means is in the table's notes.
        keys: how many of the first columns name the row.
    """

    cells: pd.DataFrame
    heading: str = ""
    bold: frozenset[tuple[int, str]] = frozenset()
    keys: int = 1

    def rows(self, show: Callable[[str, bool], T]) -> list[list[T]]:
        """Return header and rows as they are to be shown.

        Args:
            show: (text of one line, whether it is in bold) -> the cell.
        """
        names = list(map(str, self.cells.columns))
        lines = [names, *self.cells.astype(str).to_numpy().tolist()]
        bold = {(row + 1, names.index(column)) for row, column in self.bold}
        return [
            [show(" ".join(cell.split()), (row, index) in bold) for index, cell in enumerate(line)]
            for row, line in enumerate(lines)
        ]

    def split(self, width: int | None) -> Iterator[Block]:
        """Yield blocks of at most `width` characters a line, where one column is not wider.

        Each has the columns that name the rows. None yields the block as it is.
        """
        if width is None or len(self.cells.columns) <= self.keys + 1:
            yield self
            return
        widths = [max(3, *map(len, column)) + 3 for column in zip(*self.rows(_marked), strict=True)]
        names, named = list(self.cells.columns), sum(widths[: self.keys]) + 1
        begin = self.keys
        while begin < len(names):
            end, used = begin + 1, named + widths[begin]
            while end < len(names) and used + widths[end] <= width:
                used, end = used + widths[end], end + 1
            shown = [*names[: self.keys], *names[begin:end]]
            kept = frozenset((row, name) for row, name in self.bold if name in shown)
            again = f"{self.heading} (continued)".strip()
            heading = again if begin > self.keys else self.heading
            yield Block(self.cells[shown], heading, kept, self.keys)
            begin = end

    def pages(self, rows: int) -> Iterator[Block]:
        """Yield blocks of at most `rows` rows."""
        for begin in range(0, max(1, len(self.cells)), rows):
            cells = self.cells[begin : begin + rows].reset_index(drop=True)
            here = range(begin, begin + len(cells))
            bold = frozenset((row - begin, name) for row, name in self.bold if row in here)
            again = f"{self.heading} (continued)".strip() if begin else self.heading
            yield Block(cells, again, bold, self.keys)


@dataclass(frozen=True)
class Table:
    """A table for people (`cells`, text) and for programs (`data`), and what must be said below.

    Attributes:
        name: file name without ending.
        title: heading.
        cells: what is shown; all text.
        data: numbers, for a CSV file.
        notes: sources, missing runs, caveats.
        heading: of `cells`, where there are further blocks.
        bold: cells that are emphasized: see `Block`.
        keys: how many of the first columns name the row.
        more: further blocks, shown below.
    """

    name: str
    title: str
    cells: pd.DataFrame
    data: pd.DataFrame
    notes: tuple[str, ...]
    heading: str = ""
    bold: frozenset[tuple[int, str]] = frozenset()
    keys: int = 1
    more: tuple[Block, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        blocks: Sequence[Block],
        data: pd.DataFrame,
        notes: Iterable[str],
    ) -> Table:
        """Return the table of at least one block."""
        first, *more = blocks
        shown = (first.heading, first.bold, first.keys, tuple(more))
        return cls(name, title, first.cells, data, tuple(notes), *shown)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All that is shown, `cells` first."""
        return (Block(self.cells, self.heading, self.bold, self.keys), *self.more)

    def markdown(self, width: int | None = None) -> str:
        """Return the table as GitHub-flavoured Markdown, aligned to be read as text too.

        Args:
            width: characters of a line beyond which a block is split; None never splits.
        """
        parts = [f"## {self.title}\n"]
        for block in self.blocks:
            for part in block.split(width):
                if part.heading:
                    parts.append(f"### {_escaped(part.heading)}\n")
                parts.append(_markdown(part))
        notes = "".join(f"- {' '.join(note.split())}\n" for note in self.notes)
        return "\n".join([*parts, notes])


def _marked(cell: str, bold: bool) -> str:
    return f"**{cell}**" if bold else cell


def _escaped(cell: str, bold: bool = False) -> str:
    return _marked(cell, bold).replace("|", "\\|")


def _markdown(block: Block) -> str:
    rows = block.rows(_escaped)
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
