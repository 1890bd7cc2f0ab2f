"""Learning curves beside those of others, in numbers: do ours lie on theirs?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis import histories
from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted
from benchmark.scores import curves
from benchmark.store.many_files import RUN
from benchmark.store.store import root_of
from benchmark.tables.table import Block, Table
from drac.config.quantities import count_text, shortened
from drac.games import GAMES
from drac.runs.logs import SPLITS

STEPS = 4
"""Evaluations that are shown, the last among them."""

_KEYS = ("game", "split", "method", "runs", "step", "ours", "ours_std")
_THEIRS = ("other", "other_runs", "theirs", "theirs_std", "theirs_low", "theirs_high", "ratio")

_NOTES = (
    "test: the evaluation at that step, on unseen levels; train: the last 100 training episodes",
    "theirs: mean over their runs of the curve at that step, between two points in proportion",
)


def lacking(runs: pd.DataFrame) -> str:
    """Say that there are no curves of others of these games, or ""."""
    none = "no curves of other people's runs of these games are here (drac-bench import-curves)"
    return "" if len(_theirs(runs)) else none


def beside_curves(runs: pd.DataFrame) -> Table:
    """Compare complete runs with imported curves at the same steps, game by game.

    Args:
        runs: as `Store.load` returns them; those of one store.
    """
    complete, theirs = counted(runs), _theirs(runs)
    loaded = histories.load(complete[complete["game"].isin(theirs["game"])])
    points = pd.concat([*_points(loaded)], ignore_index=True)
    data = pd.DataFrame([*_rows(points, theirs)], columns=[*_KEYS, *_THEIRS])
    cells = pd.DataFrame([_cells(row) for row in data.to_dict("records")])
    nothing = pd.DataFrame([{"game": "-", "split": "-", "method": "no complete runs"}])
    where = [
        f"{row['method']}/{row['game']}, {row['split']} at {count_text(row['step'])}"
        for row in data[data["ratio"] < 0.5].to_dict("records")
    ]
    doubts = [f"WARNING: below half of theirs: {shortened(where)}."] if where else []
    blocks = [Block(cells if len(cells) else nothing, "Mean return at the same step", keys=3)]
    title = "Learning curves beside those of others"
    notes = with_caveats(runs, complete, [*doubts, *_NOTES])
    return Table.of("curves", title, blocks, data, notes)


def _theirs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the points of all imported curves of these games and modes."""
    parts = [pd.DataFrame(columns=[*curves.COLUMNS, "set"])]
    if len(runs):
        sets = curves.every(root_of(runs["folder"].iloc[0]))
        parts += [one.rows.assign(set=one.name) for one in sets]
    rows = pd.concat(parts[1:] or parts, ignore_index=True)
    modes = {settings.get("mode") for settings in runs["settings"]}
    return rows[rows["game"].isin(set(runs["game"])) & rows["mode"].isin(modes)]


def _points(loaded: histories.Histories) -> Iterator[pd.DataFrame]:
    """Yield `run, label, game, mode, step, split, value` at the steps of evaluations."""
    modes = pd.Series([own["mode"] for own in loaded.runs["settings"]], loaded.runs.index, str)
    known = loaded.runs[["label", "game"]].assign(mode=modes)
    tested = loaded.evaluations[loaded.evaluations["split"] == "test"]
    own = tested[[RUN, "step"]].assign(split="test", value=tested["return"])
    yield own.join(known, on=RUN)
    trained = loaded.progress[[RUN, "step", "train_return"]].merge(own[[RUN, "step"]])
    trained = trained.rename(columns={"train_return": "value"}).assign(split="train")
    yield trained.join(known, on=RUN)


def _rows(points: pd.DataFrame, theirs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for game in (game for game in GAMES if game in set(points["game"])):
        for split in SPLITS[::-1]:
            here = points[(points["game"] == game) & (points["split"] == split)]
            for (label, mode), own in here.groupby(["label", "mode"], sort=False):
                table = own.pivot(index=RUN, columns="step", values="value").dropna(axis="columns")
                others = theirs[(theirs["game"] == game) & (theirs["split"] == split)]
                for step in _some(table.columns.to_numpy(int).tolist()):
                    ours = table[step].to_numpy(float)
                    first = (game, split, label, len(ours), step, ours.mean(), _std(ours))
                    for name, curve in others[others["mode"] == mode].groupby("method"):
                        second = (name, *_beside(curve, step, ours.mean()))
                        yield dict(zip((*_KEYS, *_THEIRS), (*first, *second), strict=True))


def _some(steps: list[int]) -> list[int]:
    """Return `STEPS` of them, evenly, or all; the last always."""
    places = np.linspace(-1, len(steps) - 1, STEPS + 1).round().astype(int)[1:]
    return [steps[place] for place in dict.fromkeys(places.tolist()) if place >= 0]


def _beside(curve: pd.DataFrame, step: int, ours: float) -> tuple[float, ...]:
    """Return runs, mean, std, lowest, highest of their curves at a step, and our share of it."""
    reach = (run for _, run in curve.groupby(["set", "run"]) if run["steps"].max() >= step)
    at = [float(np.interp(step, run["steps"], run["mean_return"])) for run in reach]
    if not at:
        return (0, *[math.nan] * 5)
    mean = float(np.mean(at))
    share = ours / mean if mean > 0 else math.nan
    return len(at), mean, _std(np.array(at)), min(at), max(at), share


def _std(values: np.ndarray[Any, Any]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _cells(row: dict[Any, Any]) -> dict[str, str]:
    ours, theirs = (_with_std(row[name], row[f"{name}_std"]) for name in ("ours", "theirs"))
    share = f"{row['ratio']:.2f}" if not math.isnan(row["ratio"]) else "-"
    return {
        "game": row["game"],
        "split": row["split"],
        "method": row["method"],
        "step": count_text(row["step"]),
        "runs": str(row["runs"]),
        "ours": ours,
        "theirs": f"{theirs} (n={row['other_runs']})" if row["other_runs"] else "-",
        "of": row["other"],
        "ours / theirs": share,
    }


def _with_std(mean: float, std: float) -> str:
    return f"{mean:.2f}" + ("" if math.isnan(std) else f" ± {std:.2f}")
