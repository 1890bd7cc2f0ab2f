"""Tests of whether one method is better than another: p-values, two-sided."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from benchmark.statistics.aggregate import Scores, game_means, paired

LEVEL = 0.05
"""The paper's: Raileanu et al. 2021 call results significant at p < 0.05."""


def welch(x: ArrayLike, y: ArrayLike) -> Scores:
    """Welch's t-test on each game, for runs of unequal variance.

    Args:
        x: `(runs, games)`; NaN is a missing run.
        y: `(runs, games)` of the same games.

    Returns:
        p-values `(games,)`; NaN where either has fewer than two runs, or neither any spread: the
        test knows nothing then. They are not corrected: see `holm`.

    Raises:
        ValueError: if the games are not equally many.
    """
    pairs = zip(*(scores.T for scores in paired(x, y)), strict=True)
    return np.array([_welch(a[~np.isnan(a)], b[~np.isnan(b)]) for a, b in pairs])


def _welch(x: Scores, y: Scores) -> float:
    if min(len(x), len(y)) < 2 or (np.ptp(x) == 0 and np.ptp(y) == 0):
        return float("nan")
    own, other = (values.std(ddof=1) ** 2 / len(values) for values in (x, y))
    freedom = (own + other) ** 2 / (own**2 / (len(x) - 1) + other**2 / (len(y) - 1))
    return float(2 * stdtr(freedom, -abs(x.mean() - y.mean()) / np.sqrt(own + other)))


def holm(p_values: ArrayLike) -> Scores:
    """Correct p-values for how many there are, by Holm's step-down method (Holm 1979).

    Args:
        p_values: any shape, in [0, 1]; NaN is a test that was not made, and is not counted.

    Returns:
        Adjusted p-values of that shape, to be compared with `LEVEL` each: the chance of any false
        discovery among them is then at most that.
    """
    given = np.asarray(p_values, np.float64)
    adjusted = np.full(given.shape, np.nan)
    made = ~np.isnan(given)
    order = np.argsort(given[made], kind="stable")
    factors = np.arange(len(order), 0, -1)
    stepped = np.maximum.accumulate(np.minimum(given[made][order] * factors, 1.0))
    restored = np.empty(len(order))
    restored[order] = stepped
    adjusted[made] = restored
    return adjusted


def wilcoxon(x: ArrayLike, y: ArrayLike) -> float:
    """Wilcoxon's signed-rank test across games, on the differences of the games' means.

    Exact where it can be (no ties, no zeros). Games without a difference are left out of the
    ranks, as Wilcoxon did.

    Args:
        x: `(runs, games)`, on a scale on which games can be compared.
        y: `(runs, games)` of the same games, on that scale.

    Returns:
        The p-value; 1 if no game differs; NaN if a game is missing for either.

    Raises:
        ValueError: if the games are not equally many.
    """
    from scipy.stats import wilcoxon as exact  # a second to import

    left, right = map(game_means, paired(x, y))
    differences = left - right
    if np.isnan(differences).any():
        return float("nan")
    differences = differences[~np.isclose(left, right, rtol=1e-12, atol=0)]  # but for rounding
    return float(exact(differences).pvalue) if len(differences) else 1.0
