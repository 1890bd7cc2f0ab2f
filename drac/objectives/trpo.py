"""Trust region policy optimization (Schulman et al. 2015); `drac.learner.trpo` takes the step."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from drac import losses
from drac.networks import ActorCritic
from drac.networks.two_networks import TwoNetworks
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO, taken_log_probs


class TRPO(PPO):
    """What a step of the policy is to lower, and, as `approx_kl`, what bounds the step.

        L = -E[r A] - entropy_coef H,   r = pi(a|s) / pi_old(a|s)
        approx_kl = E[KL(pi_old(.|s) || pi(.|s))], exactly

    `draws` holds `old_logits` (b, A), of pi_old.
    """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        logits, old_logits = network.logits(inputs.obs), inputs.draws["old_logits"]
        actions = inputs.samples.actions
        ratio = (taken_log_probs(logits, actions) - taken_log_probs(old_logits, actions)).exp()
        policy_loss = -(ratio * inputs.samples.advantages).mean()
        entropy = losses.entropy(logits)
        kl = losses.policy_consistency_loss(logits, old_logits)
        none = torch.zeros_like(kl)
        figures = torch.stack([policy_loss, none, entropy, none, none, kl, none]).detach()
        return policy_loss - self.config.entropy_coef * entropy, figures


class SquaredError(PPO):
    """What trains the value network: L_V = E[(V(s) - R)^2] / 2."""

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        value = cast(TwoNetworks, network).value(inputs.obs)
        loss = losses.value_loss(value, inputs.samples.returns)
        return loss, torch.stack(
            [loss.detach() if i == 1 else loss.new_zeros(()) for i in range(7)]
        )
