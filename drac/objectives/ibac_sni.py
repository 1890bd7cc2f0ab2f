"""Information bottleneck actor-critic with selective noise injection (Igl et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from drac import losses
from drac.config import TrainConfig
from drac.networks.ibac_sni import BottleneckActorCritic
from drac.networks.impala import widened
from drac.objectives.objective import Inputs
from drac.objectives.ppo import Terms, terms
from drac.rollout import Minibatch


class IBACSNI:
    """PPO, its policy's terms a mixture of those with and without the latent's noise.

        J = lambda L(pi_mean) + (1 - lambda) L(pi_noisy) + value_coef L_value + beta KL
        L(pi) = L_policy(pi) - entropy_coef H(pi)
        KL = mean(sum_d 1/2 (mean_d^2 + scale_d^2 - 1) - log scale_d), that of z from N(0, I)

    pi_noisy(a|s) is the mean of pi(a|z) over `latent_samples` draws of z, and its entropy the mean
    of theirs. The rollout, the value and evaluation do without noise (section 4.1). `extra_loss`
    is KL, in nats.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw `latent_noise`, N(0, 1): (B, latent_samples, hidden_size)."""
        shape = (len(minibatch), self.config.latent_samples, self.config.hidden_size)
        return {"latent_noise": torch.randn(shape, generator=generator, device=generator.device)}

    def __call__(self, network: BottleneckActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `Objective`."""
        config, samples = self.config, inputs.samples
        mean, scale = network.latent(inputs.obs)
        logits, value = network.heads(F.relu(mean))
        ppo = terms(logits, value, samples, config)
        latents = mean[:, None] + scale[:, None] * inputs.draws["latent_noise"]
        noisy_logits = widened(network.policy_head(F.relu(latents)))
        noisy_entropy = losses.entropy(noisy_logits.flatten(0, 1))
        noisy_policy_loss = losses.clipped_policy_loss(
            _mixture_log_probs(noisy_logits, samples),
            samples.old_log_probs,
            samples.advantages,
            config.clip,
        )
        share = config.sni_lambda
        policy_loss = share * ppo.policy_loss + (1 - share) * noisy_policy_loss
        entropy = share * ppo.entropy + (1 - share) * noisy_entropy
        kl = standard_normal_kl(mean, scale)
        loss = policy_loss + config.value_coef * ppo.value_loss - config.entropy_coef * entropy
        mixed: Terms = replace(ppo, policy_loss=policy_loss, entropy=entropy)
        none = torch.zeros_like(loss)
        return loss + config.bottleneck_coef * kl, mixed.figures(none, none, kl)


def standard_normal_kl(mean: Tensor, scale: Tensor) -> Tensor:
    """Return the mean KL divergence, in nats, of N(mean, scale^2) from N(0, I).

    Args:
        mean: (B, D).
        scale: (B, D), standard deviations above 0.
    """
    return (0.5 * (mean**2 + scale**2 - 1) - scale.log()).sum(dim=1).mean()


def _mixture_log_probs(logits: Tensor, samples: Minibatch) -> Tensor:
    """Return log(mean over S of pi_s(a)): logits (b, S, A) -> (b,)."""
    number = logits.shape[1]
    actions = samples.actions[:, None, None].expand(-1, number, 1)
    log_probs = logits.log_softmax(dim=2).gather(2, actions).squeeze(2)
    return log_probs.logsumexp(dim=1) - math.log(number)
