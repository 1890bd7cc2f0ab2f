"""Means and bands over runs, against slow loops and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.figures import curves
from benchmark.statistics import bands, bootstrap


def runs_of(cells: list[tuple[str, str, int]]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["label", "game", "seed"])


def rows_of(values: dict[int, list[float]]) -> pd.DataFrame:
    """Run -> values at steps 10, 20, ..."""
    rows = [(run, 10 * (i + 1), v) for run, own in values.items() for i, v in enumerate(own)]
    return pd.DataFrame(rows, columns=["run", "step", "value"])


@given(st.lists(st.lists(st.floats(-100, 100), min_size=3, max_size=3), min_size=2, max_size=6))
def test_the_band_of_a_game_is_students(seeds: list[list[float]]) -> None:
    runs = runs_of([("ppo", "maze", i) for i in range(len(seeds))])
    table = bands.per_game(rows_of(dict(enumerate(seeds))), runs)
    assert table["step"].tolist() == [10, 20, 30]
    assert table["seeds"].tolist() == [len(seeds)] * 3
    for row, own in zip(table.to_dict("records"), zip(*seeds, strict=True), strict=True):
        assert row["mean"] == pytest.approx(np.mean(own), abs=1e-9)
        if np.std(own) > 1e-6:
            oracle = stats.ttest_1samp(own, 0).confidence_interval(0.95)
            assert (row["low"], row["high"]) == pytest.approx(tuple(oracle), rel=1e-6, abs=1e-6)


def test_one_seed_has_a_curve_and_no_band() -> None:
    table = bands.per_game(rows_of({0: [1.0, 2.0]}), runs_of([("ppo", "maze", 0)]))
    assert table["mean"].tolist() == [1.0, 2.0]
    assert table[["low", "high"]].isna().all(axis=None)


def test_a_mean_goes_as_far_as_all_its_seeds() -> None:
    """A blank is a step that a run does not have; other cells are not cut."""
    runs = runs_of([("ppo", "maze", 0), ("ppo", "maze", 1), ("ppo", "heist", 0)])
    values = rows_of({0: [float("nan"), 2.0, 3.0], 1: [5.0, 6.0], 2: [7.0, 8.0, 9.0]})
    table = bands.per_game(values, runs).set_index(["game", "step"])["mean"]
    assert table.to_dict() == {("heist", 10): 7, ("heist", 20): 8, ("heist", 30): 9,
                               ("maze", 20): 4}  # fmt: skip


def test_a_cube_has_every_run_in_its_place() -> None:
    runs = runs_of([("ppo", "maze", 0), ("ppo", "heist", 0), ("ppo", "maze", 1)])
    values = rows_of({0: [1.0, 2.0], 1: [3.0, 4.0, 5.0], 2: [6.0, 7.0]})
    steps, cube = bands.cube(values, runs, ["heist", "maze"])
    assert steps.tolist() == [10, 20]
    expected = [[[3, 4], [1, 2]], [[np.nan, np.nan], [6, 7]]]
    np.testing.assert_array_equal(cube, expected)


def test_games_count_alike_whatever_their_runs() -> None:
    values = np.array([[[1.0], [10.0]], [[3.0], [np.nan]]])
    mean, low, high = bands.over_games(values, np.random.default_rng(0))
    assert mean.tolist() == [6.0]
    assert np.isnan([low, high]).all()  # one run of the second game says nothing of its spread
    values[1, 1] = 10.0
    _, low, high = bands.over_games(values, np.random.default_rng(0))
    assert (low[0], high[0]) == (5.5, 6.5)  # the first game's mean resamples to 1, 2 or 3


def test_a_game_without_runs_has_no_mean() -> None:
    values = np.array([[[1.0, 2.0], [np.nan, np.nan]]])
    for end in bands.over_games(values, np.random.default_rng(0)):
        assert np.isnan(end).tolist() == [True, True]


def test_the_band_over_games_is_the_stratified_bootstraps() -> None:
    """Against a loop that draws runs one by one, and the normal approximation."""
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, (8, 5, 3))
    _, low, high = bands.over_games(values, np.random.default_rng(2), 4_000)
    means = np.empty((4_000, 3))
    for draw in means:
        games = [values[rng.integers(8, size=8), game].mean(axis=0) for game in range(5)]
        draw[:] = np.mean(games, axis=0)
    slow_low, slow_high = np.percentile(means, [2.5, 97.5], axis=0)
    width = slow_high - slow_low
    assert np.abs(low - slow_low).max() < 0.05 * width.min()
    assert np.abs(high - slow_high).max() < 0.05 * width.min()
    error = np.sqrt((values.var(axis=0) / 8).sum(axis=0)) / 5
    assert width == pytest.approx(2 * 1.96 * error, rel=0.06)


@pytest.mark.parametrize(
    ("games", "same"),
    [
        ([[1, 1], [2, 2], [1, 3]], True),  # two of three
        ([[1, 1], [1, 3]], False),  # half is not most
        ([[1, np.nan], [1, 3]], False),  # one run is equal to none
        ([[1, np.nan], [2, 2], [3, 3]], True),
        ([[1, 1, 1 + 1e-9]], False),
        ([[1, 1, np.nan]], True),
    ],
)
def test_scores_are_without_spread_where_most_games_runs_are_equal(
    games: list[list[float]], same: bool
) -> None:
    scores = np.array(games).T
    assert bootstrap.without_spread(scores) == same
    apart = np.where(np.isnan(scores), np.nan, np.arange(scores.size).reshape(scores.shape))
    steps = np.stack([scores, apart], axis=-1)
    assert bootstrap.without_spread(steps).tolist() == [same, False]  # each step by itself


def test_equal_seeds_have_a_curve_and_no_band() -> None:
    runs = runs_of([("ppo", "maze", seed) for seed in range(2)])
    table = bands.per_game(rows_of({0: [1.0, 2.0], 1: [1.0, 4.0]}), runs)
    assert table["mean"].tolist() == [1.0, 3.0]
    assert table["low"].isna().tolist() == table["high"].isna().tolist() == [True, False]
    assert "Where all seeds are equal there is no band." in curves.band_notes(table)
    assert "Where all" not in " ".join(curves.band_notes(table[1:]))
    cube = np.array([[[1.0, 1.0]], [[1.0, 4.0]]])
    mean, low, high = bands.over_games(cube, np.random.default_rng(0))
    assert mean.tolist() == [1.0, 2.5]
    assert np.isnan([low, high]).tolist() == [[True, False]] * 2
    for ends in bands.profile(cube[..., 0], np.array([0.0, 2.0]), np.random.default_rng(0))[1:]:
        assert np.isnan(ends).all()
