"""REINFORCE's update: `drac.learner.a2c`'s, with returns that know no critic."""

from __future__ import annotations

from collections.abc import Callable

import torch

from augmentations import Augmentation
from drac.learner.a2c import OneStepLearner
from drac.returns import gae
from drac.rollout import Rollout
from drac.stats import UpdateStats


class ReinforceLearner(OneStepLearner):
    """Replaces the rollout's returns by the rewards that followed, then takes the step.

        G_t = sum_k gamma^k r_t+k,   up to the end of the episode, or of the rollout

    What comes after the rollout counts as 0: it is the exact gradient for the rewards of
    `num_steps` steps.
    """

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Take the gradient step; see `Learner.update`. The rollout's returns are overwritten."""
        nothing, gamma = torch.zeros_like(rollout.values), self.config.gamma
        _, returns = gae(rollout.rewards, nothing, rollout.dones, nothing[0], gamma, 1.0)
        rollout.returns.copy_(returns)
        return super().update(rollout, augmentation, on_step, arm=arm)
