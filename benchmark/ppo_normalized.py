"""PPO-normalized return of one method over games: the numbers of the paper's Table 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark import aggregate, normalize, published
from benchmark.published import Normalized, Source


@dataclass(frozen=True)
class Aggregate:
    """PPO-normalized return of one variant on one split, in percent.

    Attributes:
        games: over which it was taken.
        median: over games, of the mean over seeds.
        mean: likewise.
        std: mean over games of the sample standard deviation over seeds; NaN if a game has one.
        game_stds: of each game `(games,)`.
        seeds: of each game `(games,)`.
    """

    games: tuple[str, ...]
    median: float
    mean: float
    std: float
    game_stds: NDArray[np.float64]
    seeds: NDArray[np.int64]


def matrix(runs: pd.DataFrame, split: str, games: Sequence[str]) -> NDArray[np.float64]:
    """Return the scores of one variant's runs as `(runs, games)`; NaN fills short columns.

    Args:
        runs: rows of `counted` runs, of one variant.
        split: "train" or "test".
        games: the columns.
    """
    found = {game: own.to_numpy(float) for game, own in runs.groupby("game")[split]}
    columns = [found.get(game, np.empty(0)) for game in games]
    scores = np.full((max(map(len, columns), default=0), len(games)), np.nan)
    for index, column in enumerate(columns):
        scores[: len(column), index] = column
    return scores


def ppo_normalized(
    runs: pd.DataFrame, ppo: pd.DataFrame, split: str, games: Sequence[str]
) -> Aggregate:
    """Return the PPO-normalized return of one variant, in percent.

    docs/fidelity.md: score / PPO's mean over seeds, per game and split; mean and median over the
    games; std = mean over games of the std over seeds.

    Args:
        runs: rows of `counted` runs, of one variant.
        ppo: likewise, of PPO.
        split: "train" or "test".
        games: at least one; both have runs on each.
    """
    scores = 100 * normalize.by_ppo(matrix(runs, split, games), matrix(ppo, split, games))
    stds = np.array([aggregate.summarize(own[~np.isnan(own)]).std for own in scores.T])
    return Aggregate(
        tuple(games),
        float(aggregate.median(scores)),
        float(aggregate.mean(scores)),
        float(stds.mean()),
        stds,
        aggregate.num_runs(scores),
    )


def difference(ours: Aggregate, theirs: Normalized, source: Source) -> float:
    """Return (our mean - theirs) in units of the pooled standard error of a mean over games.

    Their std is read as ours: the mean over games of the std over seeds, here taken to be that of
    every game. The error of PPO's own mean, by which both are divided, is not in it.
    """
    if source.seeds is None:
        return math.nan
    errors = [
        published.pooled_error(float(std), int(n), theirs.std, source.seeds)
        for std, n in zip(ours.game_stds, ours.seeds, strict=True)
    ]
    return (ours.mean - theirs.mean) / (math.hypot(*errors) / len(errors))
