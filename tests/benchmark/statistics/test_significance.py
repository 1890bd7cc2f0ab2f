"""Tests of significance, against closed forms and all permutations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from benchmark.statistics import significance

NAN = float("nan")


def slow_welch(x: list[float], y: list[float]) -> float:
    """Welch 1947: t, the Welch-Satterthwaite degrees of freedom, the incomplete beta function."""
    means = [sum(v) / len(v) for v in (x, y)]
    errors = [
        sum((a - m) ** 2 for a in v) / (len(v) - 1) / len(v)
        for v, m in zip((x, y), means, strict=True)
    ]
    t = (means[0] - means[1]) / math.sqrt(sum(errors))
    freedom = sum(errors) ** 2 / sum(
        e**2 / (len(v) - 1) for e, v in zip(errors, (x, y), strict=True)
    )
    return float(special.betainc(freedom / 2, 0.5, freedom / (freedom + t * t)))


def test_welch() -> None:
    x = np.array([[1.0, 5.0, 3.0], [2.0, 7.0, 3.5], [4.0, NAN, 1.0], [4.5, 9.5, NAN]])
    y = np.array([[3.0, 1.0, 8.0], [9.0, 2.0, 9.0]])
    expected = [slow_welch([*x[~np.isnan(x[:, game]), game]], [*y[:, game]]) for game in range(3)]
    found = significance.welch(x, y)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(significance.welch(y, x))


def test_welch_with_one_side_without_spread() -> None:
    found = significance.welch([[2.0], [2.0], [2.0]], [[2.5], [2.0], [3.0]])
    assert found == pytest.approx([slow_welch([2.0, 2.0, 2.0], [2.5, 2.0, 3.0])])


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1.0, NAN, NAN], [1.0, 2.0, 3.0]),
        ([NAN, NAN, NAN], [1.0, 2.0, 3.0]),
        ([1.0, 1.0, 1.0], [2.0, 2.0, 2.0]),
        ([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]),
    ],
)
def test_welch_knows_nothing_without_spread(x: list[float], y: list[float]) -> None:
    assert np.isnan(significance.welch(np.array([x]).T, np.array([y]).T)).all()


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    # The step-down shortcut equals this: over all sets with i, the largest size times smallest p.
    expected = []
    for i in range(len(p_values)):
        others = [j for j in range(len(p_values)) if j != i]
        sets = (
            [i, *more] for n in range(len(others) + 1) for more in itertools.combinations(others, n)
        )
        expected.append(max(min(1, len(s) * min(p_values[j] for j in s)) for s in sets))
    assert significance.holm(p_values) == pytest.approx(expected, abs=1e-12)


def test_holm_does_not_count_tests_that_were_not_made() -> None:
    found = significance.holm([[0.01, NAN], [0.04, 0.03]])
    assert found == pytest.approx(np.array([[0.03, NAN], [0.06, 0.06]]), nan_ok=True)


def slow_signed_rank(differences: list[float]) -> float:
    """The exact two-sided p-value: all sign patterns of the ranks."""
    ranks = {d: 1 + rank for rank, d in enumerate(sorted(differences, key=abs))}
    total = sum(ranks.values())
    least = min(seen := sum(r for d, r in ranks.items() if d > 0), total - seen)
    sums = [
        sum(r for r, taken in zip(ranks.values(), pattern, strict=True) if taken)
        for pattern in itertools.product((0, 1), repeat=len(ranks))
    ]
    return min(1.0, 2 * sum(s <= least for s in sums) / len(sums))


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_wilcoxon_is_exact_over_games(shift: float) -> None:
    generator = np.random.default_rng(7)
    x, y = generator.normal(shift, 1, (3, 10)), generator.normal(0, 1, (5, 10))
    x[2, 4] = NAN
    differences = np.nanmean(x, axis=0) - np.nanmean(y, axis=0)
    assert significance.wilcoxon(x, y) == pytest.approx(slow_signed_rank([*differences]))


def test_wilcoxon_of_equal_and_missing_games() -> None:
    x = np.array([[1.0, 2.0, 3.0, 4.0, 6.0]])
    assert significance.wilcoxon(x, x) == 1.0
    backwards = np.array([[0.1], [0.2], [0.3]])
    assert significance.wilcoxon(backwards, backwards[::-1]) == 1.0  # equal but for rounding
    y = x.copy()
    y[0, 0] = 0.5
    assert significance.wilcoxon(x, y) == 1.0  # one game that differs: as likely as not
    y[0, 2] = NAN
    assert math.isnan(significance.wilcoxon(x, y))


def test_games_must_be_the_same() -> None:
    for test in (significance.welch, significance.wilcoxon):
        with pytest.raises(ValueError, match="x has 2 games and y 1"):
            test(np.ones((3, 2)), np.ones((3, 1)))
