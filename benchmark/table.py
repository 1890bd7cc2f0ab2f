"""A table for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

NOT_AVAILABLE = "not available"


@dataclass(frozen=True)
class Table:
    """A table for people (`cells`, text) and for programs (`data`), and what must be said below.

    Attributes:
        name: file name without ending.
        title: heading.
        cells: what is shown; all text.
        data: numbers, for a CSV file.
        notes: sources, missing runs, caveats.
    """

    name: str
    title: str
    cells: pd.DataFrame
    data: pd.DataFrame
    notes: tuple[str, ...]

    def markdown(self) -> str:
        """Return the table as GitHub-flavoured Markdown, aligned to be read as text too."""
        rows = [list(map(str, self.cells.columns)), *self.cells.astype(str).to_numpy().tolist()]
        rows = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
        widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = "".join(f"- {' '.join(note.split())}\n" for note in self.notes)
        return f"## {self.title}\n\n" + "\n".join(lines) + f"\n\n{notes}"
