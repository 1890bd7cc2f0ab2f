"""Tables as LaTeX, as CSV, and as text for a terminal. Markdown is `Table.markdown`."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator
from itertools import chain
from typing import Any

import rich.box
import rich.table
from rich.console import RenderableType
from rich.text import Text

from benchmark.tables.table import NOT_AVAILABLE, Block, Table

MARKDOWN_WIDTH = 160
"""Characters of a line beyond which a block of a Markdown table is split."""

LATEX_WIDTH = 118
"""Likewise; what \\footnotesize with narrow gaps gets on a page of 6.5 inches, about."""

LATEX_ROWS = 48
"""Of a float: a page of 9 inches has room for them and a caption."""

_SPECIALS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after \\ or \item it would begin an option
    "]": "{]}",
    "±": r"$\pm$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_TRANSLATION = str.maketrans(_SPECIALS)
_NUMERIC = re.compile(r"[-+]?[0-9.]")
_NO_NUMBERS = {NOT_AVAILABLE, "missing", "no runs", "-", ""}


def escape(text: str) -> str:
    """Return text as LaTeX prints it; a character that pdfLaTeX has no glyph for by its number."""
    if text.isascii() and text.isprintable():
        return text.translate(_TRANSLATION)
    return "".join(_SPECIALS.get(character) or _letter(character) for character in text)


def _letter(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else " "
    base = unicodedata.normalize("NFD", character)[0]
    known = base.isascii() and ord(character) < 0x180  # accented Latin letters
    return character if known else f"{{[}}U+{ord(character):04X}{{]}}"


def latex(table: Table) -> str:
    """Return LaTeX for the packages booktabs and fontenc (T1): a float for each block."""
    wide = [part for block in table.blocks for part in block.split(LATEX_WIDTH)]
    parts = [page for part in wide for page in part.pages(LATEX_ROWS)]
    floats = chain.from_iterable(
        _float(table, part, f"tab:{table.name}{f'-{number}' if number else ''}")
        for number, part in enumerate(parts)
    )
    lines = ["% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}", *floats]
    if table.notes:
        items = (rf"\item {escape(' '.join(note.split()))}" for note in table.notes)
        lines += [r"{\footnotesize", r"\begin{itemize}", *items, r"\end{itemize}", "}"]
    return "\n".join(lines) + "\n"


def _float(table: Table, block: Block, label: str) -> Iterator[str]:
    header, *body = block.rows(_latex_cell)
    title = f"{table.title}: {block.heading}" if block.heading else table.title
    yield from (r"\begin{table}[htbp]", r"\centering", rf"\caption{{{escape(title)}}}")
    yield rf"\label{{{re.sub('[^A-Za-z0-9:-]', '-', label)}}}"
    yield r"\footnotesize\setlength{\tabcolsep}{4pt}"
    yield rf"\begin{{tabular}}{{{''.join(_alignments(block))}}}"
    yield from (r"\toprule", " & ".join(header) + r" \\", r"\midrule")
    yield from (" & ".join(row) + r" \\" for row in body)
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{table}", "")


def _latex_cell(cell: str, bold: bool) -> str:
    return rf"\textbf{{{escape(cell)}}}" if bold else escape(cell)


def _alignments(block: Block) -> list[str]:
    """Return r for columns of numbers, l for others, and for the columns that name the row."""
    _, *body = block.rows(lambda cell, bold: cell)
    columns = list(zip(*body, strict=True)) or [()] * len(block.cells.columns)
    return ["r" if index >= block.keys and _numbers(c) else "l" for index, c in enumerate(columns)]


def _numbers(column: tuple[str, ...]) -> bool:
    known = [cell for cell in column if cell not in _NO_NUMBERS]
    return bool(known) and all(_NUMERIC.match(cell) for cell in known)


def csv(table: Table) -> str:
    """Return the table's numbers as CSV: one row a fact, blank where there is no number."""
    return str(table.data.to_csv(index=False))


def text(table: Table, width: int) -> Iterator[RenderableType]:
    """Yield what a terminal of `width` characters shows: blocks, bold cells, notes."""
    yield Text(f"\n{table.title}", style="bold")
    for block in table.blocks:
        for part in block.split(width):
            yield from ([Text(f"\n{part.heading}")] if part.heading else [])
            yield _grid(part)
    for note in table.notes:
        yield Text(f"- {' '.join(note.split())}")


def brief(table: Table, width: int) -> Iterator[RenderableType]:
    """Yield the same in few lines: no rules, and of a note what two lines have room for."""
    yield Text(table.title, style="bold")
    for block in table.blocks:
        if not block.cells.empty:
            yield _grid(block, firm=True, box=None, padding=(0, 2, 0, 0))
            yield ""
    for note in table.notes:
        wrapper = textwrap.TextWrapper(
            width, subsequent_indent="  ", break_on_hyphens=False, max_lines=2, placeholder=" ..."
        )
        yield Text(wrapper.fill(f"- {note}"))


def _grid(block: Block, firm: bool = False, **style: Any) -> rich.table.Table:
    """Return a grid; of a firm one the numbers keep their line, and names take another if long."""
    grid = rich.table.Table(**{"box": rich.box.SIMPLE_HEAD, "pad_edge": False, **style})
    header, *body = block.rows(lambda cell, bold: Text(cell, style="bold" if bold else ""))
    for name, alignment in zip(header, _alignments(block), strict=True):
        number = alignment == "r"
        side: Any = "right" if number else "left"
        grid.add_column(name, justify=side, overflow="fold", no_wrap=firm and number)
    for cells in body:
        grid.add_row(*cells)
    return grid
