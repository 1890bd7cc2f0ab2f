"""Figures over all games: normalized curves, interval estimates, performance profiles."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.histories import Histories
from benchmark.figures import method_style
from benchmark.figures.canvas import Panels, draw, empty
from benchmark.figures.curves import draw_curve, dress, legend, length_text
from benchmark.figures.drawing import Drawing, Style
from benchmark.figures.normalized import Scale, choose, final_scores
from benchmark.statistics import aggregate, bootstrap
from benchmark.statistics.bands import Array, cube, over_games, profile
from benchmark.store.many_files import RUN
from drac.games import games_text
from drac.runs.logs import SPLITS

_RESAMPLES = 10_000
_SEED = 0
"""Of the bootstrap: the same store gives the same figure."""

_STATISTICS: dict[str, Callable[[Array], Any]] = {
    "IQM": aggregate.iqm,
    "median": aggregate.median,
    "mean": aggregate.mean,
    "optimality gap": aggregate.optimality_gap,
}


_SPLITS = {"training levels": "train", "full distribution": "test"}
"""Title of a panel -> split."""


def aggregate_curves(histories: Histories, style: Style) -> list[Drawing]:
    """Normalized return of evaluations over steps, its mean over games."""
    scale = choose(histories)
    if not scale.labels:
        return []
    generator = np.random.default_rng(_SEED)
    tables = []
    for split, label in product(SPLITS, scale.labels):
        rows = histories.evaluations[histories.evaluations["split"] == split]
        values = rows[[RUN, "step", "return"]].set_axis([RUN, "step", "value"], axis=1)
        runs = histories.runs[histories.runs["label"] == label]
        own = scale.apply(values[values[RUN].isin(runs.index)], split)
        steps, cells = cube(own, runs, list(scale.games))
        mean, low, high = over_games(cells, generator)
        columns = {"step": steps, "mean": mean, "low": low, "high": high}
        seeds = _seeds(cells[..., 0]) if len(steps) else ""
        tables.append(pd.DataFrame({"split": split, "label": label, **columns, "seeds": seeds}))
    table = _joined(tables)
    title = f"Mean {scale.name} over {games_text(scale.games)}"
    how = _if_any(table, "Bands are 95 % stratified bootstrap intervals over seeds.")
    notes = (
        how,
        *_seeds_said(table),
        *scale.notes,
        *_without_band(table),
        *histories.notes_of(scale.compared),
    )

    def paint(name: str, ax: Axes) -> None:
        _draw_curves(ax, table[table["split"] == _SPLITS[name]], scale)
        dress(ax)
        ax.yaxis.set_major_formatter(_percent)
        if table["mean"].isna().all():
            empty(ax)

    panels = Panels(
        list(_SPLITS),
        "environment steps",
        scale.name,
        legend(scale.labels, style),
        length_text(table),
    )
    return [draw("aggregate", title, table, notes, style, panels, paint)]


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    columns = ["split", "label", "step", "mean", "low", "high", "seeds"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _draw_curves(ax: Axes, table: pd.DataFrame, scale: Scale) -> None:
    for label in scale.labels:
        draw_curve(ax, table[table["label"] == label], label, scale.labels)


def _percent(value: float, position: float = 0) -> str:
    """Format a share, with as many decimals as it needs: 0.025 is 2.5%."""
    return f"{round(100 * value, 4):g}%"


def _seeds(scores: Array) -> str:
    """Return how many runs a game has: "10", or "3-10"."""
    counts = aggregate.num_runs(scores) if scores.size else np.zeros(1, int)
    low, high = int(counts.min()), int(counts.max())
    return f"{low}" if low == high else f"{low}-{high}"


def _seeds_said(table: pd.DataFrame) -> list[str]:
    found = sorted({str(seeds) for seeds in table["seeds"]} - {"", "0"}, key=lambda s: (len(s), s))
    return [f"Seeds on a game: {', '.join(found)}."] if found else []


def _if_any(table: pd.DataFrame, said: str) -> str:
    """Return what is said of intervals, if there is one."""
    return said if table["low"].notna().any() else ""


def _without_band(table: pd.DataFrame) -> list[str]:
    """Say which labels have no interval, or only in part, and why."""
    known = set(table["label"][table["low"].notna()])
    bare = table["low"].isna() & table["mean"].notna()
    one = table["seeds"].str.fullmatch("1(-.*)?").fillna(False).astype(bool)
    named = table["label"].map(lambda label: f"{label} (in part)" if label in known else label)
    single, equal = (list(dict.fromkeys(named[bare & its])) for its in (one, ~one))
    gone = list(dict.fromkeys(table["label"][table["mean"].isna()]))
    said = []
    if single:
        said.append(f"One seed on a game, hence no interval: {', '.join(map(str, single))}.")
    if equal:
        said.append(f"Seeds with the same score, hence no interval: {', '.join(map(str, equal))}.")
    if gone:
        said.append(f"No complete run on some of the games: {', '.join(map(str, gone))}.")
    return said


def intervals(histories: Histories, style: Style) -> list[Drawing]:
    """IQM, median, mean and optimality gap of the final test scores, with intervals."""
    scale = choose(histories)
    if not scale.labels:
        return []
    generator = np.random.default_rng(_SEED)
    rows: list[dict[str, Any]] = []
    for label in scale.labels:
        scores = final_scores(histories, scale, label, "test")
        for name, statistic in _STATISTICS.items():
            row = {"label": label, "statistic": name, "mean": np.nan, "low": np.nan, "high": np.nan}
            if scores.size:
                ends = bootstrap.NO_INTERVAL
                if not bootstrap.without_spread(scores):
                    ends = bootstrap.interval(
                        scores, statistic, resamples=_RESAMPLES, generator=generator
                    )
                row |= {"mean": float(statistic(scores)), "low": ends.low, "high": ends.high}
            rows.append({**row, "seeds": _seeds(scores)})
    columns = ["label", "statistic", "mean", "low", "high", "seeds"]
    table = pd.DataFrame(rows, columns=columns)
    title = f"Final test scores over {games_text(scale.games)}"
    bars = f"Bars are 95 % stratified bootstrap intervals ({_RESAMPLES:,} resamples). "
    how = f"{_if_any(table, bars)}Optimality gap: mean shortfall below 100 %, less is better."
    said = (scale.lengths, *scale.notes, *_without_band(table), *histories.notes_of(scale.compared))
    notes = (how, *_seeds_said(table), *said)
    shown = {name: table[table["statistic"] == name].set_index("label") for name in _STATISTICS}
    panels = Panels(
        list(_STATISTICS),
        scale.name,
        columns=4,
        height=(len(scale.labels) + 1) * style.font * 1.7 / 72,
        sharex=False,
        sharey=True,
    )

    def paint(name: str, ax: Axes) -> None:
        _draw_intervals(ax, shown[name], style)

    table = table.rename(columns={"mean": "estimate"})
    return [draw("intervals", title, table, notes, style, panels, paint)]


def _draw_intervals(ax: Axes, rows: pd.DataFrame, style: Style) -> None:
    """Draw one statistic: `mean, low, high` by label."""
    for place, (label, row) in enumerate(rows.iterrows()):
        look = method_style.of_method(str(label))
        ax.plot([row["low"], row["high"]], [place] * 2, color=look.colour, alpha=0.55,
                linewidth=style.line * 3.2, solid_capstyle="butt")  # fmt: skip
        ax.plot(row["mean"], place, look.marker, color=look.colour, markersize=style.marker + 1)
    ax.set_yticks(range(len(rows)), list(rows.index))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(_percent)
    ax.grid(axis="x", color="0.9", linewidth=0.5)
    ax.set_axisbelow(True)


def profiles(histories: Histories, style: Style) -> list[Drawing]:
    """Share of runs above each score: performance profiles of the final scores."""
    scale = choose(histories)
    if not scale.labels:
        return []
    generator = np.random.default_rng(_SEED)
    scores = {
        (split, label): final_scores(histories, scale, label, split)
        for split in SPLITS
        for label in scale.labels
    }
    found = [values for values in scores.values() if values.size]
    known = np.concatenate([v[~np.isnan(v)] for v in found]) if found else np.zeros(1)
    low, high = np.percentile(known, [0.5, 99.5]) if known.size else (0.0, 1.0)
    thresholds = np.linspace(min(0.0, low), max(1.0, high), 101)
    tables = []
    for (split, label), values in scores.items():
        share, lower, upper = profile(values, thresholds, generator)
        columns = {"threshold": thresholds, "share": share, "low": lower, "high": upper}
        seeds = _seeds(values)
        tables.append(pd.DataFrame({"split": split, "label": label, **columns, "seeds": seeds}))
    table = _joined(tables)
    title = f"Performance profiles of final scores over {games_text(scale.games)}"
    how = "Share of runs above a score, averaged over games."
    how += _if_any(table, " Bands are 95 % bootstrap intervals.")
    how = " ".join([how, *_seeds_said(table), scale.lengths])
    as_curve = table.rename(columns={"threshold": "step", "share": "mean"})
    notes = (how, *scale.notes, *_without_band(as_curve), *histories.notes_of(scale.compared))

    def paint(name: str, ax: Axes) -> None:
        _draw_curves(ax, as_curve[as_curve["split"] == _SPLITS[name]], scale)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(_percent)
            axis.set_major_locator(MaxNLocator(5))
        ax.set_ylim(-0.02, 1.02)
        ax.grid(color="0.9", linewidth=0.5)
        ax.set_axisbelow(True)
        ax.margins(x=0.02)

    panels = Panels(list(_SPLITS), scale.name, "share of runs", legend(scale.labels, style))
    return [draw("profiles", title, table, notes, style, panels, paint)]
