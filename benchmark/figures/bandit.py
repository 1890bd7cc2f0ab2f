"""What a method that chooses its augmentation chose over time, one panel a game."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from augmentations import PAPER_ARMS
from benchmark.analysis.histories import Histories
from benchmark.figures import method_style
from benchmark.figures.canvas import Panels, draw, empty
from benchmark.figures.curves import dress, length_text
from benchmark.figures.drawing import Drawing, Style
from benchmark.store.many_files import RUN
from drac.config.quantities import number_of
from drac.methods import spellings

_BINS = 30
"""Stretches of a run, in each of which updates are counted."""


def bandit_shares(histories: Histories, style: Style) -> list[Drawing]:
    """The share of updates with each augmentation, stacked, over time; one figure a method."""
    return [_shares(label, rows, histories, style) for label, rows in _bandits(histories)]


def bandit_scores(histories: Histories, style: Style) -> list[Drawing]:
    """The score by which the method chose, by augmentation, over time; one figure a method."""
    return [_scores(label, rows, histories, style) for label, rows in _bandits(histories)]


def _bandits(histories: Histories) -> list[tuple[str, pd.DataFrame]]:
    """Return the labels that choose, with the rows of their arms and the game of each."""
    runs = histories.runs
    arms = histories.arms
    # A selector always selects: a run without any choice has a damaged file.
    arms = arms[arms.groupby(RUN)["selected"].transform("max") == 1]
    arms = arms.assign(game=runs["game"].reindex(arms[RUN]).to_numpy())
    label = runs["label"].reindex(arms[RUN]).to_numpy()
    return [(name, arms[label == name]) for name in histories.labels if (label == name).any()]


def _arms(rows: pd.DataFrame) -> list[str]:
    """Return the arms, the paper's first and in its order."""
    found = [str(arm) for arm in rows["arm"].unique()]
    return sorted(found, key=lambda a: PAPER_ARMS.index(a) if a in PAPER_ARMS else len(PAPER_ARMS))


def _shares(label: str, rows: pd.DataFrame, histories: Histories, style: Style) -> Drawing:
    arms, table = _arms(rows), share_table(rows)
    table.insert(0, "label", label)
    title = f"Augmentations that {label} chose"
    notes = (
        f"Share of updates, of all seeds together, in up to {_BINS} stretches of training.",
        *_seeds_said(rows, histories),
        *histories.notes,
    )
    looks: dict[str, dict[str, Any]] = {
        arm: {"facecolor": method_style.of_augmentation(arm).colour, "edgecolor": "white",
              "linewidth": 0, "hatch": hatch}
        for arm, hatch in zip(arms, cycle(method_style.HATCHES), strict=False)
    }  # fmt: skip
    called = spellings.arms(arms)
    legend = [Patch(label=called[arm], **look) for arm, look in looks.items()]

    def paint(game: str, ax: Axes) -> None:
        _stack(ax, table[table["game"] == game], looks)
        ax.set_xlim(0, float(table["end"].max()))

    panels = Panels(
        _games(histories, label), "environment steps", "share of updates", legend, length_text(rows)
    )
    return draw(f"bandit-shares-{_plain(label)}", title, table, notes, style, panels, paint)


def share_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Count choices: the share of each arm among the updates of a stretch, over all runs.

    Args:
        rows: `game, step, arm, selected`, a row for every arm at every update.

    Returns:
        `game, start, end` (steps), `arm, share`; the shares of a stretch sum to 1.
    """
    tables = []
    for game, own in rows.groupby("game", observed=True):
        steps = np.sort(own["step"].unique())
        chosen = own[own["selected"] == 1]
        width = -(-len(steps) // _BINS)
        place = np.searchsorted(steps, chosen["step"].to_numpy(float)) // width
        counts = pd.crosstab(place, chosen["arm"].astype(str).to_numpy())
        shares = counts.div(counts.sum(axis=1), axis=0)
        ends = np.append(steps, steps[-1])[np.minimum((shares.index + 1) * width, len(steps)) - 1]
        starts = np.append(0.0, ends[:-1])
        long = shares.set_axis(pd.MultiIndex.from_arrays([starts, ends], names=["start", "end"]))
        long = long.rename_axis(columns="arm").reset_index()
        long = long.melt(["start", "end"], var_name="arm", value_name="share")
        long.insert(0, "game", game)
        tables.append(long)
    table: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return table.sort_values(["game", "start", "arm"], ignore_index=True)


def _stack(ax: Axes, table: pd.DataFrame, looks: Mapping[str, dict[str, Any]]) -> None:
    if table.empty:
        empty(ax)
        return
    wide = table.pivot(index=["start", "end"], columns="arm", values="share").fillna(0.0)
    edges = np.append(wide.index.get_level_values("start"), wide.index[-1][1]).astype(float)
    low = np.zeros(len(edges))
    for arm, look in looks.items():
        if arm not in wide:
            continue
        share = wide[arm].to_numpy(float)
        high = low + np.append(share, share[-1])
        ax.fill_between(edges, low, high, step="post", **look)
        low = high
    dress(ax)
    ax.grid(False)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1])
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _scores(label: str, rows: pd.DataFrame, histories: Histories, style: Style) -> Drawing:
    known = rows.assign(score=rows["score"].where(np.isfinite(rows["score"])))
    means = known.groupby(["game", "arm", "step"], observed=True)["score"]
    table = means.agg(["mean", "size"]).reset_index().rename(columns={"size": "seeds"})
    most = table.groupby("game", observed=True)["seeds"].transform("max")
    table = table[table["seeds"] == most].reset_index(drop=True)  # as far as all seeds go
    table.insert(0, "label", label)
    arms = _arms(rows)
    title = f"Scores of the augmentations by which {label} chose"
    infinite = int((~np.isfinite(rows["score"])).sum())
    notes = (
        "Mean over seeds of each arm's score at the update.",
        f"Left out: {number_of(infinite, 'infinite score')}, of arms to be tried first."
        * (infinite > 0),
        *_seeds_said(rows, histories),
        *histories.notes,
    )
    looks = {arm: method_style.of_augmentation(arm) for arm in arms}
    called = spellings.arms(arms)
    legend = [
        Line2D([], [], color=look.colour, linestyle=look.dashes, linewidth=style.line,
               label=called[arm])
        for arm, look in looks.items()
    ]  # fmt: skip

    def paint(game: str, ax: Axes) -> None:
        for arm, look in looks.items():
            own = table[(table["game"] == game) & (table["arm"] == arm)]
            ax.plot(own["step"].to_numpy(float), own["mean"].to_numpy(float),
                    color=look.colour, linestyle=look.dashes)  # fmt: skip
        dress(ax)

    games = _games(histories, label)
    panels = Panels(games, "environment steps", "score", legend, length_text(rows))
    return draw(f"bandit-scores-{_plain(label)}", title, table, notes, style, panels, paint)


def _games(histories: Histories, label: str) -> list[str]:
    runs = histories.runs
    return sorted(set(runs["game"][runs["label"] == label]))


def _seeds_said(rows: pd.DataFrame, histories: Histories) -> list[str]:
    seeds = histories.runs.loc[rows[RUN].unique()].groupby("game").size()
    low, high = int(seeds.min()), int(seeds.max())
    return [f"{f'{low} to ' * (low < high)}{number_of(high, 'seed')} a game."]


def _plain(label: str) -> str:
    """Return a label as a part of a file's name."""
    return "".join(c if c.isalnum() or c in "-+_=." else "-" for c in label).strip("-")
