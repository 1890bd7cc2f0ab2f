"""What trained weights are worth on other levels: learning from them beside learning from scratch.

The protocol is that of the Retro contest (Nichol et al. 2018, Gotta Learn Fast): train on many
levels, then adapt to levels that were not among them.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from benchmark.analysis import histories
from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted
from benchmark.store.many_files import RUN
from benchmark.tables.table import Block, Table, number
from drac.config.quantities import count_text
from drac.games import GAMES


def lacking(runs: pd.DataFrame) -> str:
    """Say that no run begins with trained weights, or ""."""
    begun = any(settings.get("init_from") for settings in runs["settings"])
    return "" if begun else "no run begins with trained weights (drac train --init-from)"


def transfer(runs: pd.DataFrame) -> Table:
    """Return at first and at last, steps to what scratch reaches, and over-fitting.

    Args:
        runs: as `Store.load` returns them; games in which none begins with trained weights are
            not shown.
    """
    games = {
        game
        for game, settings in zip(runs["game"], runs["settings"], strict=True)
        if settings.get("init_from")
    }
    complete = counted(runs)
    loaded = histories.load(complete[complete["game"].isin(games)])
    curves = loaded.evaluations.join(loaded.runs[["label", "game", "settings"]], on=RUN)
    data = pd.DataFrame(
        [row for game in GAMES if game in games for row in _rows(game, curves)], columns=[*_COLUMNS]
    )
    cells = [_cells(row) for row in data.to_dict("records")]
    nothing = [{"game": "-", "method": "no complete runs"}]
    heading = "From the first evaluation to the last"
    block = Block(pd.DataFrame(cells or nothing), heading, keys=2)
    title = "Transfer: trained weights on other levels"
    return Table.of("transfer", title, [block], data, with_caveats(runs, complete, _NOTES))


_COLUMNS = (
    *("game", "variant", "init_from", "levels", "seeds", "first_step", "first", "last_step"),
    *("last", "scratch_last", "steps_to_scratch", "test_last", "test_best", "test_best_step"),
)

_NOTES = (
    "on its levels: mean return on the levels that the run learns on; means over seeds",
    (
        "to scratch's last: the first evaluation no worse than the last one from new weights, on"
        " the same game and levels; of several, the best"
    ),
    "test: unseen levels; a best before the last says that the run over-fits from there on",
    "what is forgotten of the levels that the weights come from: drac evaluate RUN --levels A-B",
)


def _rows(game: str, curves: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a game, one a variant."""
    rows: list[dict[str, Any]] = []
    for label, runs in curves[curves["game"] == game].groupby("label", sort=False):
        settings = runs["settings"].iloc[0]
        means = runs.groupby(["split", "step"], observed=True)["return"].mean()
        train, test = means["train"], means["test"]
        rows.append(
            {
                "game": game,
                "variant": label,
                "init_from": settings.get("init_from") or "",
                "levels": settings.get("levels"),
                "seeds": runs[RUN].nunique(),
                "first_step": train.index[0],
                "first": train.iloc[0],
                "last_step": train.index[-1],
                "last": train.iloc[-1],
                "test_last": test.iloc[-1],
                "test_best": test.max(),
                "test_best_step": test.idxmax(),
                "curve": train,
            }
        )
    for row in rows:
        scratch = [
            other["last"]
            for other in rows
            if not other["init_from"] and other["levels"] == row["levels"]
        ]
        row["scratch_last"] = max(scratch, default=math.nan)
        reached = row["curve"][row["curve"] >= row["scratch_last"]]
        row["steps_to_scratch"] = reached.index[0] if len(reached) else math.nan
    return rows


def _cells(row: dict[Any, Any]) -> dict[str, str]:
    best = f"{row['test_best']:.2f} at {count_text(int(row['test_best_step']))}"
    to_scratch = row["steps_to_scratch"]
    return {
        "game": row["game"],
        "method": row["variant"],
        "levels": str(row["levels"]),
        "seeds": str(row["seeds"]),
        "on its levels: first": f"{row['first']:.2f} at {count_text(int(row['first_step']))}",
        "last": f"{row['last']:.2f} at {count_text(int(row['last_step']))}",
        "steps to scratch's last": number(to_scratch, ",.0f", "not reached"),
        "test: best": best,
        "test: last": f"{row['test_last']:.2f}",
    }
