"""The picture of `drac-bench bandits`: regret over the run, and where the pulls went."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.bandits.simulation import ARMS, CURVES, EVERY, GAP, LOCKED, SELECTORS, Run
from drac.config.quantities import number_of
from drac.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKS = {
    "fixed": ("#707070", ":"),
    "uniform": ("#707070", "--"),
    "ucb": ("#000000", "-"),
    "ucb, each once": ("#5d3a9b", "--"),
    "ucb, standardized": ("#5d3a9b", "-."),
    "ucb, both": ("#5d3a9b", "-"),
    "thompson": ("#1f77b4", "-"),
    "discounted ucb": ("#2a9d4f", "-"),
    "exp3": ("#e08214", "-"),
    "rl2": ("#d6336c", "--"),
}
"""Colour and dashes of a selector, the same in every panel. Its name stands at the line's end, so
that ten lines can be told apart in grey too."""

_SHARES = (
    ("best arm", "#1b7837", ""),
    ("the most pulled other arm", "#e7c36b", "////"),
    ("the rest", "#e4e4e4", ""),
)


def draw(runs: Sequence[Run], out: Path) -> None:
    """Draw runs: above the mean regret over the pulls, below the shares of arms, for each curve.

    Args:
        runs: of any curves, selectors and seeds.
        out: the picture; its ending decides the format.
    """
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    curves = [name for name in CURVES if any(run.curve == name for run in runs)]
    selectors = [name for name in SELECTORS if any(run.selector == name for run in runs)]
    figure = Figure(figsize=(3.5 * len(curves) + 1.2, 7.8), layout="constrained")
    grid = figure.subplots(2, len(curves), squeeze=False, height_ratios=(1.3, 1))
    for column, curve in enumerate(curves):
        of_curve = [run for run in runs if run.curve == curve]
        _regret(grid[0, column], of_curve, selectors)
        _shares(grid[1, column], of_curve, selectors, named=column == 0)
        title = f"{curve} returns\n{CURVES[curve].summary}"
        grid[0, column].set_title(title, fontsize="medium")
    seeds = len({run.seed for run in runs})
    figure.suptitle(
        f"Choosing among {len(ARMS)} arms, one of which pays {GAP} more; {number_of(seeds, 'seed')}"
    )
    grid[0, 0].set_ylabel("regret (sum of return lost), mean over seeds")
    handles, labels = grid[1, 0].get_legend_handles_labels()
    locked = f"locked: {LOCKED:.0%} or more of the pulls went to one arm that is never the best"
    below = figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    below.set_title(locked)
    picture = BytesIO()
    figure.savefig(picture, format=out.suffix.removeprefix("."), dpi=140)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(out) as file:
        file.write(picture.getvalue())


def _regret(axes: Axes, runs: Sequence[Run], selectors: Sequence[str]) -> None:
    pulls, ends = runs[0].pulls, []
    at = [0, *range(EVERY, pulls, EVERY), pulls]
    for selector in selectors:
        regret = np.mean([run.regret for run in runs if run.selector == selector], axis=0)
        color, dashes = _LOOKS[selector]
        width = 2.6 if selector == "ucb" else 1.4
        axes.plot(at, np.append(0.0, regret), dashes, color=color, linewidth=width)
        ends.append(float(regret[-1]))
    top = 1.35 * max(*ends, 1e-9)  # room for what is said
    axes.set_ylim(0, top)
    for selector, end, height in zip(selectors, ends, spread(ends, top / 21, top), strict=True):
        axes.annotate(
            selector,
            xy=(1, end / top),
            xytext=(1.07, height / top),
            xycoords="axes fraction",
            color=_LOOKS[selector][0],
            fontsize=8,
            fontweight="bold" if selector == "ucb" else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "lw": 0.6, "shrinkA": 1},
        )
    said = locked_in(runs)
    if said:
        box = {"facecolor": "white", "edgecolor": "black", "boxstyle": "round,pad=0.35"}
        axes.text(0.03, 0.97, said, transform=axes.transAxes, va="top", fontsize=8, bbox=box)
    axes.set_xlabel("pulls (updates of a run)")
    axes.set_xlim(0, pulls)
    _tidy(axes)


def spread(heights: Sequence[float], apart: float, top: float) -> list[float]:
    """Return heights of labels near `heights`, none nearer than `apart` to another.

    From the lowest up each is moved as far as the one below asks, then from the highest down as far
    as `top` and the one above ask.
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    for below, above in pairwise(order):
        placed[above] = max(placed[above], placed[below] + apart)
    limit = top
    for index in reversed(order):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - apart
    return placed


def locked_in(runs: Sequence[Run]) -> str:
    """Return what is to be said of the paper's bandit on one curve; "" if it was not run."""
    ucb = [run for run in runs if run.selector == "ucb"]
    if not ucb:
        return ""
    most = np.mean([max(run.counts) / run.pulls for run in ucb])
    return (
        f"ucb is the paper's: one arm\ngets {most:.0%} of the pulls;"
        f"\nlocked on to a wrong one in\n{sum(run.locked for run in ucb)} of"
        f" {number_of(len(ucb), 'run')}"
    )


def _shares(axes: Axes, runs: Sequence[Run], selectors: Sequence[str], named: bool) -> None:
    """Draw one bar a selector: pulls of the best arm, of the next, and of all others."""
    for row, selector in enumerate(selectors):
        of_selector = [run for run in runs if run.selector == selector]
        shares = np.mean([shares_of(run) for run in of_selector], axis=0)
        left = 0.0
        for share, (label, color, hatch) in zip(shares, _SHARES, strict=True):
            axes.barh(
                row,
                share,
                left=left,
                height=0.72,
                color=color,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.5,
                label=label if row == 0 else None,
            )
            left += share
        locked = sum(run.locked for run in of_selector)
        if locked:
            axes.text(1.03, row, f"{locked} of {len(of_selector)} locked", va="center", fontsize=8)
    axes.set_yticks(range(len(selectors)), selectors if named else [""] * len(selectors))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set_xlabel("share of pulls, mean over seeds")
    axes.tick_params(axis="y", length=0)
    _tidy(axes)
    axes.grid(visible=False)


def shares_of(run: Run) -> tuple[float, float, float]:
    """Return the shares of pulls: of the best arm, of the most pulled wrong arm, of the rest.

    Where the best arm changes, a pull of it at another time counts as one of a wrong arm.
    """
    wrong = list(run.wrong)
    most = max(wrong)
    return run.best / run.pulls, most / run.pulls, (sum(wrong) - most) / run.pulls


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
