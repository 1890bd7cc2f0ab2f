"""Data-regularized actor-critic (Raileanu et al. 2021, equations 3 to 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from drac import losses
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.networks.sampling import draw_noise, pick_actions
from drac.objectives.objective import Inputs
from drac.objectives.ppo import terms
from drac.rollout import Minibatch


class DrAC:
    """PPO on the clean images, regularized towards the same outputs on augmented ones.

        J = L_PPO + aug_coef (G_pi + G_V)

    The targets of both terms are the clean pass's own outputs, detached: there is no third pass.
    Without augmented images it is PPO.

    `draws` may hold `target_actions` (B,), the actions sampled from pi(.|s) for
    `policy_target="sampled"`; otherwise they are picked by `target_noise` (B, A).

    Attributes:
        coef: alpha_r: `aug_coef`, or of a learner that adapts it a tensor ().
    """

    weights = (1.0, 1.0)
    """Of the policy's and the value's term."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.coef: float | Tensor = config.aug_coef

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw the noise that picks the actions of `policy_target="sampled"`."""
        if self.config.policy_target == "exact":
            return {}
        return {"target_noise": draw_noise(len(minibatch), num_actions, generator)}

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `Objective`."""
        logits, value = network(inputs.obs, **inputs.samples.memory)
        ppo = terms(logits, value, inputs.samples, self.config)
        if inputs.obs_aug is None:
            none = torch.zeros_like(ppo.loss)
            return ppo.loss, ppo.figures(none, none)
        regularizer, *parts = self.consistency(network, inputs, logits, value)
        return ppo.loss + self.coef * regularizer, ppo.figures(*parts)

    def consistency(
        self, network: ActorCritic, inputs: Inputs, logits: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weighted sum of both terms, then G_pi and G_V, each ().

        Shape:
            logits: (b, A), and value: (b,), of the clean images; they are constants.
        """
        config, targets = self.config, inputs.draws.get("target_actions")
        if config.policy_target == "sampled" and targets is None:
            targets = pick_actions(logits.detach(), inputs.draws["target_noise"])
        assert inputs.obs_aug is not None
        logits_aug, value_aug = network(inputs.obs_aug, **inputs.samples.memory)
        policy_term = losses.policy_consistency_loss(logits_aug, logits, targets)
        value_term = losses.value_consistency_loss(value_aug, value, config.value_consistency_scale)
        policy_weight, value_weight = self.weights
        return policy_weight * policy_term + value_weight * value_term, policy_term, value_term


class DrA(DrAC):
    """DrAC with the policy's term alone: the actor is regularized, the critic is not."""

    weights = (1.0, 0.0)


class DrC(DrAC):
    """DrAC with the value's term alone: the critic is regularized, the actor is not."""

    weights = (0.0, 1.0)
