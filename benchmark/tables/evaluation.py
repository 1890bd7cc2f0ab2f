"""What `drac-bench evaluate` found: the returns of complete runs on the levels it was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted, unequal_seeds
from benchmark.statistics.aggregate import summarize
from benchmark.tables.table import Block, Table
from drac.games import GAMES


def evaluation(runs: pd.DataFrame, name: str, where: str) -> Table:
    """Mean return of each method on each game; its data has a row a run.

    Args:
        runs: as `Store.load` returns them, the episodes of their records those of the evaluation;
            a run that was not evaluated has a problem.
        name: of the table's files.
        where: what was played, for the title.
    """
    complete = counted(runs)
    data = pd.DataFrame(map(_row, complete.to_dict("records")))
    show_n = unequal_seeds(complete)
    texts = {
        key: summarize(own["mean"]).text(show_n) for key, own in data.groupby(["game", "variant"])
    }
    labels = list(dict.fromkeys(data["variant"]))
    cells = [
        {"game": game, **{label: texts.get((game, label), "missing") for label in labels}}
        for game in GAMES
        if game in set(data["game"])
    ]
    note = f"A run's score is the mean of its {data['episodes'].max():,} episodes."
    return Table.of(
        name,
        f"Return of an evaluation: {where}",
        [Block(pd.DataFrame(cells))],
        data,
        with_caveats(runs, complete, [note]),
    )


def _row(run: dict[Any, Any]) -> dict[str, Any]:
    """Return what one run reached."""
    played = run["record"].episodes
    returns = played["return"]
    return {
        **{name: run[name] for name in ("game", "method")},
        "variant": run["label"],
        "seed": run["seed"],
        "step": played["step"][0],
        "levels": len(np.unique(played["level_seed"])),
        "episodes": len(returns),
        "mean": returns.mean(),
        "standard_error": returns.std(ddof=1) / len(returns) ** 0.5 if len(returns) > 1 else np.nan,
        "median": np.median(returns),
    }
