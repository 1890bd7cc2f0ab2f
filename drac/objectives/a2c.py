"""Advantage actor-critic (Mnih et al. 2016, without its threads), which has no ratio to clip."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from drac import losses
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO, Terms, policy_terms, taken_log_probs
from drac.rollout import Minibatch


class A2C(PPO):
    """The policy gradient with advantages by GAE, beside the value's squared error.

        L = -E[log pi(a|s) A] + value_coef L_V - entropy_coef H,   L_V = E[(V(s) - R)^2] / 2

    Where pi is the policy that acted, its gradient is that of PPO.
    """

    def weight(self, samples: Minibatch) -> Tensor:
        """Return what log pi(a|s) is weighted with, (b,)."""
        return samples.advantages

    def value_loss(self, value: Tensor, samples: Minibatch) -> Tensor:
        """Return the loss of values (b,): ()."""
        return losses.value_loss(value, samples.returns)

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        config, samples = self.config, inputs.samples
        logits, value = network(inputs.obs)
        log_probs = taken_log_probs(logits, samples.actions)
        policy = replace(
            policy_terms(logits, samples, config),
            policy_loss=losses.policy_gradient_loss(log_probs, self.weight(samples)),
        )
        value_loss = self.value_loss(value, samples)
        loss = policy.policy_loss - config.entropy_coef * policy.entropy
        loss = loss + config.value_coef * value_loss
        made = Terms(**vars(policy), loss=loss, value_loss=value_loss, logits=logits, value=value)
        none = torch.zeros_like(loss)
        return loss, made.figures(none, none)
