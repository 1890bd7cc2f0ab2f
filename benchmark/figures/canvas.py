"""Panels, legend, title and notes of a figure, laid out in inches.

A fixed layout is several times faster than matplotlib's solvers, and the same for all figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.figures.drawing import Style

_SMALL = 0.85
"""Size of the notes, in that of other text."""


@dataclass(frozen=True)
class Frame:
    """What stands around the panels.

    Attributes:
        title: above, in styles that have titles.
        notes: below.
        legend: handles whose labels stand above the panels.
        xlabel, ylabel: axes of all panels, with their units.
    """

    title: str
    notes: Sequence[str] = ()
    legend: Sequence[Artist] = ()
    xlabel: str = ""
    ylabel: str = ""


@dataclass(frozen=True)
class Layout:
    """How panels are placed; a 0 leaves it to the style.

    Attributes:
        columns: panels in a row; 0: up to four, as square as can be.
        height: of a panel in inches.
        left: inches left of the first panel; 0: enough for numbers.
        right: inches right of the last panel.
        gap: inches between columns; 0: enough for numbers.
        sharex: one x axis for all, whose numbers stand below the lowest panels alone.
        tick_lines: lines of text at the ticks of the x axis.
        wide: as wide as a page, also if there is one panel.
    """

    columns: int = 0
    height: float = 0.0
    left: float = 0.0
    right: float = 0.12
    gap: float = 0.0
    sharex: bool = True
    tick_lines: int = 1
    wide: bool = False


def panels(
    names: Sequence[str], frame: Frame, style: Style, layout: Layout | None = None
) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with a panel for each name, in rows.

    Args:
        names: titles of the panels; a single "" has none.
        frame: what stands around them.
        style: sizes.
        layout: where they stand.
    """
    given, num, line = layout or Layout(), len(names), style.font * 1.35 / 72
    columns = given.columns or per_row(num)
    rows = -(-num // columns)
    width = style.width if columns > 1 or given.wide else style.column
    height = given.height or style.panel * (1.0 if columns > 2 else 1.5)
    left, gap = given.left or 5.2 * line, (given.gap or 3.2 * line) * (columns > 1)
    heading = (1.3 if any(names) else 0.5) * line
    legend = _legend_shape(frame.legend, width, style)
    notes = frame.notes if style.noted else ()
    said = _wrapped(notes, 0.95 * (width - 0.2) / _SMALL, style)
    top = (0.4 + 1.8 * bool(style.titled and frame.title)) * line
    above = top + (legend[1] * 0.98 + 0.3 * bool(frame.legend)) * line + heading
    below = (1.0 + given.tick_lines + 1.3 * bool(frame.xlabel) + 0.92 * len(said)) * line
    step_x = (width - left - given.right + gap) / columns
    step_y = height + heading + line * (0.5 if given.sharex else 1.8)
    total = above + below + step_y * (rows - 1) + height
    figure, axes = Figure(figsize=(width, total)), dict[str, Axes]()
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        x, y = left + column * step_x, total - above - row * step_y - height
        box = (x / width, y / total, (step_x - gap) / width, height / total)
        first = next(iter(axes.values()), None) if given.sharex else None
        ax = axes[name] = figure.add_axes(box, sharex=first)
        ax.set_title(name, loc="left", pad=3)
        if number + columns >= num:
            ax.set_xlabel(frame.xlabel)
        elif given.sharex:
            ax.tick_params(labelbottom=False)
        ax.set_ylabel(frame.ylabel if column == 0 else "")
    corner = ((left - 0.5 * line) / width, 1 - top / total)
    _around(figure, frame, style, corner, legend[0], said)
    return figure, axes


def per_row(num: int) -> int:
    """Return how many of `num` panels stand in a row."""
    return next(n for n in (1, 2, 3, 4) if n * n >= num or n == 4)


def _around(
    figure: Figure,
    frame: Frame,
    style: Style,
    corner: tuple[float, float],
    columns: int,
    said: Sequence[str],
) -> None:
    """Write the title, the legend and the notes; `corner` is the legend's, upper left."""
    width, total = figure.get_size_inches()
    line = style.font * 1.35 / 72
    if style.titled and frame.title:
        title = figure.text(0.1 / width, 1 - 0.35 * line / total, frame.title, va="top")
        title.set(weight="bold", fontsize=style.font + 2)
    if frame.legend:
        figure.legend(
            handles=list(frame.legend),
            loc="upper left",
            bbox_to_anchor=corner,
            ncols=columns,
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            labelspacing=0.2,
            columnspacing=1.6,
            handlelength=3.2,
            handletextpad=0.6,
            fontsize=style.font,
        )
    notes = figure.text(0.1 / width, 0.4 * line / total, "\n".join(said), va="bottom")
    notes.set(color="0.3", fontsize=style.font * _SMALL, linespacing=1.25)


def _wrapped(notes: Sequence[str], width: float, style: Style) -> list[str]:
    """Break notes into lines that are at most so many inches long at the style's text size."""
    lines: list[str] = []
    room, space = 0.0, style.em("x x") - 2 * style.em("x")
    for word in " ".join(filter(None, notes)).split():
        length = style.em(word)
        if lines and length <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
            room = width + space
        room -= length + space
    return lines


def _legend_shape(handles: Sequence[Artist], width: float, style: Style) -> tuple[int, int]:
    """Return columns and rows of a legend that is as wide as the figure at most."""
    if not handles:
        return 1, 0
    longest = max(style.em(str(handle.get_label())) for handle in handles)
    column = longest + style.font * (3.2 + 0.6 + 1.6) / 72
    columns = max(1, min(len(handles), int((width - 0.8) / column)))
    rows = -(-len(handles) // columns)
    return -(-len(handles) // rows), rows


def empty(ax: Axes, text: str = "no runs") -> None:
    """Say in a panel that there is nothing to draw."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="0.45")


def count(value: float, position: float = 0) -> str:
    """Format steps as they are typed: 500k, 25M."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"
