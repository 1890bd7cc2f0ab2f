"""The table of all runs, as they are: for programs."""

from __future__ import annotations

import pandas as pd


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per planned run for a CSV file: scores, settings, and what it lacks."""
    unique = {id(own): own for own in runs["settings"]}  # shared by most: see `Store.load`
    places = {key: place for place, key in enumerate(unique)}
    which = [places[id(own)] for own in runs["settings"]]
    settings = pd.DataFrame(list(unique.values())).take(which).set_axis(runs.index)
    problems = runs["problems"].map("; ".join)
    own = ["experiment", "method", "game", "seed", "train", "test"]
    return pd.concat([runs[own], problems, settings], axis="columns")
