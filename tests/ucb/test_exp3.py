"""EXP3 against figure 1 of Auer et al. 2002, with plain weights and the whole history."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucb import EXP3

ARMS = ("a", "b", "c")
K = len(ARMS)


def probabilities(history: list[tuple[str, float]], g: float, window: int) -> list[float]:
    """Replay all credits: weights as they stand in the paper, rewards scaled by the last ones."""
    weights = [1.0] * K
    for s, (arm, reward) in enumerate(history):
        p = [(1 - g) * w / sum(weights) + g / K for w in weights]
        seen = [r for _, r in history[max(0, s + 1 - window) : s + 1]]
        x = 0.5 if max(seen) == min(seen) else (reward - min(seen)) / (max(seen) - min(seen))
        index = ARMS.index(arm)
        weights[index] *= math.exp(g * (x / p[index]) / K)
    return [(1 - g) * w / sum(weights) + g / K for w in weights]


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=60),
    st.sampled_from([0.05, 0.3, 1.0]),
    st.sampled_from([2, 7, 100]),
    st.integers(0, 2**32 - 1),
)
def test_probabilities_and_choices_are_the_definition(
    rewards: list[float], g: float, window: int, seed: int
) -> None:
    selector = EXP3(ARMS, np.random.default_rng(seed), g, window)
    twin = np.random.default_rng(seed)
    history: list[tuple[str, float]] = []
    for reward in rewards:
        expected = probabilities(history, g, window)
        assert list(selector.scores().values()) == pytest.approx(expected, rel=1e-9)
        assert sum(selector.scores().values()) == pytest.approx(1)
        below = np.cumsum(list(selector.scores().values())) <= twin.random()
        arm = selector.select()
        assert arm == ARMS[min(int(below.sum()), K - 1)]
        selector.update(arm, reward)
        history.append((arm, reward))


def test_a_late_credit_is_weighted_with_the_probability_of_its_selection() -> None:
    selector = EXP3(ARMS, np.random.default_rng(0), 0.3)
    first = selector.select()
    for arm in ARMS:
        if arm != first:
            selector.update(arm, 0.0)
            selector.update(arm, 1.0)
    assert selector.scores()[first] != pytest.approx(1 / K)
    before = dict(selector._log_weights)
    selector.update(first, 1.0)
    assert selector._log_weights[first] - before[first] == pytest.approx(0.3 * 1 / (1 / K) / K)


def test_shifting_and_stretching_rewards_changes_nothing() -> None:
    """The running range: only where a reward lies between the lowest and the highest counts."""
    noise = np.random.default_rng(3).integers(0, 5, size=200).astype(float)
    one, other = (EXP3(ARMS, np.random.default_rng(1)) for _ in range(2))
    for reward in noise:
        arm = one.select()
        assert other.select() == arm
        one.update(arm, reward)
        other.update(arm, 64.0 + 8.0 * reward)
    assert one.scores() == other.scores()


def test_every_arm_keeps_its_share_of_exploration() -> None:
    selector = EXP3(ARMS, np.random.default_rng(0), exploration=0.3)
    for _ in range(2000):
        arm = selector.select()
        selector.update(arm, float(arm == "b"))
    assert min(selector.scores().values()) == pytest.approx(0.1, abs=1e-6)
    assert selector.scores()["b"] == pytest.approx(0.8, abs=1e-6)


def test_draws_follow_the_probabilities() -> None:
    selector = EXP3(ARMS, np.random.default_rng(0), exploration=0.5)
    for arm, reward in (("a", 0.0), ("b", 1.0), ("b", 1.0)):
        selector.update(arm, reward)
    expected = list(selector.scores().values())
    assert len(set(expected)) > 1
    draws = [selector.select() for _ in range(9000)]
    shares = [draws.count(arm) / 9000 for arm in ARMS]
    assert shares == pytest.approx(expected, abs=0.015)
