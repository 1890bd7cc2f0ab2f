"""A figure with the numbers in it and what must be said about it; and how it is written."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from drac.files import atomic

FORMATS = ("png", "pdf", "svg")

DPI = 150
"""Of a PNG, and that for which texts are measured."""

CURVE = "curve:"
"""In front of a label in the `gid` of what is drawn of it: an attribute `data-curve` in an SVG."""

PAD = 0.04
"""Inches around everything that is placed in a figure."""


@dataclass(frozen=True)
class Style:
    """How large things are.

    Attributes:
        name: "screen" or "paper".
        width: of a figure of many panels, in inches.
        column: width of a figure of one panel, in inches.
        panel: height of a panel among many, in inches.
        font: size of the text in points.
        line: width of curves in points.
        titled: whether the title stands in the figure; on paper the caption has it.
        format: of its files, unless another is asked for.
        noted: whether the notes stand in the figure; a page that shows it has them as text.
        labelled: whether its legend does; a page may show one for several figures.
    """

    name: str
    width: float
    column: float
    panel: float
    font: float
    line: float
    titled: bool
    format: str
    noted: bool = True
    labelled: bool = True

    @property
    def marker(self) -> float:
        """Size of the markers on curves in points."""
        return 2.4 * self.line + 0.6

    def context(self) -> AbstractContextManager[None]:
        """Hold matplotlib's settings for this style, while a figure is made and written."""
        settings: Any = {
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
            "font.size": self.font,
            "figure.titlesize": self.font + 2,
            "figure.titleweight": "bold",
            "figure.labelsize": self.font,
            "figure.constrained_layout.h_pad": PAD,
            "figure.constrained_layout.w_pad": PAD,
            "legend.fontsize": self.font,
            "axes.labelsize": self.font,
            "axes.titlesize": self.font + 1,
            "axes.titlepad": 3,
            "axes.linewidth": 0.6,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "xtick.labelsize": self.font - 0.5,
            "ytick.labelsize": self.font - 0.5,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "lines.linewidth": self.line,
            "lines.markersize": self.marker,
            "hatch.linewidth": 0.5,
            "path.simplify_threshold": 0.5,
            "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
            "svg.fonttype": "none",  # text stays text, for readers and search
            "svg.hashsalt": "procgen-drac",
            "text.parse_math": False,  # a $ in a name is a $
        }
        return rc_context(settings)


SCREEN = Style("screen", 10.5, 7.0, 1.6, 9.0, 1.5, True, "png")
PAPER = Style("paper", 6.75, 3.25, 1.05, 6.5, 0.9, False, "pdf")
STYLES = {style.name: style for style in (SCREEN, PAPER)}


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        name: file name without ending.
        title: what it shows, in a line.
        figure: the picture.
        data: the numbers that are drawn.
        notes: how to read it, and what is missing.
        style: what it was made for.
        legend: the handles of its legend, whether or not that stands in the figure.
    """

    name: str
    title: str
    figure: Figure
    data: pd.DataFrame
    notes: tuple[str, ...]
    style: Style
    legend: tuple[Artist, ...] = ()

    @property
    def caption(self) -> str:
        """The title and the notes, as text: a caption, or what stands in for the picture."""
        return f"{self.title}. {' '.join(self.notes)}"

    def render(self, form: str = "") -> bytes:
        """Return the picture: the same bytes whenever the numbers are the same.

        Args:
            form: one of `FORMATS`; none for that of the style.
        """
        form = form or self.style.format
        nameless: dict[str, Any] = {
            "png": {"Title": self.title},
            "pdf": {"Title": self.title, "CreationDate": None},
            "svg": {"Title": self.title, "Date": None},
        }
        picture = BytesIO()
        with self.style.context():
            self.figure.savefig(picture, format=form, dpi=DPI, metadata=nameless[form])
        if form == "svg":  # where several have it, and an id is one element's
            return picture.getvalue().replace(f'id="{CURVE}'.encode(), b'data-curve="')
        return picture.getvalue()

    def save(self, folder: Path, form: str = "") -> Path:
        """Write the picture, its numbers (CSV) and its caption (text); return the picture's path.

        Args:
            folder: where to; it exists.
            form: as for `render`.
        """
        path = folder / f"{self.name}.{form or self.style.format}"
        with atomic.replacing(path) as file:
            file.write(self.render(form))
        atomic.write_text(folder / f"{self.name}.csv", self.data.to_csv(index=False))
        atomic.write_text(folder / f"{self.name}.txt", self.caption + "\n")
        return path
