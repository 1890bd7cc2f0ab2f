"""PPO-normalized return of one method over games: the numbers of the paper's Table 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis import comparable
from benchmark.scores import published
from benchmark.scores.published import Normalized, Source
from benchmark.statistics import aggregate, bootstrap, normalize


@dataclass(frozen=True)
class Aggregate:
    """PPO-normalized return of one variant on one split, in percent.

    Attributes:
        games: over which it was taken.
        median: over games, of the mean over seeds.
        mean: likewise.
        std: mean over games of the sample standard deviation over seeds; NaN if a game has one.
        seed_std: sample standard deviation over seeds of the mean over games; NaN unless at least
            two seeds have every game.
        num_seeds: those that have every game.
        seeds: of each game `(games,)`.
        equal: whether the seeds of most games are equal, which says nothing of chance.
    """

    games: tuple[str, ...]
    median: float
    mean: float
    std: float
    seed_std: float
    num_seeds: int
    seeds: NDArray[np.int64]
    equal: bool


def ppo_normalized(
    runs: pd.DataFrame, ppo: pd.DataFrame, split: str, games: Sequence[str]
) -> Aggregate:
    """Return the PPO-normalized return of one variant, in percent.

    docs/fidelity.md: score / PPO's mean over seeds, per game and split; mean and median over the
    games. Of the two standard deviations, `std` is our reading of Raileanu et al. 2021, `seed_std`
    what Jiang et al. 2021 print.

    Args:
        runs: rows of `counted` runs, of one variant.
        ppo: likewise, of PPO.
        split: "train" or "test".
        games: at least one; both have runs on each.
    """
    own, by = (comparable.scores(rows, split, games) for rows in (runs, ppo))
    scores = 100 * normalize.by_ppo(own, by)
    stds = np.array([aggregate.summarize(own[~np.isnan(own)]).std for own in scores.T])
    whole = scores[~np.isnan(scores).any(axis=1)].mean(axis=1)  # of the seeds that have every game
    return Aggregate(
        tuple(games),
        float(aggregate.median(scores)),
        float(aggregate.mean(scores)),
        float(stds.mean()),
        float(whole.std(ddof=1)) if len(whole) > 1 else math.nan,
        len(whole),
        aggregate.num_runs(scores),
        bool(bootstrap.without_spread(scores)),
    )


def difference(ours: Aggregate, theirs: Normalized, source: Source) -> float:
    """Return (our mean - theirs) in units of the pooled standard error of a mean over games.

    Their std is taken for that of the mean over games, which errs to the safe side: were it the
    mean of the games' own, the difference would be more units, up to four times as many. The
    error of PPO's own mean, by which both are divided, is not in it.
    """
    if source.seeds is None:
        return math.nan
    n = max(1, ours.num_seeds)  # of one seed their spread is taken for ours too
    error = published.pooled_error(ours.seed_std, n, theirs.std, source.seeds)
    return (ours.mean - theirs.mean) / error
