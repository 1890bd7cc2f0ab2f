"""Scores of different games on one scale.

All take scores `(..., runs, games)`, float64 with NaN for a missing run, and return the like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchmark.statistics.aggregate import Scores, game_means, matrix, num_runs
from drac.config.quantities import number_of
from drac.games import score_range


def by_ppo(scores: ArrayLike, ppo: ArrayLike) -> Scores:
    """PPO-normalized return: the score over PPO's mean on that game, 1 for a score like PPO's.

    Raileanu et al. 2021, Table 1, print it in percent. Both must be of one split, one mode and
    one source: published PPO scores differ by half between sources.

    Args:
        scores: `(..., runs, games)`.
        ppo: `(runs, games)` of PPO, of the same games; or its means, `(1, games)`.

    Returns:
        NaN also on games where PPO's mean is missing, zero or negative: a ratio to it would not
        tell better from worse. See `without_ppo`.
    """
    values, reference = matrix(scores), game_means(ppo)
    _same_games(values, reference)
    result: Scores = values / np.where(reference > 0, reference, np.nan)
    return result


def without_ppo(ppo: ArrayLike, games: Sequence[str]) -> tuple[str, ...]:
    """Return the games on which `by_ppo` gives NaN for want of a positive mean of PPO."""
    means = game_means(ppo)
    return tuple(game for game, value in zip(games, means, strict=True) if not value > 0)


def min_max(
    scores: ArrayLike, games: Sequence[str], mode: str = "easy", ranges: str = "default"
) -> Scores:
    """Min-max normalized score (R - R_min) / (R_max - R_min) of Cobbe et al. 2020, section 2.2.

    Args:
        scores: `(..., runs, games)`.
        games: names of the games, in the order of the columns.
        mode: "easy" or "hard".
        ranges: a key of `drac.games.RANGE_SOURCES`; the two differ on easy Jumper and Leaper.

    Raises:
        ValueError: for an unknown game, mode or set of ranges, or another number of games.
    """
    values = matrix(scores)
    low, high = np.array([score_range(game, mode, ranges) for game in games]).reshape(-1, 2).T
    _same_games(values, low)
    result: Scores = (values - low) / (high - low)
    return result


def z(scores: ArrayLike, reference: ArrayLike) -> Scores:
    """Standard scores: (score - mean) / std of the reference's runs on that game.

    Args:
        scores: `(..., runs, games)`.
        reference: `(runs, games)`: all compared methods' runs below each other, or a baseline's.

    Returns:
        NaN also on games where the reference has fewer than two runs, or all of them alike: the
        sample standard deviation (n - 1) is then unknown or zero.
    """
    values, given, means = matrix(scores), matrix(reference), game_means(reference)
    _same_games(values, means)
    counts = num_runs(given)
    squares = np.where(np.isnan(given), 0.0, (given - means) ** 2).sum(axis=-2)
    variance = np.where(counts > 1, squares / np.maximum(counts - 1, 1), np.nan)
    alike = np.nanmax(given, axis=-2, initial=-np.inf) == np.nanmin(given, -2, initial=np.inf)
    result: Scores = (values - means) / np.sqrt(np.where(alike, np.nan, variance))
    return result


def _same_games(values: Scores, reference: Scores) -> None:
    if values.shape[-1] != reference.shape[-1]:
        games = number_of(values.shape[-1], "game")
        raise ValueError(f"scores have {games}, not {reference.shape[-1]}")
