"""An actor-critic with a Gaussian latent, the information bottleneck of Igl et al. 2019."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drac.config import TrainConfig
from drac.networks.impala import ActorCritic, Residual, widened

OFFSET = 5.0
"""Less this, the pre-activation of the scale: the noise begins small, softplus(-5) = 0.007."""


class BottleneckActorCritic(ActorCritic):
    """`ActorCritic` whose features are relu(z), z ~ N(mean(s), scale(s)^2) in each dimension.

        mean = fc(x),  scale = softplus(spread(x) - 5),  x the output of the convolutions

    Called as it is, to act and to be evaluated, it is the network without noise, z = mean:
    selective noise injection leaves the noise to the objective. Of the same seed its weights are
    those of `ActorCritic`; `spread` is orthogonal with gain sqrt(2), as `fc` is, and its bias 0.

    Args:
        num_actions: as the following four, see `ActorCritic`.
        generator: also draws the weights of `spread`.
    """

    def __init__(
        self,
        num_actions: int,
        obs_shape: tuple[int, int, int] = (3, 64, 64),
        hidden_size: int = 256,
        residual: Residual = "impala",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(num_actions, obs_shape, hidden_size, residual, generator)
        with torch.random.fork_rng(devices=[]):
            self.spread = nn.Linear(self.fc.in_features, self.fc.out_features)
        nn.init.orthogonal_(self.spread.weight, math.sqrt(2), generator=generator)
        nn.init.zeros_(self.spread.bias)

    def latent(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (B, 3, H, W) to mean and scale of z: both (B, hidden_size), float32."""
        x = self.convolved(obs)
        return widened(self.fc(x)), F.softplus(widened(self.spread(x)) - OFFSET)


def bottleneck_actor_critic(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> BottleneckActorCritic:
    """Return the network of ibac-sni."""
    size, residual = config.hidden_size, config.residual
    return BottleneckActorCritic(num_actions, obs_shape, size, residual, generator)
