"""Mixture regularization (Wang et al. 2020, section 3.2)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from augmentations import as_float
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppo import terms
from drac.rollout import SAMPLES, Minibatch

PARTNER = "partner_"
"""Begins the names under which a minibatch's draws hold the partners' samples."""


class Mixreg:
    """PPO on mixtures of two samples i and j, and of what is learned about them.

        s = lambda s_i + (1 - lambda) s_j,  lambda ~ Beta(mix_alpha, mix_alpha) for each sample

    and so are the return, the advantage, the old value and the old log-probability. The action is
    that of the sample with the larger share. With every lambda 1 this is PPO.

    Advantages are normalized over the rollout before they are mixed; with `mix_advantages="raw"`
    anew over the minibatch afterwards, as by the authors' code (docs/fidelity.md).

    `draws` holds `share` (B,), lambda, and each partner's row under `partner_<field>`, its image as
    uint8, and `mean` and `std` (B,) of the mixed advantages if they are normalized: whoever takes
    the gradient step cuts them into micro-batches together with the samples.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw `share`, in 0..1, and each row's partner, by a permutation of the rows."""
        size = len(minibatch)
        partners = minibatch[torch.randperm(size, generator=generator, device=generator.device)]
        share = draw_shares(size, self.config.mix_alpha, generator)
        draws = {PARTNER + name: getattr(partners, name) for name in SAMPLES}
        if self.config.mix_advantages == "raw":
            own = share * minibatch.advantages + (1 - share) * partners.advantages
            std, mean = torch.std_mean(own, correction=0)
            draws |= {"mean": mean.expand(size), "std": std.expand(size)}
        return {"share": share, **draws}

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `Objective`."""
        draws = inputs.draws
        partners = Minibatch.from_tensors({name: draws[PARTNER + name] for name in SAMPLES})
        obs, samples = mixed(inputs.obs, inputs.samples, partners, draws["share"])
        if "std" in draws:
            normalized = (samples.advantages - draws["mean"]) / (draws["std"] + 1e-8)
            samples = replace(samples, advantages=normalized)
        logits, value = network(obs)
        ppo = terms(logits, value, samples, self.config)
        none = torch.zeros_like(ppo.loss)
        return ppo.loss, ppo.figures(none, none)


def mixed(
    obs: Tensor, samples: Minibatch, partners: Minibatch, share: Tensor
) -> tuple[Tensor, Minibatch]:
    """Mix images, and what is learned about them, by each row's share.

    A share of 1 leaves a row's bits as they are, one of 0 makes it its partner.

    Args:
        obs: images of `samples`, (b, 3, H, W) float in [0, 1].
        samples: b of them.
        partners: as many; their images are uint8, or float in [0, 1].
        share: (b,), in 0..1: the part of `samples`.

    Returns:
        The mixed images, and samples whose `obs` are these.
    """

    def mix(one: Tensor, other: Tensor) -> Tensor:
        weight = share.view(-1, *[1] * (one.dim() - 1))
        return weight * one + (1 - weight) * other

    images = mix(obs, as_float(partners.obs))
    return images, Minibatch(
        obs=images,
        actions=torch.where(share > 0.5, samples.actions, partners.actions),
        old_log_probs=mix(samples.old_log_probs, partners.old_log_probs),
        old_values=mix(samples.old_values, partners.old_values),
        returns=mix(samples.returns, partners.returns),
        advantages=mix(samples.advantages, partners.advantages),
    )


def draw_shares(number: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw from Beta(alpha, alpha): (number,) float32, on the generator's device.

        Beta = G_1 / (G_1 + G_2),  G = Gamma(alpha) = Gamma(alpha + 1) U^(1/alpha)

    in logarithms, since most draws of Gamma(0.01) are too small for a float.
    """
    concentration = torch.full((2, number), alpha + 1, device=generator.device)
    gamma = torch._standard_gamma(concentration, generator=generator)
    minus_log_u = torch.empty_like(gamma).exponential_(generator=generator)
    first, second = gamma.log() - minus_log_u / alpha
    return torch.sigmoid(first - second)
