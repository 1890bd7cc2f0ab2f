"""The table of all runs, as they are: for programs."""

from __future__ import annotations

import pandas as pd


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per planned run for a CSV file: scores, settings, and what it lacks."""
    settings = pd.DataFrame(list(runs["settings"]), index=runs.index)
    problems = runs["problems"].map("; ".join)
    own = ["experiment", "method", "game", "seed", "train", "test"]
    return pd.concat([runs[own], problems, settings], axis="columns")
