"""Entropy, losses and what else a gradient step reports, over steps, averaged over games."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.analysis.histories import LOSSES, Histories
from benchmark.figures.canvas import Panels, draw, empty
from benchmark.figures.curves import draw_curve, dress, legend, length_text
from benchmark.figures.drawing import Drawing, Style
from benchmark.figures.normalized import comparable, shared
from benchmark.statistics.bands import cube, over_games
from benchmark.store.many_files import RUN
from drac.games import games_text

_RESAMPLES = 500
_POINTS = 200
"""Of a curve, which is a few hundred pixels wide; of more updates every second, third, ... is."""


COLUMNS = ["loss", "label", "step", "mean", "low", "high"]


def losses(histories: Histories, style: Style) -> list[Drawing]:
    """Return each loss over steps; rewards are normalized, so that games have one scale."""
    labels, games, remarks = shared(histories)
    generator = np.random.default_rng(0)
    tables = [_of_label(label, list(games), histories, generator) for label in labels]
    tables = [own for own in tables if len(own)] or [pd.DataFrame(columns=COLUMNS)]
    table = pd.concat(tables, ignore_index=True)
    title = f"Losses over {games_text(games)}"
    how = (
        "Mean over an update's gradient steps, then over seeds and games; bands are 95 % stratified"
        " bootstrap intervals, absent where a game has one seed or most games' seeds are equal. A"
        " method that does not have a loss has no curve of it."
    )
    notes = (how, *remarks, *histories.notes)
    heads = {head: name for name, head in LOSSES.items()}

    def paint(head: str, ax: Axes) -> None:
        for label in labels:
            own = table[(table["loss"] == heads[head]) & (table["label"] == label)]
            if len(own):
                draw_curve(ax, own, label, labels)
        dress(ax)
        if len(histories.progress) and not (table["loss"] == heads[head]).any():
            empty(ax, "0 throughout")
            ax.set_yticks([])

    panels = Panels(
        list(heads),
        "environment steps",
        legend=legend(labels, style),
        length=length_text(table),
        columns=4,
    )
    return [draw("losses", title, table, notes, style, panels, paint)]


def _of_label(
    label: str, games: list[str], histories: Histories, generator: np.random.Generator
) -> pd.DataFrame:
    """Return `loss, label, step, mean, low, high` of one label; all losses share resamples."""
    runs = comparable(histories)
    runs = runs[runs["label"] == label]
    rows = histories.progress[histories.progress[RUN].isin(runs.index)]
    own = [name for name in LOSSES if (rows[name] != 0).any()]
    cells, steps = [], np.zeros(0)
    for name in own:
        values = rows[[RUN, "step", name]].set_axis([RUN, "step", "value"], axis=1)
        steps, values_of_all = cube(values, runs, games)
        every = max(1, -(-len(steps) // _POINTS))
        steps = steps[::-1][::every][::-1]
        cells.append(values_of_all[..., ::-1][..., ::every][..., ::-1])
    if not own:
        return pd.DataFrame(columns=COLUMNS)
    mean, low, high = over_games(np.concatenate(cells, axis=-1), generator, _RESAMPLES)
    names = np.repeat(own, len(steps))
    where = {"loss": names, "label": label, "step": np.tile(steps, len(own))}
    return pd.DataFrame({**where, "mean": mean, "low": low, "high": high})
