"""Means over runs at many steps at once, with confidence bands."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics.bootstrap import require_generator, without_spread

RUN = "run"
"""The column that tells runs apart."""

LEVEL = 0.95
RESAMPLES = 2_000
"""Of a bootstrapped band, whose ends need less precision than a printed interval's."""

Array = NDArray[np.float64]


def per_game(values: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Mean over the seeds of each label and game, with Student's t interval of the mean.

    A step counts where all runs of the cell have it: a mean over other seeds at every step
    would jump for no other reason.

    Args:
        values: `run, step, value`; a NaN is a step that a run does not have.
        runs: `label` and `game` by run.

    Returns:
        `label, game, step, mean, low, high, seeds`, by step; low and high are NaN for one seed, and
        where all seeds are equal.
    """
    known = values.dropna(subset=["value"])
    cells = runs.loc[known[RUN], ["label", "game"]].set_index(known.index)
    known = known.assign(label=cells["label"], game=cells["game"])
    grouped = known.groupby(["label", "game", "step"], sort=True, observed=True)["value"]
    table = grouped.agg(["mean", "std", "size", "min", "max"]).reset_index()
    seeds = known.groupby(["label", "game"], observed=True)[RUN].nunique().rename("seeds")
    table = table.merge(seeds.reset_index(), on=["label", "game"])
    table = table[table["size"] == table["seeds"]].reset_index(drop=True)
    n = table["seeds"].to_numpy(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * table["std"].to_numpy(float) / np.sqrt(n)
    half[(table["min"] == table["max"]).to_numpy()] = np.nan
    table["low"], table["high"] = table["mean"] - half, table["mean"] + half
    return table[["label", "game", "step", "mean", "low", "high", "seeds"]]


def cube(values: pd.DataFrame, runs: pd.DataFrame, games: list[str]) -> tuple[Array, Array]:
    """Return the values of one label as an array over runs, games and steps.

    Args:
        values: `run, step, value` of runs of one label, at most one a game and seed.
        runs: `game` and `seed` by run.
        games: the order of the second axis.

    Returns:
        The steps that every run has, `(steps,)`, and the values `(runs, games, steps)`: NaN where
        a game has fewer runs than another.
    """
    values = values.dropna(subset=["value"])
    values = values[values[RUN].isin(runs.index[runs["game"].isin(games)])]
    wide = values.pivot(index=RUN, columns="step", values="value").dropna(axis="columns")
    own = [runs.index[(runs["game"] == game) & runs.index.isin(wide.index)] for game in games]
    result = np.full((max(map(len, own), default=0), len(games), wide.shape[1]), np.nan)
    for number, index in enumerate(own):
        result[: len(index), number] = wide.loc[index].to_numpy(float)
    return wide.columns.to_numpy(float), result


def over_games(
    values: Array, generator: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[Array, Array, Array]:
    """Mean over games of the mean over runs, with the percentile interval of the bootstrap.

    The runs of each game are resampled among themselves (Agarwal et al. 2021, section 4.1); all
    steps of a run go together.

    Args:
        values: `(runs, games, steps)`; NaN is a run that is missing.
        generator: source of randomness.
        resamples: bootstrap resamples.

    Returns:
        mean, low and high, `(steps,)` each; low and high are NaN if a game has fewer than two
        runs and at the steps at which the runs of most games are equal; all are NaN if a game has
        none.

    Raises:
        TypeError: if the generator is none.
    """
    mean, low, high = _over_games(values, generator, resamples)
    same = without_spread(values)
    return mean, np.where(same, np.nan, low), np.where(same, np.nan, high)


def _over_games(
    values: Array, generator: np.random.Generator, resamples: int
) -> tuple[Array, Array, Array]:
    require_generator(generator)
    _, games, steps = values.shape
    total = np.zeros((resamples, steps))
    mean, least = np.zeros(steps), np.inf
    for game in range(games):
        here = values[:, game]
        here = here[~np.isnan(here).any(axis=1)]
        n, least = len(here), min(least, len(here))
        if n == 0:
            return (np.full(steps, np.nan),) * 3
        weights = generator.multinomial(n, np.full(n, 1 / n), size=resamples) / n
        total += weights @ here / games
        mean += here.mean(axis=0) / games
    if least < 2:
        return mean, np.full(steps, np.nan), np.full(steps, np.nan)
    low, high = np.percentile(total, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    return mean, low, high


def profile(
    scores: Array,
    thresholds: Array,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[Array, Array, Array]:
    """Performance profile: the share of runs above each threshold, averaged over games.

    Args:
        scores: `(runs, games)`; NaN is a run that is missing.
        thresholds: `(num_thresholds,)`.
        generator: source of randomness.
        resamples: bootstrap resamples.

    Returns:
        share, and the ends of its pointwise band; `(num_thresholds,)` each. The share is
        `aggregate.performance_profile`. The ends are NaN if a game has fewer than two runs, or the
        runs of most games have equal scores.
    """
    above = np.where(np.isnan(scores)[..., None], np.nan, scores[..., None] > thresholds)
    share, low, high = _over_games(above, generator, resamples)
    return (share, *np.where(without_spread(scores), np.nan, (low, high)))
