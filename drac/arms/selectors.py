"""Who chooses the augmentation of each update, made from a run's config and the arms' names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drac.config import TrainConfig
from drac.seeding import seed_sequence, stream_seed
from ucb import (
    EXP3,
    ArmSelector,
    DiscountedUCB,
    FixedArm,
    SlidingWindowUCB,
    ThompsonSampling,
    UniformArm,
)


def fixed_arm(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """Always the first, and only, arm."""
    return FixedArm(arms[0])


def uniform(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """Every arm with the same probability."""
    return UniformArm(arms, _generator(config))


def sliding_window_ucb(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """UCB-DrAC's bandit (Raileanu et al. 2021, equation 6)."""
    return SlidingWindowUCB(
        arms, config.ucb_exploration, config.ucb_window, config.ucb_initial, config.ucb_reward
    )


def thompson(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """Thompson sampling for Gaussian rewards (Thompson 1933; Honda and Takemura 2014)."""
    return ThompsonSampling(
        arms,
        _generator(config),
        config.thompson_prior_mean,
        config.thompson_prior_weight,
        config.thompson_prior_shape,
        config.thompson_prior_scale,
    )


def discounted_ucb(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """UCB that forgets (Garivier and Moulines 2008)."""
    return DiscountedUCB(arms, config.discounted_ucb_discount, config.discounted_ucb_exploration)


def exp3(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """Exponential weights (Auer et al. 2002)."""
    return EXP3(arms, _generator(config), config.exp3_exploration, config.exp3_range_window)


def rl2(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """RL2-DrAC's recurrent policy (Duan et al. 2016; Raileanu et al. 2021)."""
    import torch

    from drac.arms.rl2 import RL2Selector

    return RL2Selector(
        arms,
        torch.Generator().manual_seed(stream_seed(config.seed, "selector")),
        config.rl2_hidden_size,
        config.rl2_learning_rate,
        config.rl2_entropy_coef,
        config.rl2_reward_input,
    )


def _generator(config: TrainConfig) -> np.random.Generator:
    return np.random.default_rng(seed_sequence(config.seed, "selector"))
