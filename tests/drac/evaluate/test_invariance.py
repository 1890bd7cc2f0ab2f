"""`drac.evaluate.invariance` against closed forms and slow loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from drac.evaluate.invariance import (
    cycle_consistent,
    jensen_shannon,
    mean_and_error,
    nearest,
    three_way,
    two_way,
)


def distributions(rows: int, events: int) -> st.SearchStrategy[NDArray[np.float64]]:
    weights = arrays(np.float64, (rows, events), elements=st.floats(0, 1))
    return weights.filter(lambda w: bool((w.sum(1) > 0.01).all())).map(
        lambda w: w / w.sum(1, keepdims=True)
    )


def slow_divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Entropy of the mixture less the mean entropy, event by event."""

    def entropy(weights: list[float]) -> float:
        return -math.fsum(w * math.log(w) for w in weights if w > 0)

    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return entropy(middle) - (entropy([*p]) + entropy([*q])) / 2


@given(distributions(3, 15), distributions(3, 15))
def test_divergence_is_that_of_the_entropies(
    p: NDArray[np.float64], q: NDArray[np.float64]
) -> None:
    found = jensen_shannon(p, q)
    np.testing.assert_allclose(found, [*map(slow_divergence, p, q)], atol=1e-12)
    np.testing.assert_allclose(found, jensen_shannon(q, p), atol=1e-15)
    assert (found >= 0).all()
    assert (found <= math.log(2) + 1e-12).all()
    np.testing.assert_array_equal(jensen_shannon(p, p), np.zeros(3))


def test_divergence_in_closed_form() -> None:
    one, other, fair = [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]
    found = jensen_shannon(np.array([one, one, fair]), np.array([other, fair, fair]))
    # Of a sure event and a fair coin: ln 2 - (3/4) ln 3 / 2 ... = (3/4) ln(4/3).
    np.testing.assert_allclose(found, [math.log(2), 0.75 * math.log(4 / 3), 0], atol=1e-15)


def points(low: int, high: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Points of a coarse grid, so that some are equally near."""
    shape = st.tuples(st.integers(low, high), st.just(2))
    return shape.flatmap(lambda s: arrays(np.float64, s, elements=st.integers(-3, 3).map(float)))


def slow_nearest(point: NDArray[np.float64], others: NDArray[np.float64]) -> int:
    best, index = math.inf, -1
    for k, other in enumerate(others):
        distance = math.dist(point, other)
        if distance < best:
            best, index = distance, k
    return index


def slow_cycle(i: int, *path: NDArray[np.float64]) -> bool:
    """Walk from one trajectory to the next and back to the first."""
    k, here = i, path[0]
    for there in (*path[1:], path[0]):
        k, here = slow_nearest(here[k], there), there
    return abs(i - k) <= 1


@given(points(1, 9), points(1, 9), points(1, 9))
def test_cycles_are_those_of_a_walk(
    v: NDArray[np.float64], u: NDArray[np.float64], j: NDArray[np.float64]
) -> None:
    assert nearest(v, u).tolist() == [slow_nearest(point, u) for point in v]
    assert two_way(v, u).tolist() == [slow_cycle(i, v, u) for i in range(len(v))]
    both = [slow_cycle(i, v, u, j) and slow_cycle(i, v, j, u) for i in range(len(v))]
    assert three_way(v, u, j).tolist() == both
    assert three_way(v, u, j).tolist() == three_way(v, j, u).tolist()
    assert cycle_consistent((v, u)).tolist() == two_way(v, u).tolist()


def test_trajectories_that_are_alike_or_moved_are_consistent_and_reversed_ones_are_too() -> None:
    v = np.cumsum(np.random.default_rng(0).uniform(1, 2, (40, 5)), axis=0)
    for u in (v, v[::-1], v + 0.1):
        assert two_way(v, u).all()
    assert three_way(v, v[::-1], v + 0.1).all()
    assert not two_way(v, v[:2])[5:].any()


def test_a_representation_that_tells_nothing_apart_is_not_consistent() -> None:
    """All is equally near, so the way back ends at the first: which only its neighbour survives."""
    same = np.zeros((30, 4))
    assert two_way(same, same).tolist() == [True, True] + [False] * 28


def test_mean_and_error_by_hand() -> None:
    values = [np.array([1.0, 2.0]), np.array([4.0]), np.array([])]
    total, mean, error = mean_and_error(values)
    # m = 7/3; sums less m times lengths: 3 - 14/3 = -5/3, 4 - 7/3 = 5/3; sqrt(2/1 * 50/9) / 3.
    assert (total, mean) == (3, pytest.approx(7 / 3))
    assert error == pytest.approx(math.sqrt(2 * 50 / 9) / 3)


def test_error_of_equally_long_trajectories_is_that_of_their_means() -> None:
    values = np.random.default_rng(1).normal(size=(12, 7))
    _, mean, error = mean_and_error([*values])
    means = values.mean(axis=1)
    assert mean == pytest.approx(means.mean())
    assert error == pytest.approx(means.std(ddof=1) / math.sqrt(12))


def test_error_is_missing_for_one_trajectory_and_both_for_none() -> None:
    total, mean, error = mean_and_error([np.array([True, False])])
    assert (total, mean) == (2, 0.5)
    assert math.isnan(error)
    total, mean, error = mean_and_error([np.empty(0)])
    assert total == 0
    assert math.isnan(mean)
    assert math.isnan(error)
