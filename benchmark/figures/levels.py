"""Success by level: which training levels are solved, and how many test levels fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from benchmark.analysis.histories import Histories
from benchmark.figures.canvas import Panels, draw
from benchmark.figures.drawing import Drawing, Style
from benchmark.store.many_files import RUN
from benchmark.tables.levels import SOLVED
from drac.config.level_list import ALL
from drac.games import score_range

_COLUMNS = 200
"""Of a picture of levels; of more, neighbours share one."""

_COLOURS = "cividis"  # from dark to bright, also in grey and to the colour-blind


def level_table(histories: Histories, split: str) -> pd.DataFrame:
    """Return how each level went in the last evaluations of all seeds.

    Args:
        histories: the runs, all of modes with published score ranges.
        split: "train" or "test".

    Returns:
        `label, game, split, level_seed, episodes, return` (mean), `score` (the return between the
        published minimum, 0, and maximum, 1) and `solved` (1 if the score is at least `SOLVED`).
    """
    rows = histories.levels[histories.levels["split"] == split]
    rows = rows[rows["level_seed"].between(0, 2**31)]  # others are no levels of Procgen's
    runs = histories.runs.loc[rows[RUN]]
    rows = rows.assign(label=runs["label"].to_numpy(), game=runs["game"].to_numpy())
    grouped = rows.groupby(["label", "game", "level_seed"], observed=True)["return"]
    table = grouped.agg(["size", "mean"]).reset_index()
    table = table.rename(columns={"size": "episodes", "mean": "return"})
    modes = {
        label: settings.get("mode", "easy")
        for label, settings in histories.runs[["label", "settings"]].itertuples(index=False)
    }
    cells = table[["label", "game"]].drop_duplicates().itertuples(index=False)
    ranges = {(label, game): score_range(game, modes[label]) for label, game in cells}
    keys = zip(table["label"], table["game"], strict=True)
    low, high = np.array([ranges[key] for key in keys]).reshape(-1, 2).T
    table["score"] = (table["return"] - low) / (high - low)
    table["solved"] = (table["score"] >= SOLVED).astype(int)
    table.insert(2, "split", split)
    return table.astype({"level_seed": int})


def train_levels(histories: Histories, style: Style) -> list[Drawing]:
    """Every training level, by method: bright if it is solved; not of runs on all levels."""
    finite = [own.get("levels") != ALL for own in histories.runs["settings"]]
    histories = histories.where(finite).with_ranges
    table = level_table(histories, "train")
    title = "Training levels that are solved"
    return _levels("levels-train", title, "training level", table, histories, style)


def test_levels(histories: Histories, style: Style) -> list[Drawing]:
    """The test levels of the last evaluations, by method, from failed to solved."""
    histories = histories.with_ranges
    table = level_table(histories, "test")
    title = "Test levels that fail, and that are solved"
    return _levels("levels-test", title, "share of the test levels", table, histories, style)


def _levels(
    name: str, title: str, xlabel: str, table: pd.DataFrame, histories: Histories, style: Style
) -> list[Drawing]:
    if histories.runs.empty:
        return []
    labels, train = histories.labels, name == "levels-train"
    columns = "each column a level, by its seed" if train else "its levels sorted by their score"
    how = (
        f"Each row is a method, {columns}. Last evaluation of each seed; the score is the mean"
        f" return of the level's episodes between the published minimum (0) and maximum (1). At"
        f" the right: share of the levels played that are solved, with a mean score of {SOLVED} or"
        f" more (the table of levels counts episodes)."
    )
    notes = (how, histories.lengths, *histories.notes)
    first, last = _ends(histories)

    def paint(game: str, ax: Axes) -> None:
        here = table[table["game"] == game]
        cells = [here[here["label"] == label] for label in labels]
        rows = [_by_seed(cell, first, last) if train else _sorted(cell) for cell in cells]
        extent = (first - 0.5, last + 0.5) if train else (0.0, 1.0)
        _draw(ax, rows, extent, [cell["solved"].mean() for cell in cells], style)
        ax.set_yticks(np.arange(len(labels)) + 0.5, labels)
        if not train:
            ax.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])

    height = max(0.55 * style.panel, len(labels) * style.font * 1.3 / 72)
    panels = Panels(histories.games, xlabel, legend=_scale(train), height=height, sharey=True)
    return [draw(name, title, table, notes, style, panels, paint)]


def _ends(histories: Histories) -> tuple[int, int]:
    """Return the first and the last of the training levels of all runs."""
    given = {str(settings.get("levels", "0-199")) for settings in histories.runs["settings"]}
    ends = [tuple(map(int, levels.split("-"))) for levels in given]
    return min(first for first, _ in ends), max(last for _, last in ends)


def _draw(
    ax: Axes,
    rows: Sequence[NDArray[np.float64]],
    extent: tuple[float, float],
    solved: Sequence[float],
    style: Style,
) -> None:
    """Draw rows of scores below each other, and beside each the share that is solved."""
    ax.imshow(
        np.stack(rows),
        cmap=_COLOURS,
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(*extent, len(rows), 0),
    )
    for number, share in enumerate(solved):
        text = ax.text(1.02, number + 0.5, "-" if np.isnan(share) else f"{share:.0%}")
        text.set(transform=ax.get_yaxis_transform(), va="center", fontsize=style.font - 1.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(*extent)


def _by_seed(cell: pd.DataFrame, first: int, last: int) -> NDArray[np.float64]:
    """Return the scores of all levels as a row; neighbours share a pixel if they are many."""
    cell = cell[cell["level_seed"].between(first, last)]
    size = last - first + 1
    width = -(-size // _COLUMNS)
    total, played = np.zeros(-(-size // width)), np.zeros(-(-size // width))
    place = (cell["level_seed"].to_numpy() - first) // width
    np.add.at(total, place, np.clip(cell["score"].to_numpy(float), 0, 1))
    np.add.at(played, place, 1)
    return np.where(played > 0, total / np.maximum(played, 1), np.nan)


def _sorted(cell: pd.DataFrame) -> NDArray[np.float64]:
    """Return the scores in ascending order, as a row of as many pixels as any other's."""
    scores = np.sort(cell["score"].to_numpy(float))
    if len(scores) == 0:
        return np.full(_COLUMNS, np.nan)
    picked: NDArray[np.float64] = scores[
        (2 * np.arange(_COLUMNS) + 1) * len(scores) // (2 * _COLUMNS)
    ]
    return picked


def _scale(train: bool) -> Sequence[Artist]:
    shades = [0.0, 0.25, 0.5, 0.75, 1.0]
    colours = colormaps[_COLOURS](shades)
    handles: list[Artist] = [
        Patch(facecolor=tuple(colour), label=f"score {shade:g}")
        for colour, shade in zip(colours, shades, strict=True)
    ]
    if train:
        handles.append(Patch(facecolor="white", edgecolor="0.7", label="not played"))
    return handles
