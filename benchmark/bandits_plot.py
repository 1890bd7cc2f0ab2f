"""The picture of `drac-bench bandits`: regret over the run, and where the pulls went."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.bandits import CURVES, EVERY, SELECTORS, Run
from drac import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKS = {
    "fixed": ("#9a9a9a", ":"),
    "uniform": ("#9a9a9a", "--"),
    "ucb": ("#000000", "-"),
    "ucb, each once": ("#5d3a9b", "--"),
    "ucb, standardized": ("#5d3a9b", "-."),
    "ucb, both": ("#5d3a9b", "-"),
    "thompson": ("#1f77b4", "-"),
    "discounted ucb": ("#2a9d4f", "-"),
    "exp3": ("#e08214", "-"),
    "rl2": ("#d6336c", "--"),
}
"""Colour and dashes of a selector: the same in every panel, and different in grey."""

_SHARES = (
    ("best arm", "#1b7837", ""),
    ("one other arm, the most pulled", "#e7c36b", "////"),
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
    figure = Figure(figsize=(3.5 * len(curves) + 1.5, 7), layout="constrained")
    grid = figure.subplots(2, len(curves), squeeze=False, height_ratios=(1.15, 1))
    for column, curve in enumerate(curves):
        of_curve = [run for run in runs if run.curve == curve]
        _regret(grid[0, column], of_curve, selectors)
        _shares(grid[1, column], of_curve, selectors, named=column == 0)
        grid[0, column].set_title(f"{curve}\n{CURVES[curve].summary}", fontsize="medium")
    grid[0, 0].set_ylabel("regret, mean over seeds")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)
    handles, labels = grid[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    picture = BytesIO()
    figure.savefig(picture, format=out.suffix.removeprefix("."), dpi=130)
    out.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(out) as file:
        file.write(picture.getvalue())


def _regret(axes: Axes, runs: Sequence[Run], selectors: Sequence[str]) -> None:
    for selector in selectors:
        regret = np.array([run.regret for run in runs if run.selector == selector])
        pulls = runs[0].pulls
        at = [0, *range(EVERY, pulls, EVERY), pulls]
        color, dashes = _LOOKS[selector]
        axes.plot(
            at,
            np.append(0.0, regret.mean(axis=0)),
            dashes,
            color=color,
            linewidth=2.2 if selector == "ucb" else 1.5,
            label=selector,
        )
    axes.set_xlabel("pulls (updates)")
    axes.set_xlim(0, runs[0].pulls)
    axes.set_ylim(bottom=0)
    _tidy(axes)


def _shares(axes: Axes, runs: Sequence[Run], selectors: Sequence[str], named: bool) -> None:
    """Draw one bar a selector: pulls of the best arm, of the next, and of all others."""
    for row, selector in enumerate(selectors):
        shares = np.mean([shares_of(run) for run in runs if run.selector == selector], axis=0)
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
    axes.set_yticks(range(len(selectors)), selectors if named else [""] * len(selectors))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
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
