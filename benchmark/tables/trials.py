"""Return by episode within a trial: does the next try on the same level go better?"""

from __future__ import annotations

import pandas as pd

from benchmark.analysis import histories
from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted
from benchmark.store.many_files import RUN
from benchmark.tables.table import Block, Table, number


def lacking(runs: pd.DataFrame) -> str:
    """Say that no run plays trials, or ""."""
    none = "no run plays trials of several episodes (drac train --method rl2-ppo)"
    return none if _playing(runs).empty else ""


def _playing(runs: pd.DataFrame) -> pd.DataFrame:
    plays = [settings.get("episodes_per_trial", 1) > 1 for settings in runs["settings"]]
    return runs.loc[plays].reset_index(drop=True)


def by_episode(runs: pd.DataFrame, episodes: pd.DataFrame) -> pd.DataFrame:
    """Return the return of each episode of a trial, and by how much it is above the first's.

    Args:
        runs: with `label, game, settings`, by the numbers in `run` of `episodes`.
        episodes: of the last evaluations, as in eval.csv, trial after trial: `run, split, return`.

    Returns:
        `label, game, split, episode` (from 1), `trials` (of all seeds), `return` and `gain` (means
        over trials), each followed by its standard error, `error` and `gain_error` (NaN of one).
    """
    own = episodes.join(runs[["label", "game", "settings"]], on=RUN)
    size = own["settings"].map(lambda settings: settings.get("episodes_per_trial", 1)).astype(int)
    own = own.assign(size=size, split=own["split"].astype(str))[size > 1]
    place = own.groupby([RUN, "split"]).cumcount()
    own["trial"], own["episode"] = place // own["size"], place % own["size"] + 1
    firsts = own.groupby([RUN, "split", "trial"])["return"].transform("first")
    own["gain"] = own["return"] - firsts
    of_episode = own.groupby(["label", "game", "split", "episode"], sort=False)
    found = of_episode[["return", "gain"]].agg(["size", "mean", "sem"])
    found.columns = pd.Index(["trials", "return", "error", "_", "gain", "gain_error"])
    return found.drop(columns="_").reset_index()


def trials(runs: pd.DataFrame) -> Table:
    """One row an episode within the trial, on training and on unseen levels.

    Args:
        runs: as `Store.load` returns them; those that play no trials are not shown.
    """
    complete = counted(runs)
    own = _playing(complete)  # the episodes of others are not read
    data = by_episode(own, histories.load(own).levels)
    cells = [
        {
            "game": row["game"],
            "method": row["label"],
            "split": row["split"],
            "episode": str(row["episode"]),
            "trials": str(row["trials"]),
            "return": _with_error(row["return"], row["error"]),
            "more than the first": _with_error(row["gain"], row["gain_error"], "+"),
        }
        for row in data.to_dict("records")
    ]
    nothing = [{"game": "-", "method": "no complete runs"}]
    block = Block(pd.DataFrame(cells or nothing), "Return by episode within a trial", keys=4)
    title = "Trials: several episodes of one level"
    return Table.of("trials", title, [block], data, with_caveats(runs, complete, _NOTES))


_NOTES = (
    "Final evaluations: episodes of a trial are played in one level, which the agent remembers.",
    "+-: standard error over the trials of all seeds; few seeds say little of a method.",
)


def _with_error(value: float, error: float, sign: str = "") -> str:
    return f"{value:{sign}.2f} +- {number(error, '.2f', '-')}"
