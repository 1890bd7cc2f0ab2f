"""Tables that commands print and do not write."""

from __future__ import annotations

import shutil

from benchmark.tables import formats
from benchmark.tables.table import Table
from drac.commands.output import console


def print_table(table: Table) -> None:
    """Print a table as wide as COLUMNS or the terminal says; where neither does, as Markdown."""
    width = shutil.get_terminal_size((0, 0)).columns
    if not width:
        print(table.markdown())
        return
    out = console(width)
    for part in formats.text(table, out.width):
        out.print(part)
