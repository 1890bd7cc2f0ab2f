"""Proximal policy optimization (Schulman et al. 2017, equation 9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from drac import losses
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.rollout import Minibatch


@dataclass(frozen=True)
class PolicyTerms:
    """The policy's part of PPO's loss on some samples; each of shape ()."""

    policy_loss: Tensor
    entropy: Tensor
    approx_kl: Tensor
    clip_fraction: Tensor


@dataclass(frozen=True)
class Terms(PolicyTerms):
    """PPO's loss on some samples, and what it was made from.

    Shape:
        loss, policy_loss, value_loss, entropy, approx_kl, clip_fraction: ().
        logits: (b, A), with their gradient.
        value: (b,), with its gradient.
    """

    loss: Tensor
    value_loss: Tensor
    logits: Tensor
    value: Tensor

    def figures(self, aug_policy_loss: Tensor, aug_value_loss: Tensor, *extra: Tensor) -> Tensor:
        """Return what an objective returns beside its loss: (7,), or (8,) with an extra loss."""
        own = (self.policy_loss, self.value_loss, self.entropy)
        rest = (aug_policy_loss, aug_value_loss, self.approx_kl, self.clip_fraction, *extra)
        return torch.stack([figure.detach() for figure in (*own, *rest)])


def taken_log_probs(logits: Tensor, actions: Tensor) -> Tensor:
    """Return log pi(a|s), (b,), of logits (b, A) and actions (b,) int64."""
    return F.log_softmax(logits, dim=1).gather(1, actions[:, None]).squeeze(1)


def policy_terms(logits: Tensor, samples: Minibatch, config: TrainConfig) -> PolicyTerms:
    """Compute what PPO's loss has of the policy."""
    log_probs = taken_log_probs(logits, samples.actions)
    log_ratio = (log_probs - samples.old_log_probs).detach()
    ratio = log_ratio.exp()
    return PolicyTerms(
        policy_loss=losses.clipped_policy_loss(
            log_probs, samples.old_log_probs, samples.advantages, config.clip
        ),
        entropy=losses.entropy(logits),
        approx_kl=(ratio - 1 - log_ratio).mean(),  # Schulman 2020, estimator k3
        clip_fraction=((ratio - 1).abs() > config.clip).float().mean(),
    )


def terms(logits: Tensor, value: Tensor, samples: Minibatch, config: TrainConfig) -> Terms:
    """Compute PPO's loss from the network's outputs.

    L = L_policy + value_coef L_value - entropy_coef H
    """
    policy = policy_terms(logits, samples, config)
    value_loss = losses.clipped_value_loss(value, samples.old_values, samples.returns, config.clip)
    return Terms(
        **vars(policy),
        loss=policy.policy_loss
        + config.value_coef * value_loss
        - config.entropy_coef * policy.entropy,
        value_loss=value_loss,
        logits=logits,
        value=value,
    )


class PPO:
    """PPO without augmentation: what an augmentation would make of the images is not looked at."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Nothing in it is random."""
        return {}

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `Objective`."""
        logits, value = network(inputs.obs, **inputs.samples.memory)
        ppo = terms(logits, value, inputs.samples, self.config)
        none = torch.zeros_like(ppo.loss)
        return ppo.loss, ppo.figures(none, none)
