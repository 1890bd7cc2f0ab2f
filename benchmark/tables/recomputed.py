"""Published aggregates, computed again from the per-game means that the same paper printed.

That they agree says that we read "PPO-normalized" as those papers do. Only rows whose source also
printed its games can be had: the table of Raileanu et al. 2021 is not among them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.scores.published import FOLDER
from benchmark.statistics import aggregate, normalize
from benchmark.statistics.aggregate import Scores
from benchmark.tables.table import NOT_AVAILABLE, Table, number
from drac.games import GAMES

BASELINE = "PPO"

MEANING = (
    "PPO-normalized return in percent: on each game the method's mean over PPO's of the same"
    " source, split and mode; then the mean or median over the 16 games. The means of games are"
    " printed to one decimal, which moves a recomputed mean by some tenths."
)


def recomputed() -> pd.DataFrame:
    """Return every published PPO-normalized row, and what its source's per-game means give.

    Columns: `method, split, mode, source`; `mean, median, std` as printed and `recomputed_mean,
    recomputed_median`, in percent of PPO, NaN where there is none; `games`, how many of the 16
    have a printed mean of both the method and PPO. All 16 are needed.
    """
    rows = pd.read_csv(FOLDER / "ppo_normalized.csv")
    per_game = pd.read_csv(FOLDER / "per_game.csv")
    means = per_game.groupby(["source", "mode", "split", "method", "game"])["mean"].mean()
    known = means.to_dict()

    def of(row: pd.Series, method: str) -> Scores:
        keys = [(row["source"], row["mode"], row["split"], method, game) for game in GAMES]
        return np.array([[known.get(key, np.nan) for key in keys]])

    found = []
    for _, row in rows.iterrows():
        scores = 100 * normalize.by_ppo(of(row, row["method"]), of(row, BASELINE))
        found.append(
            {
                "recomputed_mean": aggregate.mean(scores),
                "recomputed_median": aggregate.median(scores),
                "games": int(aggregate.num_runs(scores).sum()),
            }
        )
    return pd.concat([rows.drop(columns="note"), pd.DataFrame(found)], axis="columns")


def recomputed_table() -> Table:
    """Tabulate the rows that can be recomputed, and name the sources of those that cannot."""
    rows = recomputed()
    able = rows["games"] == len(GAMES)
    shown = rows[able]
    cells = pd.DataFrame(
        {
            "method": shown["method"],
            "mode": shown["mode"],
            "split": shown["split"],
            "printed mean": shown["mean"].map("{:.1f}".format),
            "recomputed mean": shown["recomputed_mean"].map("{:.1f}".format),
            "difference": (shown["recomputed_mean"] - shown["mean"]).map("{:+.2f}".format),
            "printed median": [number(value, ".1f") for value in shown["median"]],
            "recomputed median": shown["recomputed_median"].map("{:.1f}".format),
        }
    )
    notes = [
        MEANING,
        "Printed means of games do not give the printed standard deviations (docs/fidelity.md).",
        *(f"Recomputed from the per-game means of: {name}." for name in shown["source"].unique()),
        *(
            f"Not recomputed, for its per-game means are {NOT_AVAILABLE}: {name}."
            for name in rows[~able]["source"].unique()
        ),
    ]
    title = "Published PPO-normalized return, recomputed from published means of games"
    return Table("recomputed", title, cells, rows, tuple(notes))
