"""Discounted UCB against its definition, recomputed from the whole history at every step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucb import DiscountedUCB

ARMS = ("a", "b", "c", "d")


def by_definition(history: list[tuple[str, float]], discount: float, c: float) -> dict[str, float]:
    """Sums over all credits s = 1..t, weighted with discount^(t-s): equation by equation."""
    t = len(history)
    weights, sums = dict.fromkeys(ARMS, 0.0), dict.fromkeys(ARMS, 0.0)
    for s, (arm, reward) in enumerate(history, 1):
        weights[arm] += discount ** (t - s)
        sums[arm] += discount ** (t - s) * reward
    n = sum(weights.values())
    return {
        arm: sums[arm] / weights[arm] + c * math.sqrt(math.log(n) / weights[arm])
        if weights[arm]
        else math.inf
        for arm in ARMS
    }


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=80),
    st.sampled_from([0.5, 0.9, 0.99, 1.0]),
    st.sampled_from([0.0, 0.1, 1.4]),
)
def test_scores_and_choices_are_the_definition(
    rewards: list[float], discount: float, c: float
) -> None:
    selector = DiscountedUCB(ARMS, discount, c)
    history: list[tuple[str, float]] = []
    for reward in rewards:
        expected = by_definition(history, discount, c) if history else dict.fromkeys(ARMS, math.inf)
        scores = selector.scores()
        assert scores == pytest.approx(expected, rel=1e-6, abs=1e-6)
        arm = selector.select()
        assert arm == max(ARMS, key=scores.__getitem__)
        selector.update(arm, reward)
        history.append((arm, reward))


def test_the_first_selections_go_through_the_arms_in_order() -> None:
    selector = DiscountedUCB(ARMS)
    for arm in ARMS:
        assert selector.select() == arm
        selector.update(arm, 9.0 if arm == "a" else 0.0)
    assert selector.select() == "a"


def test_without_discount_it_is_ucb1() -> None:
    selector = DiscountedUCB(ARMS, discount=1.0, exploration=math.sqrt(2))
    noise, rewards = np.random.default_rng(0), {arm: [] for arm in ARMS}  # type: dict[str, list[float]]
    for t in range(300):
        arm = selector.select()
        if t >= len(ARMS):
            ucb1 = {a: np.mean(r) + math.sqrt(2 * math.log(t) / len(r)) for a, r in rewards.items()}
            assert selector.scores() == pytest.approx(ucb1)
        rewards[arm].append(float(noise.random() < 0.2 + 0.2 * ARMS.index(arm)))
        selector.update(arm, rewards[arm][-1])


def test_it_follows_the_best_arm_where_a_bandit_that_never_forgets_does_not() -> None:
    followed = {}
    for discount in (0.99, 1.0):
        selector = DiscountedUCB(ARMS, discount)
        for t in range(800):
            arm = selector.select()
            selector.update(arm, 0.5 * (arm == ("a" if t < 600 else "d")) + 0.3)
        followed[discount] = selector.counts()["d"]
    assert followed[0.99] > 120
    assert followed[1.0] < 60


def test_equal_scores_go_to_the_first() -> None:
    selector = DiscountedUCB(ARMS, discount=1.0)
    for arm in ARMS:
        selector.update(arm, 1.0)
    assert len(set(selector.scores().values())) == 1
    assert selector.select() == "a"


def test_weights_that_fade_to_nothing_mean_never_tried() -> None:
    selector = DiscountedUCB(ARMS, discount=1e-200)
    for arm in ("a", "a", "b", "b", "b"):
        selector.update(arm, 1.0)
    assert selector.scores()["a"] == math.inf
    assert math.isfinite(selector.scores()["b"])
