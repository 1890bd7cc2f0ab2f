"""Tables of finished runs beside the published numbers. Nothing here imports torch.

Each module has a function of the runs, as `Store.load` returns them, that makes a `Table`; `ALL`
has them by the name that `drac-bench tables --table` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from benchmark.best_augmentation import chooses
from benchmark.table import Table
from benchmark.tables.augmentations import augmentations, fixed_or_bandit
from benchmark.tables.bandit import bandit
from benchmark.tables.levels import levels
from benchmark.tables.normalized import table1
from benchmark.tables.per_game import per_game
from benchmark.tables.robustness import robustness

ALL: Mapping[str, Callable[[pd.DataFrame], Table]] = {
    "table1": table1,
    "per-game": per_game,
    "augmentations": augmentations,
    "bandit": bandit,
    "robustness": robustness,
    "levels": levels,
}
"""Name -> what makes the table, in the order in which they are shown."""


def not_applicable(runs: pd.DataFrame) -> dict[str, str]:
    """Return the tables to which these runs have nothing to say, each with the reason."""
    reasons = {}
    if fixed_or_bandit(runs).empty:
        reasons["augmentations"] = "no runs of drac-<augmentation> or ucb-drac"
    if not any(chooses(method) for method in set(runs["method"])):
        reasons["bandit"] = "no runs of a method that chooses its augmentation"
    if not any(len(record.robustness.get("metric", ())) for record in runs["record"]):
        reasons["robustness"] = "no run has a robustness.csv (drac evaluate RUN --robustness)"
    return reasons


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per planned run for a CSV file: scores, settings, and what it lacks."""
    settings = pd.DataFrame(list(runs["settings"]), index=runs.index)
    problems = runs["problems"].map("; ".join)
    own = ["experiment", "method", "game", "seed", "train", "test"]
    return pd.concat([runs[own], problems, settings], axis="columns")
