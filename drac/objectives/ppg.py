"""The two losses of phasic policy gradient (Cobbe et al. 2021); nothing in them is random."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, cast

import torch
from torch import Tensor

from drac import losses
from drac.networks import ActorCritic
from drac.networks.impala import widened
from drac.networks.ppg import PhasicActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO, terms


class PPG(PPO):
    """What the policy phase minimizes: PPO's policy terms, and the value without a clip.

    L = L_policy - entropy_coef H + E[(V(s) - R)^2] / 2
    """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        logits, value = network(inputs.obs)
        ppo = terms(logits, value, inputs.samples, self.config)
        value_loss = losses.value_loss(value, inputs.samples.returns)
        loss = ppo.policy_loss - self.config.entropy_coef * ppo.entropy + value_loss
        none = torch.zeros_like(loss)
        return loss, replace(ppo, value_loss=value_loss).figures(none, none)


class PPGAuxiliary(PPO):
    """What the auxiliary phase minimizes: both values' errors, while the policy stays.

        L = E[(V_aux(s) - R)^2] / 2 + E[(V(s) - R)^2] / 2
            + phasic_clone_coef E[KL(pi_old(.|s) || pi(.|s))]

    `draws` holds `old_logits` (b, A), of the policy as the phase began. Of the figures,
    `aug_policy_loss` is the divergence and `aug_value_loss` the auxiliary head's loss.
    """

    reported: ClassVar[tuple[str, ...]] = ("aug_policy_loss", "aug_value_loss")
    """The figures of an update that come from here."""

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        phasic, returns = cast(PhasicActorCritic, network), inputs.samples.returns
        features = phasic.features(inputs.obs)
        auxiliary = widened(phasic.aux_value_head(features).squeeze(1))
        clone = losses.policy_consistency_loss(
            widened(phasic.policy_head(features)), inputs.draws["old_logits"]
        )
        auxiliary_loss = losses.value_loss(auxiliary, returns)
        value_loss = losses.value_loss(phasic.value(inputs.obs), returns)
        loss = auxiliary_loss + value_loss + self.config.phasic_clone_coef * clone
        none = torch.zeros_like(loss)
        figures = (none, value_loss, none, clone, auxiliary_loss, none, none)
        return loss, torch.stack([figure.detach() for figure in figures])
