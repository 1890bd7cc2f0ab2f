"""The table of all runs, as they are: for programs."""

from __future__ import annotations

import pandas as pd

from benchmark.analysis.comparable import distinct_settings


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per planned run for a CSV file: scores, settings, and what it lacks."""
    unique = distinct_settings(runs)
    places = {id(own): place for place, own in enumerate(unique)}
    which = [places[id(own)] for own in runs["settings"]]
    settings = pd.DataFrame(unique).take(which).set_axis(runs.index)
    problems = runs["problems"].map("; ".join)
    own = ["experiment", "method", "game", "seed", "train", "test"]
    return pd.concat([runs[own], problems, settings], axis="columns")
