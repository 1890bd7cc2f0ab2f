"""Statistics over seeds and games. Pure numpy; NaN means missing and is never dropped silently.

The aggregates take scores `(..., runs, games)`, float64: one matrix gives a float, a stack of
matrices an array `(...)`, so that a bootstrap needs no loop. A NaN is a run that is missing. Each
game counts the same, whatever its number of runs; a game without any makes the result NaN, as no
run at all does, unless the caller leaves it out (`common_games`) and says so. With equally many
runs a game, all are those of Agarwal et al. 2021, "Deep RL at the Edge of the Statistical
Precipice", section 4, and of their library rliable.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drac.config.quantities import number_of

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation over `n` seeds; `std` is NaN for one seed."""

    mean: float
    std: float
    n: int

    def text(self, show_n: bool = False) -> str:
        """Format as "1.23 ± 0.45", or "1.23" for one seed, which has no spread; "" for none.

        Args:
            show_n: append "(n=3)".
        """
        if self.n == 0:
            return ""
        mean = f"{self.mean:.2f}" if self.n == 1 else f"{self.mean:.2f} ± {self.std:.2f}"
        return f"{mean} (n={self.n})" if show_n else mean


def summarize(scores: ArrayLike) -> Summary:
    """Summarize the scores (num_seeds,) of one method on one game.

    Raises:
        ValueError: if a score is NaN or infinite: missing runs must be left out knowingly.
    """
    values = np.asarray(scores, float)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ValueError(f"{bad} of {len(values)} scores are missing (NaN) or infinite")
    if len(values) == 0:
        return Summary(float("nan"), float("nan"), 0)
    std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    if np.ptp(values) == 0:
        std *= 0.0  # of equal values it may be 1e-17
    return Summary(float(values.mean()), std, len(values))


def matrix(scores: ArrayLike) -> Scores:
    """Return scores as float64 `(..., runs, games)`.

    Raises:
        ValueError: if they have fewer than two dimensions or no game, or if a score is infinite.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim < 2 or values.shape[-1] == 0:
        raise ValueError(f"scores must be (runs, games) with at least one game, not {values.shape}")
    if np.isinf(values).any():
        raise ValueError(
            f"scores must be finite; infinite: {np.isinf(values).sum()} of {values.size}"
        )
    return values


def paired(x: ArrayLike, y: ArrayLike) -> tuple[Scores, Scores]:
    """Return the scores of two methods as `matrix` does.

    Raises:
        ValueError: likewise, and if their games are not equally many.
    """
    xs, ys = matrix(x), matrix(y)
    if xs.shape[-1] != ys.shape[-1]:
        raise ValueError(f"x has {number_of(xs.shape[-1], 'game')} and y {ys.shape[-1]}")
    return xs, ys


def num_runs(scores: ArrayLike) -> NDArray[np.int64]:
    """Return how many runs each game has: `(..., runs, games)` -> `(..., games)`."""
    counts: NDArray[np.int64] = (~np.isnan(np.asarray(scores, np.float64))).sum(axis=-2)
    return counts


def game_means(scores: ArrayLike) -> Scores:
    """Return each game's mean over its runs, `(..., games)`; NaN for a game without runs."""
    values = matrix(scores)
    total, counts = values.sum(axis=-2), np.asarray(values.shape[-2])
    if np.isnan(total).any():
        total, counts = np.where(np.isnan(values), 0.0, values).sum(axis=-2), num_runs(values)
    with np.errstate(invalid="ignore"):
        means: Scores = total / counts  # 0 / 0: no run, NaN
    return means


def mean(scores: ArrayLike) -> Any:
    """Mean over games of the mean over runs."""
    return game_means(scores).mean(axis=-1)


def median(scores: ArrayLike) -> Any:
    """Median over games of the mean over runs."""
    means = np.sort(game_means(scores), axis=-1)  # NaN last
    half = means.shape[-1] // 2
    middle = means[..., half] if means.shape[-1] % 2 else means[..., half - 1 : half + 1].mean(-1)
    return np.where(np.isnan(means[..., -1]), np.nan, middle)[()]


def iqm(scores: ArrayLike) -> Any:
    """Interquartile mean: the mean of the middle half of all games' runs together.

    A quarter of them, rounded down, is cut off at either end. Where games have unequally many
    runs, each game's are counted as if repeated up to the least common multiple, so that no game
    counts more than another.
    """
    values = matrix(scores)
    flat = values.reshape(*values.shape[:-2], math.prod(values.shape[-2:]))
    total = flat.shape[-1]
    if not total or np.isnan(flat).any():
        return _weighted_iqm(values)
    cut = total // 4
    if total <= _SORTED:
        ordered = np.sort(flat, axis=-1)
    else:
        ordered = np.partition(flat, sorted({cut, total - cut - 1}), axis=-1)
    return ordered[..., cut : total - cut].mean(axis=-1)


def iqm_by_rank(scores: ArrayLike) -> tuple[Scores, Callable[[Scores], Any]]:
    """Return ranks in place of scores, and what is `iqm` of resamples of them.

    Ranks are whole numbers below 2**16, which are sorted five times faster than scores. A few
    scores, too many, or those of which some are missing come back as they are, with `iqm`.

    Args:
        scores: `(runs, games)`.

    Returns:
        `(runs, games)`, and a statistic `(..., runs, games)` -> `(...)`.
    """
    values = matrix(scores)
    if not _SORTED < values.size <= 2**16 or np.isnan(values).any():
        return values, iqm
    order = np.argsort(values, axis=None, kind="stable")
    places = np.empty(values.size)
    places[order] = np.arange(values.size)
    ordered, cut = values.ravel()[order], values.size // 4

    def statistic(ranks: Scores) -> Any:
        flat = ranks.astype(np.uint16).reshape(*ranks.shape[:-2], values.size)
        middle = np.sort(flat, axis=-1, kind="stable")[..., cut : values.size - cut]
        return ordered[middle].mean(axis=-1)

    return places.reshape(values.shape), statistic


_SORTED = 512
"""Scores that are sorted; of more it is faster to part the middle half from the rest."""


def _weighted_iqm(values: Scores) -> Any:
    counts = num_runs(values)
    multiple = _common_multiple(counts)[..., None]  # 0 where a game has no run
    repeats = np.where(np.isnan(values), 0.0, (multiple / np.maximum(counts, 1))[..., None, :])
    flat, repeats = (part.reshape(*values.shape[:-2], -1) for part in (values, repeats))
    order = np.argsort(flat, axis=-1)  # NaN last, where they count nothing
    flat, repeats = (np.take_along_axis(part, order, axis=-1) for part in (flat, repeats))
    ends = np.cumsum(repeats, axis=-1)
    cut = np.floor(multiple * values.shape[-1] / 4)
    kept = np.clip(ends, cut, ends[..., -1:] - cut)
    kept = np.diff(kept, axis=-1, prepend=cut)
    with np.errstate(invalid="ignore"):
        return (np.where(kept, flat, 0.0) * kept).sum(axis=-1) / kept.sum(axis=-1)


def _common_multiple(counts: NDArray[np.int64]) -> Scores:
    """Return the least common multiple of the games' counts `(..., games)` -> `(...)`.

    2**44 where it is larger, for float64 to be exact to the run: runs then count fractions of it.
    """
    rows, which = np.unique(counts.reshape(-1, counts.shape[-1]), axis=0, return_inverse=True)
    exact = [math.lcm(*row) for row in rows.tolist()]
    multiples = np.array([min(n, 2**44) for n in exact], np.float64)
    result: Scores = multiples[which.ravel()].reshape(counts.shape[:-1])
    return result


def optimality_gap(scores: ArrayLike, gamma: float = 1.0) -> Any:
    """Mean over games of how far runs stay below `gamma`: gamma - min(score, gamma)."""
    return gamma - mean(np.minimum(matrix(scores), gamma))


def improvement_per_game(x: ArrayLike, y: ArrayLike) -> Scores:
    """P(X > Y) + P(X = Y) / 2 for a run of x and a run of y, on each game.

    The Mann-Whitney statistic over its maximum; ties count half.

    Args:
        x: `(..., runs, games)`.
        y: the like of the same games; it may have another number of runs.

    Returns:
        `(..., games)` in [0, 1]; NaN for a game that one of them lacks.

    Raises:
        ValueError: if the games are not equally many.
    """
    return _improvement(*ranks(x, y))


def _improvement(x: Scores, y: Scores) -> Scores:
    """Return `improvement_per_game` of ranks, by counting how many runs have each."""
    bins = 1 + int(max(np.nanmax(part, initial=-1.0) for part in (x, y)))
    ours, theirs = _counts(x, bins), _counts(y, bins)
    # Of y's runs, those below each rank less those above it.
    ahead = 2 * np.cumsum(theirs, axis=-1) - theirs - theirs.sum(axis=-1, keepdims=True)
    won = (ours * ahead).sum(axis=-1)  # less lost
    with np.errstate(invalid="ignore"):
        probability: Scores = 0.5 + 0.5 * won / (ours.sum(axis=-1) * theirs.sum(axis=-1))
    return probability


def _counts(places: Scores, bins: int) -> NDArray[np.int64]:
    """Count the runs of each rank: `(..., runs, games)` -> `(..., games, bins)`."""
    rows = np.moveaxis(places, -2, -1)
    index = np.where(np.isnan(rows), bins, rows).astype(np.int64)  # the last is cut off
    index += (bins + 1) * np.arange(math.prod(rows.shape[:-1])).reshape(*rows.shape[:-1], 1)
    size = (bins + 1) * math.prod(rows.shape[:-1])
    counts = np.bincount(index.ravel(), minlength=size).reshape(*rows.shape[:-1], bins + 1)
    return counts[..., :-1]


def ranks(x: ArrayLike, y: ArrayLike) -> tuple[Scores, Scores]:
    """Replace scores by their ranks among all runs of both methods on that game.

    They are whole numbers from 0; equal scores share one, and NaN stays. The probability of
    improvement depends on no more, and `improvement_of_ranks` need not sort.

    Args:
        x: `(..., runs, games)`.
        y: the like of the same games; it may have another number of runs.
    """
    both = np.concatenate(paired(x, y), axis=-2)
    order = np.argsort(both, axis=-2)  # NaN last
    ordered = np.take_along_axis(both, order, axis=-2)
    higher = np.zeros(both.shape)
    higher[..., 1:, :] = ordered[..., 1:, :] != ordered[..., :-1, :]
    found = np.empty(both.shape)
    np.put_along_axis(found, order, np.cumsum(higher, axis=-2), axis=-2)
    found[np.isnan(both)] = np.nan
    first = np.shape(x)[-2]
    return found[..., :first, :], found[..., first:, :]


def improvement_of_ranks(x: Scores, y: Scores) -> Any:
    """Return `probability_of_improvement` of what `ranks` gives, or of resamples of that."""
    return _improvement(x, y).mean(axis=-1)


def probability_of_improvement(x: ArrayLike, y: ArrayLike) -> Any:
    """How likely a run of x beats a run of y on a game, averaged over games.

    See `improvement_per_game`; Agarwal et al. 2021, section 4.3.
    """
    return improvement_per_game(x, y).mean(axis=-1)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Scores:
    """Run-score distribution: the share of runs above each threshold, averaged over games.

    Args:
        scores: `(..., runs, games)`.
        thresholds: `(num_thresholds,)`.

    Returns:
        `(..., num_thresholds)` in [0, 1]; NaN if a game has no run.
    """
    values = matrix(scores)
    missing = np.isnan(values)
    columns = [
        mean(np.where(missing, np.nan, values > threshold))
        for threshold in np.asarray(thresholds, np.float64).ravel()
    ]
    return np.stack(columns, axis=-1) if columns else np.empty((*values.shape[:-2], 0))


def common_games(*scores: ArrayLike) -> NDArray[np.bool_]:
    """Return which games every one of the matrices `(runs, games)` has a run of, `(games,)`."""
    common: NDArray[np.bool_] = np.all([num_runs(values) > 0 for values in scores], axis=0)
    return common
