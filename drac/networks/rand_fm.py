"""An actor-critic behind a random convolution (Lee et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from drac.config import TrainConfig
from drac.networks.impala import ActorCritic, Residual

KERNEL = 3


class RandomizedActorCritic(ActorCritic):
    """`ActorCritic` of f(s), f a random 3x3 convolution that maps an image to one of its shape.

    The filter is drawn from the paper's prior (section 3.1): with probability `clean_probability`
    the identity, else Xavier-normal, N(0, 2 / (fan_in + fan_out)); no bias, zero padding. It is a
    buffer, so that a checkpoint holds it, and stays as it is until `redraw`.

    In training mode, in which it acts and learns, the network sees f(s). In evaluation mode the
    policy is the mean of those of M other filters, and so is the value (section 3.2):

        pi(a|s) = 1/M sum_m pi(a|f_m(s))

    With M = 0 it is the policy of the clean image.

    Args:
        num_actions: as the following four, see `ActorCritic`.
        generator: also draws the first filters.
        num_filters: M.
        clean_probability: alpha, of an identity.
    """

    filters: Tensor
    """(1 + M, C, C, 3, 3): the one of training, then those of evaluation."""
    clean: Tensor
    """(1 + M,), bool: where the filter is the identity instead."""

    def __init__(
        self,
        num_actions: int,
        obs_shape: tuple[int, int, int] = (3, 64, 64),
        hidden_size: int = 256,
        residual: Residual = "impala",
        generator: torch.Generator | None = None,
        *,
        num_filters: int = 10,
        clean_probability: float = 0.1,
    ) -> None:
        super().__init__(num_actions, obs_shape, hidden_size, residual, generator)
        self.num_filters, self.clean_probability = num_filters, clean_probability
        shape = (1 + num_filters, obs_shape[0], obs_shape[0], KERNEL, KERNEL)
        self.register_buffer("filters", torch.zeros(shape))
        self.register_buffer("clean", torch.zeros(1 + num_filters, dtype=torch.bool))
        self.redraw(generator)

    def redraw(self, generator: torch.Generator | None) -> None:
        """Draw all filters anew, in place; the generator is on the network's device."""
        fan = self.filters[0, 0].numel()
        self.filters.normal_(0.0, math.sqrt(2 / (fan + fan)), generator=generator)
        coins = torch.rand(len(self.clean), generator=generator, device=self.clean.device)
        self.clean.copy_(coins < self.clean_probability)

    def randomized(self, obs: Tensor, number: int = 0) -> Tensor:
        """Return f(s), by filter `number`, for images (B, C, H, W).

        Clean images keep their bits, and no value on the device decides what is computed.
        """
        convolved = F.conv2d(obs, self.filters[number], padding=KERNEL // 2)
        return torch.where(self.clean[number], obs, convolved)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, A) and values (B,); the training mode decides of which inputs."""
        if self.training:
            return super().forward(self.randomized(obs))
        if not self.num_filters:
            return super().forward(obs)
        logits, values = [], []
        for number in range(1, 1 + self.num_filters):
            outputs = super().forward(self.randomized(obs, number))
            logits.append(outputs[0].log_softmax(dim=1))
            values.append(outputs[1])
        mixture = torch.stack(logits).logsumexp(dim=0) - math.log(self.num_filters)
        return mixture, torch.stack(values).mean(dim=0)


def randomized_actor_critic(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> RandomizedActorCritic:
    """Return the network of rand-fm."""
    return RandomizedActorCritic(
        num_actions,
        obs_shape,
        config.hidden_size,
        config.residual,
        generator,
        num_filters=config.eval_filters,
        clean_probability=config.clean_probability,
    )
