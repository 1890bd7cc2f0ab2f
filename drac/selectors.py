"""Who chooses the augmentation of each update, made from a run's config and the arms' names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drac.config import TrainConfig
from drac.seeding import seed_sequence
from ucb import ArmSelector, FixedArm, SlidingWindowUCB, UniformArm


def fixed_arm(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """Always the first, and only, arm."""
    return FixedArm(arms[0])


def uniform(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """Every arm with the same probability."""
    return UniformArm(arms, np.random.default_rng(seed_sequence(config.seed, "selector")))


def sliding_window_ucb(config: TrainConfig, arms: Sequence[str]) -> ArmSelector:
    """UCB-DrAC's bandit (Raileanu et al. 2021, equation 6)."""
    return SlidingWindowUCB(
        arms, config.ucb_exploration, config.ucb_window, config.ucb_initial, config.ucb_reward
    )
