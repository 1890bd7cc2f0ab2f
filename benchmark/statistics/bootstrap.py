"""Confidence intervals by the stratified bootstrap. Pure numpy, with an explicit generator.

Percentile intervals of Agarwal et al. 2021, section 4.1: the runs of each game are resampled with
replacement among themselves, as many as the game has. Statistics take stacks of matrices
`(resamples, runs, games)`, as those of `benchmark.statistics.aggregate` do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics import aggregate
from benchmark.statistics.aggregate import Scores, matrix, num_runs

RESAMPLES = 50_000
"""As in Agarwal et al. 2021."""

FEW, LEAST, DRAWN = 30, 1_000, 1_000_000
"""Runs a game for which all `RESAMPLES` are drawn; beyond, so many at least, or runs in all."""

_CHUNK = 2**16
"""Scores resampled at a time: half a megabyte stays in a core's cache."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends are NaN where the runs allow none."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return not np.isnan(self.low)

    def text(self, digits: int = 2) -> str:
        """Format as "[1.20, 1.45]", or "no interval"."""
        return f"[{self.low:.{digits}f}, {self.high:.{digits}f}]" if self.known else "no interval"


NO_INTERVAL = Interval(np.nan, np.nan)


def equal_runs(scores: Scores) -> NDArray[np.bool_]:
    """Return which games have several runs, all with the same score.

    Args:
        scores: `(runs, games, ...)`; NaN is a missing run.

    Returns:
        `(games, ...)`.
    """
    absent = np.isnan(scores)
    top = np.where(absent, -np.inf, scores).max(axis=0, initial=-np.inf)
    bottom = np.where(absent, np.inf, scores).min(axis=0, initial=np.inf)
    several: NDArray[np.bool_] = (~absent).sum(axis=0) > 1
    return np.logical_and(several, top == bottom, dtype=np.bool_)


def without_spread(scores: Scores) -> NDArray[np.bool_]:
    """Return whether most games have `equal_runs`: these allow no interval, as copies do not.

    Args:
        scores: as for `equal_runs`.

    Returns:
        `(...)`: one for what follows the games' axis.
    """
    same = equal_runs(scores)
    found: NDArray[np.bool_] = 2 * same.sum(axis=0) > len(same)
    return found


def enough(runs: int) -> int:
    """Return how many resamples are enough for methods with this many runs a game.

    `RESAMPLES` up to `FEW` runs. The more runs there are the narrower the interval is, and fewer
    resamples fix its ends to the same fraction of a score; `LEAST` at least.
    """
    return RESAMPLES if runs <= FEW else max(LEAST, DRAWN // runs)


def require_generator(generator: np.random.Generator) -> None:
    """Raise a TypeError, in one sentence, for what is no source of randomness."""
    if not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"generator must be a numpy.random.Generator, such as numpy.random.default_rng(0),"
            f" not {generator!r}"
        )


def interval(
    scores: ArrayLike,
    statistic: Callable[[Scores], Any],
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    generator: np.random.Generator,
) -> Interval:
    """Return the confidence interval of a statistic of one method's scores.

    Args:
        scores: `(runs, games)`; NaN is a missing run.
        statistic: `(resamples, runs, games)` -> `(resamples,)`, e.g. `aggregate.iqm`.
        resamples: bootstrap resamples.
        level: confidence level, in (0, 1).
        generator: source of randomness.

    Returns:
        Ends that are NaN if a game has fewer than two runs: one run says nothing of its spread,
        and taken for exact it would make the interval too narrow.

    Raises:
        ValueError: for an impossible level, number of resamples or matrix.
        TypeError: if the generator is none.
    """
    if statistic is aggregate.iqm and np.ndim(scores) == 2 and np.size(scores):
        scores, statistic = aggregate.iqm_by_rank(scores)
    return _interval((scores,), statistic, resamples, level, generator)


def interval_between(
    x: ArrayLike,
    y: ArrayLike,
    statistic: Callable[[Scores, Scores], Any],
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    generator: np.random.Generator,
) -> Interval:
    """Return the confidence interval of a statistic of two methods, resampled independently.

    Args:
        x: `(runs, games)`.
        y: `(runs, games)` of the same games.
        statistic: two stacks -> `(resamples,)`, e.g. `aggregate.improvement_of_ranks`.
        resamples: as for `interval`, as are the result and the errors.
        level: likewise.
        generator: likewise.
    """
    return _interval((x, y), statistic, resamples, level, generator)


def difference(statistic: Callable[[Scores], Any]) -> Callable[[Scores, Scores], Any]:
    """Return the statistic of two methods that is the difference x - y of one's."""

    def between(x: Scores, y: Scores) -> Any:
        return statistic(x) - statistic(y)

    return between


def _interval(
    samples: tuple[ArrayLike, ...],
    statistic: Callable[..., Any],
    resamples: int,
    level: float,
    generator: np.random.Generator,
) -> Interval:
    """Return the interval between two percentiles of a statistic over resamples."""
    require_generator(generator)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    matrices = [matrix(values) for values in samples]
    if any(values.ndim != 2 for values in matrices):
        raise ValueError(f"scores must be (runs, games), not {[v.shape for v in matrices]}")
    if any(num_runs(values).min() < 2 for values in matrices):
        return NO_INTERVAL
    size = sum(values.size for values in matrices)
    if len(matrices) == 2 and max(map(len, matrices)) <= FEW:
        # Whatever is drawn at a time decides which numbers are drawn: as they always were.
        size = max(size, matrices[0].size * len(matrices[1]) // 2)
    chunk = max(1, _CHUNK // size)
    matrices = [np.sort(values, axis=0) for values in matrices]  # a game's runs before its NaNs
    values = []
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        values.append(statistic(*(_resample(x, count, generator) for x in matrices)))
    tail = 50 * (1 - level)
    low, high = np.percentile(np.concatenate(values), [tail, 100 - tail])
    return Interval(float(low), float(high))


def _resample(scores: Scores, count: int, generator: np.random.Generator) -> Scores:
    """Draw `count` matrices whose games' runs are drawn from that game's own, which come first."""
    runs, games = scores.shape
    counts = num_runs(scores)
    whole = bool(counts.min() == runs)
    which = generator.integers(runs if whole else counts, size=(count, runs, games))
    drawn: Scores = scores[which, np.arange(games)]
    absent = np.arange(runs)[:, None] >= counts
    return drawn if whole else np.where(absent, np.nan, drawn)
