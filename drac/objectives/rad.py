"""Reinforcement learning with augmented data (Laskin et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO, terms


class RAD(PPO):
    """PPO's own loss on the augmented images in place of the clean ones.

    The rollout was played, and its old log-probabilities and values computed, on clean images.
    The ratio therefore is pi(a|f(s)) / pi_old(a|s), which is biased (Raileanu et al. 2021,
    section 3.1, equation 2): that is the method.
    """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `Objective`."""
        images = inputs.obs if inputs.obs_aug is None else inputs.obs_aug
        logits, value = network(images, **inputs.samples.memory)
        ppo = terms(logits, value, inputs.samples, self.config)
        none = torch.zeros_like(ppo.loss)
        return ppo.loss, ppo.figures(none, none)
