"""The two losses of delayed-critic policy gradient (Moon et al. 2022); nothing is random."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from drac import losses
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppg import PPGAuxiliary
from drac.objectives.ppo import PPO, terms


class DCPG(PPO):
    """What the policy phase minimizes: PPO's policy terms, while the value stays.

        L = L_policy - entropy_coef H + dcpg_value_coef E[(V(s) - V_old(s))^2] / 2

    Of the figures, `aug_value_loss` is the expectation over V; `value_loss` is that of the last
    auxiliary phase.
    """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        config, samples = self.config, inputs.samples
        logits, value = network(inputs.obs)
        ppo = terms(logits, value, samples, config)
        distance = losses.value_loss(value, samples.old_values)
        loss = ppo.policy_loss - config.entropy_coef * ppo.entropy
        loss = loss + config.dcpg_value_coef * distance
        none = torch.zeros_like(loss)
        return loss, replace(ppo, value_loss=none).figures(none, distance)


class DCPGAuxiliary(PPGAuxiliary):
    """What the auxiliary phase minimizes: PPG's loss of one network, which has one value.

        L = E[(V(s) - R)^2] / 2 + phasic_clone_coef E[KL(pi_old(.|s) || pi(.|s))]

    Of the figures, `aug_policy_loss` is the divergence.
    """

    reported: ClassVar[tuple[str, ...]] = ("value_loss", "aug_policy_loss")

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        logits, value = network(inputs.obs)
        value_loss = losses.value_loss(value, inputs.samples.returns)
        clone = losses.policy_consistency_loss(logits, inputs.draws["old_logits"])
        none = torch.zeros_like(clone)
        figures = (none, value_loss, none, clone, none, none, none)
        loss = value_loss + self.config.phasic_clone_coef * clone
        return loss, torch.stack([figure.detach() for figure in figures])
