"""The paper's Table 2: does an agent see what matters, where only the background differs?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.caveats import why_each, with_caveats
from benchmark.analysis.comparable import counted
from benchmark.analysis.published_options import STARRED, star
from benchmark.scores import published
from benchmark.tables.table import NOT_AVAILABLE, Block, Table, number
from drac.config.quantities import number_of, shortened
from drac.games import GAMES

PAPER = "background"
"""The variant of `drac evaluate --robustness` that is nearest to the paper's."""

_KEYS = ["variant", "method", "metric", "split", "change"]


def robustness(runs: pd.DataFrame) -> Table:
    """Robustness of each method, mean and median over games, beside the paper's Table 2.

    Args:
        runs: as `Store.load` returns them; robustness.csv is absent in most.
    """
    complete = counted(runs)
    values = _values(complete)
    known, source = published.robustness()
    per_game = (
        values.groupby([*_KEYS, "game"], sort=False)["value"]
        .agg(mean="mean", runs="count")
        .reset_index()
    )
    measured = per_game[per_game["runs"] > 0]
    overall: pd.DataFrame = (
        measured.groupby(_KEYS, sort=False)["mean"]
        .agg(games="size", mean="mean", median="median")
        .reset_index()
    )
    rows: Sequence[Mapping[Any, Any]] = overall.to_dict("records")
    marks = {label: star(own) for label, own in complete[["label", "settings"]].to_numpy()}
    cells = [_row(row, known, marks[row["variant"]]) for row in rows]
    cells += _not_run(known, set(overall["method"]))
    return Table.of(
        "robustness",
        "Robustness to what does not matter",
        [Block(pd.DataFrame(cells), "Over games", keys=4), *_metric_blocks(measured)],
        per_game.rename(columns={"mean": "value"}),
        with_caveats(runs, complete, _notes(complete, values, source)),
    )


def _values(complete: pd.DataFrame) -> pd.DataFrame:
    """Return one row a run, metric, split and kind of change; NaN where it was not defined."""
    parts = []
    for run in complete.to_dict("records"):
        own = run["record"].robustness
        if own and len(own["metric"]):
            about = {"variant": run["label"], "method": run["method"], "game": run["game"]}
            columns = {"metric": own["metric"], "split": own["split"], "change": own["variant"]}
            parts.append(
                pd.DataFrame({**columns, "pairs": own["pairs"], "value": own["value"], **about})
            )
    empty = pd.DataFrame(columns=[*_KEYS, "game", "pairs", "value"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def _row(
    row: Mapping[Any, Any], known: Mapping[tuple[str, str, str], float], mark: str
) -> dict[str, str]:
    paper = published.NAMES.get(row["method"], "") if row["change"] == PAPER else ""
    return {
        "method": str(row["variant"]),
        "metric": str(row["metric"]),
        "what differs": str(row["change"]),
        "split": str(row["split"]),
        "games": str(row["games"]),
        **{name: _number(row[name], row["metric"], 3) for name in _STATISTICS},
        **_published(known, paper, row["metric"], mark),
    }


_STATISTICS = ("mean", "median")


def _number(value: float, metric: str, digits: int) -> str:
    return number(value, ".1f" if metric.endswith("%") else f".{digits}f")


def _published(
    known: Mapping[tuple[str, str, str], float], method: str, metric: str, mark: str = ""
) -> dict[str, str]:
    values = {name: known.get((method, metric, name), math.nan) for name in _STATISTICS}
    return {
        f"published {name} [a]": _number(value, metric, 2) + mark * (not math.isnan(value))
        for name, value in values.items()
    }


def _not_run(
    known: Mapping[tuple[str, str, str], float], ran: set[str]
) -> Iterator[dict[str, str]]:
    """Yield the rows of published methods that were not measured here."""
    names = {published.NAMES.get(method, "") for method in ran}
    for method, metric in dict.fromkeys((method, metric) for method, metric, _ in known):
        if method not in names:
            yield {
                "method": method,
                "metric": metric,
                "what differs": PAPER,
                "split": "not stated",
                "games": "not measured",
                **dict.fromkeys(_STATISTICS, "-"),
                **_published(known, method, metric),
            }


def _metric_blocks(measured: pd.DataFrame) -> Iterator[Block]:
    """Yield a block for each metric and kind of change: games x methods."""
    for (metric, change), own in measured.groupby(["metric", "change"], sort=False):
        splits = own["split"].nunique() > 1
        rows = []
        for game in [game for game in GAMES if game in set(own["game"])]:
            here = own[own["game"] == game]
            columns = here["variant"] + (" " + here["split"] if splits else "")
            values = dict(zip(columns, here["mean"], strict=True))
            rows.append({"game": game} | {c: _number(v, str(metric), 3) for c, v in values.items()})
        yield Block(pd.DataFrame(rows).fillna(NOT_AVAILABLE), f"{metric}, {change}, by game")


def _notes(complete: pd.DataFrame, values: pd.DataFrame, source: str) -> Iterator[str]:
    yield (
        f"[a] {source}: backgrounds of other games, on a training level; how many observations,"
        f" and whether JSD is the divergence or its root, it does not say. Ours: other backgrounds"
        f" of the same game, the divergence in nats (docs/fidelity.md)."
    )
    yield (
        "Mean over seeds, then mean and median over games, each game counting once. JSD:"
        " Jensen-Shannon divergence, smaller is better; cycle-consistency: larger is better."
    )
    if any(star(settings) for settings in complete["settings"]):
        yield STARRED
    without = values[np.isnan(values["value"].to_numpy(float))]
    for (change, metric), own in without.groupby(["change", "metric"], sort=False):
        games = shortened(dict.fromkeys(map(str, own["game"])))
        yield f"Not defined, {metric} with {change}: {games}."
    problems = complete["record"].map(lambda record: record.robustness_problem)
    if (damaged := problems != "").any():
        yield f"Not read: {why_each(complete[damaged], problems[damaged])}."
    has = [bool(len(record.robustness.get("metric", ()))) for record in complete["record"]]
    if not all(has):
        yield (
            f"Not measured: {len(has) - sum(has)} of {number_of(len(has), 'complete run')}; drac"
            f" evaluate RUN --robustness measures one."
        )


def lacking(runs: pd.DataFrame) -> str:
    """Say why these runs have nothing to say to the table, or ""."""
    if any(len(record.robustness.get("metric", ())) for record in runs["record"]):
        return ""
    return "no run has a robustness.csv (drac evaluate RUN --robustness)"
