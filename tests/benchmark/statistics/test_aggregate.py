"""Statistics over seeds, against slow loops."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics import aggregate
from benchmark.statistics.aggregate import Summary, summarize

Statistic = Callable[[Any], Any]

scores = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


@given(scores)
def test_mean_and_sample_deviation(values: list[float]) -> None:
    mean = total = 0.0
    for value in values:
        mean += value / len(values)
    for value in values:
        total += (value - mean) ** 2
    summary = summarize(values)
    assert summary.n == len(values)
    assert summary.mean == pytest.approx(mean, abs=1e-9)
    assert summary.std == pytest.approx(math.sqrt(total / (len(values) - 1)), abs=1e-6)


def test_one_seed_has_no_spread_and_none_has_nothing() -> None:
    one, none = summarize([2.5]), summarize([])
    assert (one.mean, one.n) == (2.5, 1)
    assert math.isnan(one.std)
    assert (one.text(), one.text(show_n=True)) == ("2.50", "2.50 (n=1)")
    assert math.isnan(none.mean)
    assert (none.n, none.text(), none.text(show_n=True)) == (0, "", "")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_missing_score_is_never_dropped(bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 3 scores"):
        summarize([1.0, bad, 2.0])


def test_text() -> None:
    assert Summary(1.234, 0.456, 3).text() == "1.23 ± 0.46"
    assert Summary(1.234, 0.456, 3).text(show_n=True) == "1.23 ± 0.46 (n=3)"


# The aggregates, against loops over lists. A game's scores are a list; matrices pad it with NaN.

games_scores = st.lists(
    st.lists(st.floats(-100, 100).map(lambda x: round(x, 1)), min_size=1, max_size=5),
    min_size=1,
    max_size=6,
)


def padded(games: list[list[float]]) -> NDArray[np.float64]:
    rows = max(map(len, games))
    columns = [[*game, *[math.nan] * (rows - len(game))] for game in games]
    return np.array(columns).T


def slow_iqm(games: list[list[float]]) -> float:
    """Every game's runs repeated until all have equally many; a quarter cut at each end."""
    many = math.lcm(*map(len, games))
    pooled = sorted(score for game in games for score in game for _ in range(many // len(game)))
    cut = len(pooled) // 4
    return statistics.fmean(pooled[cut : len(pooled) - cut])


SLOW = {
    aggregate.mean: lambda games: statistics.fmean(map(statistics.fmean, games)),
    aggregate.median: lambda games: statistics.median(map(statistics.fmean, games)),
    aggregate.iqm: slow_iqm,
    aggregate.optimality_gap: lambda games: statistics.fmean(
        statistics.fmean(1 - score if score < 1 else 0 for score in game) for game in games
    ),
}


@pytest.mark.parametrize("statistic", SLOW, ids=lambda statistic: statistic.__name__)
@given(games=games_scores)
def test_aggregates_of_unequally_many_runs(statistic: Statistic, games: list[list[float]]) -> None:
    value = statistic(padded(games))
    assert isinstance(value, float)
    assert value == pytest.approx(SLOW[statistic](games), abs=1e-9)


@pytest.mark.parametrize("statistic", SLOW, ids=lambda statistic: statistic.__name__)
def test_a_stack_of_matrices_is_each_of_them(statistic: Statistic) -> None:
    stack = np.random.default_rng(0).normal(size=(3, 2, 5, 7))
    stack[1, 0, 2:, 3] = stack[2, 1, :, 6] = np.nan  # few runs, and a game without any
    values = statistic(stack)
    assert values.shape == (3, 2)
    for where in np.ndindex(3, 2):
        assert values[where] == pytest.approx(statistic(stack[where]), abs=1e-12, nan_ok=True)
    assert [where for where in np.ndindex(3, 2) if np.isnan(values[where])] == [(2, 1)]


@pytest.mark.parametrize("runs", [1, 3, 4, 10])
def test_iqm_is_the_trimmed_mean_of_all_runs(runs: int) -> None:
    scores = np.random.default_rng(runs).normal(size=(runs, 5))
    expected = stats.trim_mean(scores, proportiontocut=0.25, axis=None)
    assert aggregate.iqm(scores) == pytest.approx(expected, abs=1e-12)


def test_iqm_of_run_counts_whose_common_multiple_is_beyond_64_bits() -> None:
    counts = (20, 30, 40, 50, 23, 29, 31, 37, 41, 43, 47, 19, 17, 13, 11, 7)
    assert math.lcm(*counts) > 2**63
    rng = np.random.default_rng(1)
    games = [rng.normal(size=count).tolist() for count in counts]
    total, within = Fraction(0), Fraction(0)
    for value, share in sorted((v, Fraction(1, len(game))) for game in games for v in game):
        kept = min(total + share, Fraction(12)) - max(total, Fraction(4))  # of 16 games' shares
        within += Fraction(value) * max(kept, Fraction(0))
        total += share
    assert aggregate.iqm(padded(games)) == pytest.approx(float(within / 8), abs=1e-9)


@pytest.mark.parametrize("statistic", SLOW, ids=lambda statistic: statistic.__name__)
def test_a_game_without_runs_makes_the_aggregate_nan(statistic: Statistic) -> None:
    scores = np.array([[1.0, np.nan, 2.0], [1.5, np.nan, np.nan]])
    assert math.isnan(statistic(scores))
    common = aggregate.common_games(scores)
    assert common.tolist() == [True, False, True]
    assert math.isfinite(statistic(scores[:, common]))


@pytest.mark.parametrize("statistic", SLOW, ids=lambda statistic: statistic.__name__)
def test_no_run_at_all_is_nan_without_a_warning(statistic: Statistic) -> None:
    assert math.isnan(statistic(np.empty((0, 16))))
    assert np.isnan(statistic(np.empty((3, 0, 16)))).tolist() == [True] * 3


def test_iqm_of_many_runs_is_that_of_sorted_ones() -> None:
    scores = np.random.default_rng(3).normal(size=(3, 101, 7)).round(1)
    expected = [stats.trim_mean(own, proportiontocut=0.25, axis=None) for own in scores]
    assert aggregate.iqm(scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("bad", [[1.0, 2.0], np.empty((3, 0)), [[1.0, np.inf]]])
def test_what_is_no_matrix_of_scores(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"must be \(runs, games\)|infinite: 1 of 2"):
        aggregate.mean(bad)


@given(games_scores, st.data())
def test_probability_of_improvement(games: list[list[float]], data: st.DataObject) -> None:
    others = [
        data.draw(st.lists(st.sampled_from([*game, 0.0]), min_size=1, max_size=5)) for game in games
    ]
    chances = []
    for xs, ys in zip(games, others, strict=True):
        won = sum((x > y) + 0.5 * (x == y) for x in xs for y in ys)
        chances.append(won / len(xs) / len(ys))
    x, y = padded(games), padded(others)
    assert aggregate.improvement_per_game(x, y) == pytest.approx(chances, abs=1e-12)
    value = aggregate.probability_of_improvement(x, y)
    assert value == pytest.approx(statistics.fmean(chances), abs=1e-12)
    assert value + aggregate.probability_of_improvement(y, x) == pytest.approx(1)


def test_ranks_and_stacks_of_them_have_the_same_probability_of_improvement() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3, 6, 2)).round(1), rng.normal(size=(4, 3, 5, 2)).round(1)
    x[0, 0, 3:, 1] = y[2, 1, :, 0] = np.nan
    ranks = aggregate.ranks(x, y)
    assert [part.shape for part in ranks] == [x.shape, y.shape]
    assert [np.isnan(part).sum() for part in ranks] == [3, 5]
    found = aggregate.improvement_of_ranks(*ranks)
    for where in np.ndindex(4, 3):
        compared = [(x[where][:, None, game] > y[where][:, game]) for game in range(2)]
        equal = [(x[where][:, None, game] == y[where][:, game]) for game in range(2)]
        counts = aggregate.num_runs(x[where]) * aggregate.num_runs(y[where])
        with np.errstate(invalid="ignore"):
            chances = [
                (c.sum() + e.sum() / 2) for c, e in zip(compared, equal, strict=True)
            ] / counts
        assert found[where] == pytest.approx(chances.mean(), abs=1e-12, nan_ok=True)


def test_improvement_on_a_game_that_one_lacks_is_nan() -> None:
    x, y = np.array([[1.0, 2.0]]), np.array([[0.0, np.nan]])
    assert aggregate.improvement_per_game(x, y) == pytest.approx([1, math.nan], nan_ok=True)
    assert math.isnan(aggregate.probability_of_improvement(x, y))
    with pytest.raises(ValueError, match="x has 2 games and y 1"):
        aggregate.probability_of_improvement(x, y[:, :1])


@given(games_scores, st.lists(st.floats(-100, 100), max_size=4))
def test_performance_profile(games: list[list[float]], thresholds: list[float]) -> None:
    profile = aggregate.performance_profile(padded(games), thresholds)
    shares = [
        statistics.fmean(sum(s > threshold for s in game) / len(game) for game in games)
        for threshold in thresholds
    ]
    assert profile.shape == (len(thresholds),)
    assert profile == pytest.approx(shares, abs=1e-12)
