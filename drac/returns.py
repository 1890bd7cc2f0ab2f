"""Generalized advantage estimation and reward normalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def gae(
    rewards: Tensor, values: Tensor, dones: Tensor, last_value: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimation (Schulman et al. 2016, equation 16).

        delta_t = r_t + gamma (1 - done_t) V(s_t+1) - V(s_t)
        A_t = delta_t + gamma lam (1 - done_t) A_t+1
        R_t = A_t + V(s_t)

    Args:
        rewards: (T, N), the reward of step t.
        values: (T, N), V(s_t) of the observation that step t acted on.
        dones: (T, N), bool; whether the episode ended with step t, or what else returns end with.
        last_value: (N,), V of the observation after the last step.
        gamma: discount in [0, 1].
        lam: lambda in [0, 1]; 1 gives Monte Carlo returns, 0 one-step TD errors.

    Returns:
        `(advantages, returns)`, both (T, N).

    Raises:
        ValueError: if the shapes do not fit.
    """
    if not (rewards.shape == values.shape == dones.shape and rewards.shape[1:] == last_value.shape):
        raise ValueError(
            f"rewards {tuple(rewards.shape)}, values {tuple(values.shape)} and dones"
            f" {tuple(dones.shape)} must share one shape (T, N), and last_value"
            f" {tuple(last_value.shape)} be (N,)"
        )
    advantages = torch.empty_like(values)
    continues = 1.0 - dones.to(values.dtype)
    next_value, next_advantage = last_value, torch.zeros_like(last_value)
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * continues[t] * next_value - values[t]
        next_advantage = delta + gamma * lam * continues[t] * next_advantage
        advantages[t] = next_advantage
        next_value = values[t]
    return advantages, advantages + values


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """Return 1 - Var(R - V) / Var(R): 1 if the values are the returns; NaN if all R are equal.

    Args:
        values: (T, N), V(s_t).
        returns: (T, N), R_t.
    """
    explained: Tensor = 1 - (returns - values).var() / returns.var()
    return float(explained) if explained.isfinite() else math.nan


class RewardNormalizer:
    """Divides rewards by the running standard deviation of the discounted return.

    As the VecNormalize of OpenAI baselines, which the released code uses: the discounted return
    G <- discount * G + r of every env enters a running variance step by step; the reward is
    clip(r / sqrt(var + eps), -clip, clip); G starts at 0 after an episode's end.

    Args:
        num_envs: N.
        discount: of the return whose variance is taken; .99, not the agent's .999.
        clip: bound of the normalized reward.
    """

    EPS = 1e-8
    PRIOR_COUNT = 1e-4  # the weight of the initial mean 0 and variance 1

    def __init__(self, num_envs: int, discount: float = 0.99, clip: float = 10.0) -> None:
        self.discount = discount
        self.clip = clip
        self._return = np.zeros(num_envs)
        self._mean, self._var, self._count = 0.0, 1.0, self.PRIOR_COUNT

    def __call__(
        self, rewards: NDArray[np.floating[Any]], dones: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Normalize a rollout's rewards, in the order of its steps.

        Args:
            rewards: (T, N), raw.
            dones: (T, N); whether the episode ended with that step.

        Returns:
            (T, N) float32 in [-clip, clip].
        """
        normalized = np.empty(rewards.shape, np.float32)
        for t, (reward, done) in enumerate(zip(rewards, dones, strict=True)):
            self._return = self._return * self.discount + reward
            self._include(self._return)
            scaled = reward / np.sqrt(self._var + self.EPS)
            normalized[t] = np.clip(scaled, -self.clip, self.clip)
            self._return[done] = 0.0
        return normalized

    def _include(self, batch: NDArray[np.float64]) -> None:
        """Merge a batch into the running moments (Chan et al. 1979, parallel variance)."""
        size, total = len(batch), self._count + len(batch)
        delta = float(batch.mean()) - self._mean
        squares = self._var * self._count + float(batch.var()) * size
        squares += delta**2 * self._count * size / total
        self._mean += delta * size / total
        self._var, self._count = squares / total, total

    def state_dict(self) -> dict[str, Any]:
        """Return everything that later results depend on, as plain numbers."""
        moments = {"mean": self._mean, "var": self._var, "count": self._count}
        return {**moments, "return": self._return.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._mean, self._var, self._count = state["mean"], state["var"], state["count"]
        self._return = np.array(state["return"], np.float64)
