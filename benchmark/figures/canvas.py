"""Panels, legend, title and notes of a figure, placed by matplotlib's constrained layout."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text

from benchmark.figures.drawing import DPI, PAD, Drawing, Style


@dataclass(frozen=True)
class Panels:
    """The panels of a figure, and what stands around them.

    Attributes:
        names: titles of the panels; a single "" has none.
        xlabel, ylabel: axes of all panels, with their units.
        legend: handles whose labels stand above the panels.
        length: what the title in the figure says besides, e.g. " (25M steps)".
        columns: panels in a row; 0: up to four, as square as can be.
        height: of a panel in inches; 0: the style's.
        sharex, sharey: one axis for all, whose numbers stand at the outer panels alone.
        wide: as wide as a page, also if there is one panel.
    """

    names: Sequence[str]
    xlabel: str = ""
    ylabel: str = ""
    legend: Sequence[Artist] = ()
    length: str = ""
    columns: int = 0
    height: float = 0.0
    sharex: bool = True
    sharey: bool = False
    wide: bool = False


def draw(
    name: str,
    title: str,
    table: pd.DataFrame,
    notes: Sequence[str],
    style: Style,
    panels: Panels,
    paint: Callable[[str, Axes], None],
) -> Drawing:
    """Return a figure with a panel for each name, in rows.

    Args:
        name: of the drawing, whose attributes these are.
        title: likewise.
        table: likewise.
        notes: likewise; those that are "" are left out.
        style: likewise.
        panels: what they are, and what stands around them.
        paint: draws one panel: called with its name and axes.
    """
    num, notes = len(panels.names), tuple(filter(None, notes))
    columns = panels.columns or next(n for n in (1, 2, 3, 4) if n * n >= num or n == 4)
    rows, line = -(-num // columns), style.font * 1.35 / 72
    width = style.width if columns > 1 or panels.wide else style.column
    with style.context():
        figure = Figure(figsize=(width, 1.0), dpi=DPI, layout="constrained")
        body = figure.add_subfigure(figure.add_gridspec(1, 1)[0, 0])
        body.supylabel(panels.ylabel)
        texts: list[Artist] = [body.supxlabel(panels.xlabel)]
        if style.titled:
            texts.append(_title(figure, title + panels.length))
        if style.noted:
            texts.append(_notes(figure, notes, style))
        if panels.legend and style.labelled:
            texts.append(_legend(body, panels.legend))
        around = sum(text.get_window_extent().height / figure.dpi + 2 * PAD for text in texts)
        panel = panels.height or style.panel * (1.0 if columns > 2 else 1.5)
        ticks, heading = 1.3 * line, (1.4 * line if any(panels.names) else 0) + 2 * PAD
        row = panel + heading + ticks * (not panels.sharex)
        figure.set_size_inches(width, around + rows * row + ticks * panels.sharex)
        axes = body.subplots(
            rows, columns, sharex=panels.sharex, sharey=panels.sharey, squeeze=False
        ).flat
        for place, ax in enumerate(axes):
            if place >= num:
                ax.remove()
                continue
            ax.set_title(panels.names[place], loc="left")
            # A row in which one panel has none below it has numbers below all: panels of one size.
            lowest = (place // columns + 2) * columns > num
            ax.tick_params(labelbottom=not panels.sharex or lowest)
            paint(panels.names[place], ax)
        figure.get_layout_engine().execute(figure)  # type: ignore[union-attr]
        figure.set_layout_engine("none")  # once: each time would move things a little
    return Drawing(name, title, figure, table, notes, style, tuple(panels.legend))


def legend_of(drawings: Sequence[Drawing], style: Style) -> Drawing:
    """Return the legend of figures that are shown side by side: every label once."""
    handles: dict[str, Artist] = {}
    for handle in chain.from_iterable(drawing.legend for drawing in drawings):
        handles.setdefault(str(handle.get_label()), handle)
    with style.context():
        figure = Figure(figsize=(style.width, 1.0), dpi=DPI, layout="constrained")
        body = figure.add_subfigure(figure.add_gridspec(1, 1)[0, 0])
        legend = _legend(body, [*handles.values()])
        height = legend.get_window_extent().height / figure.dpi + 2 * PAD
        figure.set_size_inches(style.width, height)
    labels = pd.DataFrame({"label": [*handles]})
    return Drawing("legend", f"Legend: {', '.join(handles)}", figure, labels, (), style)


def _notes(figure: Figure, notes: Sequence[str], style: Style) -> Artist:
    """Write the notes below the panels, in lines that fit at any resolution."""
    text = figure.supxlabel(" ".join(notes), x=1.5 * PAD / figure.get_figwidth(), ha="left")
    text.set(color="0.3", fontsize=style.font * 0.85, linespacing=1.25)
    return _wrapped(figure, text)


def _title(figure: Figure, title: str) -> Artist:
    """Write the title above the panels, in lines that fit."""
    return _wrapped(figure, figure.suptitle(title, x=1.5 * PAD / figure.get_figwidth(), ha="left"))


def _wrapped(figure: Figure, text: Text) -> Artist:
    """Break a text into lines that fit into a figure."""
    said, width = text.get_text(), figure.bbox.width - 2 * PAD * figure.dpi
    letters = 1 + int(1.2 * len(said) * width / max(1.0, text.get_window_extent().width))
    while text.get_window_extent().x1 > width and letters > 2:
        letters -= 2
        text.set_text(textwrap.fill(said, letters, break_on_hyphens=False))
    return text


def _legend(body: SubFigure, handles: Sequence[Artist]) -> Artist:
    """Write the labels above the panels, in as few rows as fit."""
    for rows in range(1, len(handles) + 1):
        legend = body.legend(
            handles=list(handles),
            loc="outside upper left",
            ncols=-(-len(handles) // rows),
            frameon=False,
            borderpad=0.5,
            labelspacing=0.2,
            columnspacing=1.6,
            handlelength=3.2,
            handletextpad=0.6,
        )
        if legend.get_window_extent().width <= body.bbox.width:
            break
        if rows < len(handles):
            legend.remove()
    return legend


EARLY = "lighter: some envs have ended no episode yet"
"""What a legend says of the early part of curves of the training return."""

LIGHTER = 0.35
"""Opacity of that part."""


def curve(ax: Axes, steps: Any, values: Any, early: int, **look: Any) -> None:
    """Draw a curve over steps, its first `early` points lighter; the rest has the label."""
    ax.plot(steps[early:], values[early:], **look)
    if early:
        faint = {"label": None, "alpha": LIGHTER * look.get("alpha", 1.0)}
        ax.plot(steps[: early + 1], values[: early + 1], **(look | faint))


_ROOM = 0.25
"""Beyond the curves, as a share of their range."""


def fit(ax: Axes) -> None:
    """Cut bands off at a quarter of the curves' range beyond them: of few seeds they are wide."""
    values = [np.asarray(line.get_ydata(), np.float64) for line in ax.lines]
    known = np.concatenate([[], *values])
    known = known[np.isfinite(known)]
    if len(known):
        room = _ROOM * float(np.ptp(known) or max(1.0, abs(known[0])))
        bottom, top = ax.get_ylim()
        ax.set_ylim(max(bottom, known.min() - room), min(top, known.max() + room))


def empty(ax: Axes, text: str = "no values") -> None:
    """Say in a panel that there is nothing to draw."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="0.45")


def count(value: float, position: float = 0) -> str:
    """Format steps as they are typed: 500k, 25M."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"
