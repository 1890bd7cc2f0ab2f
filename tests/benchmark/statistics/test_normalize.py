"""Normalizations, against hand-computed values and published ranges."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.statistics import normalize
from drac.games import GAMES

NAN = float("nan")


def test_by_ppo_divides_by_the_mean_over_runs_of_each_game() -> None:
    ppo = [[1.0, 4.0, NAN], [3.0, NAN, NAN]]
    scores = [[4.0, 2.0, 1.0], [NAN, 6.0, 1.0]]
    expected = [[2.0, 0.5, NAN], [NAN, 1.5, NAN]]
    assert normalize.by_ppo(scores, ppo) == pytest.approx(np.array(expected), nan_ok=True)


@pytest.mark.parametrize("means", [(0.0, -1.0), (0.0, 0.0), (-5.0, -1e-9)])
def test_by_ppo_needs_a_positive_mean(means: tuple[float, float]) -> None:
    ppo = np.array([[*means, 2.0]])
    assert np.isnan(normalize.by_ppo([[1.0, 1.0, 1.0]], ppo)).tolist() == [[True, True, False]]
    assert normalize.without_ppo(ppo, GAMES[:3]) == GAMES[:2]


def test_min_max_of_both_sets() -> None:
    games = ("bigfish", "jumper", "leaper")
    scores = [[1.0, 3.0, 3.0], [40.0, 10.0, 10.0], [20.5, 6.5, NAN]]
    default = normalize.min_max(scores, games)
    assert default == pytest.approx(np.array([[0, 0, 0], [1, 1, 1], [0.5, 0.5, NAN]]), nan_ok=True)
    other = normalize.min_max(scores, games, ranges="train-procgen")
    assert other[0] == pytest.approx([0, 2 / 9, 1.5 / 8.5])
    assert normalize.min_max([[0.0]], ["bigfish"], mode="hard") == pytest.approx(np.array([[0]]))
    with pytest.raises(ValueError, match="no published score range for game 'pong'"):
        normalize.min_max([[1.0]], ["pong"])
    with pytest.raises(ValueError, match="2 games, not 1"):
        normalize.min_max([[1.0, 2.0]], ["bigfish"])


def test_z_has_mean_0_and_sample_deviation_1_on_its_reference() -> None:
    reference = np.random.default_rng(0).normal(3, 2, (7, 4))
    reference[5:, 1] = NAN
    standard = normalize.z(reference, reference)
    assert np.nanmean(standard, axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
    assert np.nanstd(standard, axis=0, ddof=1) == pytest.approx(np.ones(4))
    assert normalize.z(reference[None] + 1, reference).shape == (1, 7, 4)


def test_z_where_the_reference_has_no_spread() -> None:
    reference = [[0.1, 1.0, NAN, 1.0], [0.1, NAN, NAN, 2.0], [0.1, NAN, NAN, 3.0]]
    values = normalize.z([[5.0, 5.0, 5.0, 5.0]], reference)
    assert values == pytest.approx(np.array([[NAN, NAN, NAN, 3.0]]), nan_ok=True)
