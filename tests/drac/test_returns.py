"""GAE and reward normalization against the released code and slow loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from checkout import GOLDEN
from hypothesis import given
from hypothesis import strategies as st

from drac.returns import RewardNormalizer, explained_variance, gae


def test_explained_variance() -> None:
    returns = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(returns + 5, returns) == 1  # an offset is not variance
    assert explained_variance(torch.zeros(2, 2), returns) == 0
    assert explained_variance(-returns, returns) == pytest.approx(-3)
    assert math.isnan(explained_variance(returns, torch.ones(2, 2)))


def test_returns_are_those_of_the_released_code() -> None:
    with np.load(GOLDEN / "gae.npz") as arrays:
        golden = {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}
    _, returns = gae(
        golden["rewards"],
        golden["values"],
        golden["done_after"],
        golden["next_value"],
        float(golden["gamma"]),
        float(golden["gae_lambda"]),
    )
    torch.testing.assert_close(returns, golden["returns"], rtol=0, atol=1e-5)


def slow_advantage(
    t: int, rewards: list[float], values: list[float], dones: list[bool], gamma: float, lam: float
) -> float:
    """A_t as the explicit sum of discounted TD errors until the episode ends (equation 16)."""
    total = 0.0
    for k in range(t, len(rewards)):
        after = 0.0 if dones[k] else values[k + 1]
        total += (gamma * lam) ** (k - t) * (rewards[k] + gamma * after - values[k])
        if dones[k]:
            break
    return total


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 4))
def test_gae_equals_the_sum_of_td_errors(seed: int, num_steps: int, num_envs: int) -> None:
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=(num_steps, num_envs))
    values = rng.normal(size=(num_steps + 1, num_envs))
    dones = rng.random((num_steps, num_envs)) < 0.3
    gamma, lam = rng.random(2)
    advantages, returns = gae(
        *(torch.from_numpy(x) for x in (rewards, values[:-1], dones, values[-1])), gamma, lam
    )
    for n in range(num_envs):
        column = [x[:, n].tolist() for x in (rewards, values, dones)]
        for t in range(num_steps):
            expected = slow_advantage(t, *column, gamma, lam)
            assert advantages[t, n].item() == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(returns, advantages + torch.from_numpy(values[:-1]))


def test_lambda_one_is_monte_carlo() -> None:
    rewards = torch.tensor([[1.0], [2.0], [4.0]])
    dones = torch.tensor([[False], [False], [True]])
    values = torch.tensor([[7.0], [-3.0], [5.0]])
    _, returns = gae(rewards, values, dones, torch.tensor([99.0]), 0.5, 1.0)
    torch.testing.assert_close(returns, torch.tensor([[1 + 1 + 1.0], [2 + 2.0], [4.0]]))


def test_lambda_zero_is_one_step_td() -> None:
    rewards, values = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [5.0]])
    dones = torch.zeros(2, 1, dtype=torch.bool)
    _, returns = gae(rewards, values, dones, torch.tensor([7.0]), 0.5, 0.0)
    torch.testing.assert_close(returns, torch.tensor([[1 + 2.5], [2 + 3.5]]))


def test_inputs_are_left_alone_and_shapes_are_checked() -> None:
    rewards, values = torch.rand(3, 2), torch.rand(3, 2)
    dones, last = torch.ones(3, 2, dtype=torch.bool), torch.rand(2)
    copies = [x.clone() for x in (rewards, values, dones, last)]
    gae(rewards, values, dones, last, 0.9, 0.9)
    assert all(map(torch.equal, copies, (rewards, values, dones, last)))
    with pytest.raises(ValueError, match=r"must share one shape \(T, N\)"):
        gae(rewards[:2], values, dones, last, 0.9, 0.9)
    with pytest.raises(ValueError, match=r"be \(N,\)"):
        gae(rewards, values, dones, torch.rand(3), 0.9, 0.9)


class SlowNormalizer:
    """The definition, with the whole history of discounted returns kept and no running moments.

    The prior, a mean of 0 and a variance of 1 with the weight of 1e-4 samples, enters as such.
    """

    def __init__(self, num_envs: int, discount: float, clip: float) -> None:
        self.discounted = [0.0] * num_envs
        self.history: list[float] = []
        self.discount, self.clip = discount, clip

    def step(self, rewards: list[float], dones: list[bool]) -> list[float]:
        pairs = zip(self.discounted, rewards, strict=True)
        self.discounted = [old * self.discount + reward for old, reward in pairs]
        self.history += self.discounted
        prior, n = 1e-4, len(self.history)
        mean = sum(self.history) / (n + prior)
        squares = sum((x - mean) ** 2 for x in self.history) + prior * (1.0 + mean**2)
        scale = (squares / (n + prior) + 1e-8) ** 0.5
        normalized = [min(max(reward / scale, -self.clip), self.clip) for reward in rewards]
        pairs_done = zip(self.discounted, dones, strict=True)
        self.discounted = [0.0 if done else value for value, done in pairs_done]
        return normalized


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_reward_normalization_equals_the_definition(seed: int, num_envs: int) -> None:
    rng = np.random.default_rng(seed)
    fast = RewardNormalizer(num_envs, discount=0.9, clip=1.5)
    slow = SlowNormalizer(num_envs, discount=0.9, clip=1.5)
    for _ in range(3):  # rollouts
        rewards = rng.normal(size=(6, num_envs)) * rng.choice([0.1, 10])
        dones = rng.random((6, num_envs)) < 0.3
        rows = zip(rewards.tolist(), dones.tolist(), strict=True)
        expected = [slow.step(*row) for row in rows]
        np.testing.assert_allclose(fast(rewards, dones), expected, rtol=1e-6, atol=1e-7)


def test_reward_normalization_continues_from_its_state() -> None:
    rng = np.random.default_rng(0)
    rewards, dones = rng.normal(size=(2, 7, 3)), rng.random((2, 7, 3)) < 0.2
    whole, parts = RewardNormalizer(3), RewardNormalizer(3)
    whole(rewards[0], dones[0])
    parts.load_state_dict(whole.state_dict())
    assert np.array_equal(whole(rewards[1], dones[1]), parts(rewards[1], dones[1]))


def test_reward_normalization_does_not_change_its_input() -> None:
    rewards, dones = np.ones((2, 2)), np.zeros((2, 2), bool)
    RewardNormalizer(2)(rewards, dones)
    assert np.array_equal(rewards, np.ones((2, 2)))
