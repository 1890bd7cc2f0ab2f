"""Bootstrap intervals, against all resamples there are, a slow loop, and normal theory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmark.statistics import aggregate, bands, bootstrap
from benchmark.statistics.bootstrap import Interval

SCORES = np.random.default_rng(5).normal(1.0, 0.3, (10, 16))


def fresh(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def all_resamples(games: list[list[float]]) -> np.ndarray:
    """Every resample of each game's own runs, all equally likely, NaN-padded: (many, runs, 2)."""
    rows = max(map(len, games))
    drawn = [list(itertools.product(game, repeat=len(game))) for game in games]
    return np.array(
        [
            [[*game, *[math.nan] * (rows - len(game))] for game in resample]
            for resample in itertools.product(*drawn)
        ]
    ).transpose(0, 2, 1)


STATISTICS = [aggregate.mean, aggregate.median, aggregate.iqm, aggregate.optimality_gap]


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "games", [[[0.1, 0.4, 2.0], [0.3, 0.9, 1.7]], [[0.1, 0.4, 0.95, 2.0], [0.3, 1.7]]]
)
def test_interval_of_all_resamples(
    statistic: Callable[[Any], Any], games: list[list[float]]
) -> None:
    resamples = all_resamples(games)
    everything = np.sort(statistic(resamples))
    found = bootstrap.interval(padded(games), statistic, generator=fresh())
    # Values have lumps: the ends must be percentiles within what 50,000 draws can miss.
    for end, tail in ((found.low, 0.025), (found.high, 0.975)):
        below = np.mean(everything < end - 1e-9)
        up_to = np.mean(everything <= end + 1e-9)
        assert below - 0.004 < tail < up_to + 0.004


def padded(games: list[list[float]]) -> np.ndarray:
    rows = max(map(len, games))
    return np.array([[*game, *[math.nan] * (rows - len(game))] for game in games]).T


def test_width_is_that_of_normal_theory() -> None:
    scores = fresh(1).normal(0, 1, (200, 4)) * [1, 2, 3, 4]
    found = bootstrap.interval(scores, aggregate.mean, level=0.9, generator=fresh())
    error = math.sqrt((scores.var(axis=0) / 200).sum()) / 4
    assert found.low == pytest.approx(scores.mean() - 1.645 * error, abs=0.03 * error)
    assert found.high == pytest.approx(scores.mean() + 1.645 * error, abs=0.03 * error)


def test_runs_stay_in_their_game() -> None:
    seen: list[np.ndarray] = []

    def spy(stack: np.ndarray) -> np.ndarray:
        seen.append(stack)
        return np.zeros(len(stack))

    scores = np.array([[1.0, 10.0, 100.0], [2.0, 20.0, np.nan], [3.0, 30.0, 300.0]])
    bootstrap.interval(scores, spy, resamples=3000, generator=fresh())
    drawn = np.concatenate(seen)
    assert drawn.shape == (3000, 3, 3)
    assert np.isnan(drawn).sum(axis=1).tolist() == [[0, 0, 1]] * 3000
    for game, own in enumerate(([1, 2, 3], [10, 20, 30], [100, 300])):
        values, counts = np.unique(drawn[:, :, game], return_counts=True, equal_nan=True)
        assert values[: len(own)].tolist() == own
        assert counts[: len(own)] == pytest.approx(3000, rel=0.05)
    # Independent across games: not one index for a whole row.
    corner = drawn[:, 0, :2]
    assert len(np.unique(corner, axis=0)) == 9


def test_difference_and_improvement_resample_both() -> None:
    x, y = fresh(2).normal(1, 1, (100, 3)), fresh(3).normal(0, 2, (50, 3))
    between = bootstrap.difference(aggregate.mean)
    found = bootstrap.interval_between(x, y, between, generator=fresh())
    error = math.sqrt((x.var(axis=0) / 100 + y.var(axis=0) / 50).sum()) / 3
    middle = x.mean() - y.mean()
    assert found.low == pytest.approx(middle - 1.96 * error, abs=0.04 * error)
    assert found.high == pytest.approx(middle + 1.96 * error, abs=0.04 * error)
    chance = aggregate.probability_of_improvement
    won = bootstrap.interval_between(x, y, chance, resamples=2000, generator=fresh())
    lost = bootstrap.interval_between(y, x, chance, resamples=2000, generator=fresh())
    assert won.low < chance(x, y) < won.high
    assert (1 - lost.high, 1 - lost.low) == pytest.approx((won.low, won.high), abs=0.01)


def test_same_generator_same_interval() -> None:
    intervals = [
        bootstrap.interval(SCORES, aggregate.iqm, resamples=500, generator=fresh(seed))
        for seed in (0, 0, 1)
    ]
    assert intervals[0] == intervals[1] != intervals[2]


@pytest.mark.parametrize("shape", [(3, 3), (63, 16), (600, 16), (5000, 16)])
def test_iqm_of_ranks_has_the_interval_of_scores(shape: tuple[int, int]) -> None:
    scores = fresh(1).normal(size=shape).round(2)  # with ties
    by_rank, plain = (
        bootstrap.interval(scores, statistic, resamples=50, generator=fresh())
        for statistic in (aggregate.iqm, lambda values: aggregate.iqm(values))
    )
    assert (by_rank.low, by_rank.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


def plain_improvement(x: np.ndarray, y: np.ndarray) -> Any:
    """By comparing every run with every other."""
    left, right = x[:, :, None], y[:, None]
    return ((left > right) + 0.5 * (left == right)).mean(axis=(1, 2)).mean(axis=-1)


@pytest.mark.parametrize("runs", [10, 30])
def test_few_runs_have_the_interval_that_comparing_every_pair_has(runs: int) -> None:
    x, y = fresh(1).normal(0.1, 1, (runs, 4)).round(1), fresh(2).normal(0, 1, (runs, 4)).round(1)
    plain, ranked = (
        bootstrap.interval_between(*pair, statistic, resamples=300, generator=fresh())
        for pair, statistic in (
            ((x, y), plain_improvement),
            (aggregate.ranks(x, y), aggregate.improvement_of_ranks),
        )
    )
    assert (ranked.low, ranked.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda f: f.__name__)
def test_fewer_resamples_of_many_runs_agree_with_all_within_their_noise(
    statistic: Callable[[Any], Any],
) -> None:
    x, y = fresh(1).normal(0.1, 1, (120, 4)), fresh(2).normal(0, 1, (90, 4))
    between = bootstrap.difference(statistic)
    assert bootstrap.enough(120) == 8_333
    many, enough = (
        bootstrap.interval_between(x, y, between, resamples=resamples, generator=fresh(3))
        for resamples in (50_000, bootstrap.enough(120))
    )
    # An end's standard error: sqrt(p (1 - p) / n) over the density, in widths of the interval.
    noise = 4 * math.sqrt(0.025 * 0.975) / 0.0584 / 3.92 * (8_333**-0.5 + 50_000**-0.5)
    width = many.high - many.low
    assert (enough.low, enough.high) == pytest.approx((many.low, many.high), abs=noise * width)


def test_how_many_resamples_are_enough() -> None:
    wanted = {1: 50_000, 10: 50_000, 30: 50_000, 31: 32_258, 100: 10_000, 1000: 1000, 10**5: 1000}
    assert {runs: bootstrap.enough(runs) for runs in wanted} == wanted


@pytest.mark.parametrize("generator", [0, None, np.random.RandomState(0)])
def test_what_is_no_generator_is_refused(generator: Any) -> None:
    for call in (
        lambda: bootstrap.interval(SCORES, aggregate.iqm, generator=generator),
        lambda: bootstrap.interval_between(SCORES, SCORES, plain_improvement, generator=generator),
        lambda: bands.over_games(SCORES[..., None], generator),
        lambda: bands.profile(SCORES, np.array([0.5]), generator),
    ):
        with pytest.raises(TypeError, match=r"generator must be a numpy.random.Generator, such as"):
            call()


@pytest.mark.parametrize("alone", [0, 1])
def test_one_run_has_no_interval(alone: int) -> None:
    scores = SCORES.copy()
    scores[1 if alone else 0 :, 3] = np.nan
    found = bootstrap.interval(scores, aggregate.iqm, generator=fresh())
    assert (found.known, found.text()) == (False, "no interval")
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    _, low, high = bands.profile(scores, np.array([0.5, 1.0]), fresh())
    assert np.isnan([low, high]).all()
    assert low.shape == high.shape == (2,)
    both = bootstrap.interval_between(
        SCORES, scores, aggregate.probability_of_improvement, generator=fresh()
    )
    assert not both.known


def test_band_is_the_interval_at_each_threshold() -> None:
    thresholds = np.array([0.5, 1.0, 1.2])
    _, low, high = bands.profile(SCORES, thresholds, fresh(), resamples=20_000)
    for i, threshold in enumerate(thresholds):

        def share(stack: np.ndarray, threshold: float = threshold) -> Any:
            return (stack > threshold).mean(axis=(-2, -1))

        one = bootstrap.interval(SCORES, share, generator=fresh(9))
        assert (low[i], high[i]) == pytest.approx((one.low, one.high), abs=0.00626)  # 1 run of 160
    assert (low <= high).all()


@pytest.mark.parametrize(
    ("options", "match"),
    [({"level": 1.0}, "level"), ({"level": 0.0}, "level"), ({"resamples": 0}, "resamples")],
)
def test_impossible_options(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        bootstrap.interval(SCORES, aggregate.mean, generator=fresh(), **options)
    with pytest.raises(ValueError, match=r"\(runs, games\)"):
        bootstrap.interval(SCORES[None], aggregate.mean, generator=fresh())


def test_text() -> None:
    assert Interval(1.0, 2.346).text() == "[1.00, 2.35]"
    assert Interval(1.0, 2.346).text(digits=1) == "[1.0, 2.3]"


@pytest.mark.parametrize("level", [0.95, 0.5])
def test_ends_are_the_percentiles_of_the_level(level: float) -> None:
    drawn = itertools.count()

    def numbered(stack: np.ndarray) -> np.ndarray:
        return np.array([float(next(drawn)) for _ in stack])

    found = bootstrap.interval(SCORES, numbered, resamples=2001, level=level, generator=fresh())
    assert next(drawn) == 2001
    tail = 1000 * (1 - level)
    assert (found.low, found.high) == pytest.approx((tail, 2000 - tail))
