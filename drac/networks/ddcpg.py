"""The network of DDCPG (Moon et al. 2022): an actor-critic that also tells true transitions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drac.config import TrainConfig
from drac.networks.impala import ActorCritic, Residual, orthogonal, widened

HIDDEN = 256
"""Width of the discriminator's two hidden layers."""


class DynamicsActorCritic(ActorCritic):
    """`ActorCritic` with a discriminator of transitions over its features.

    Of the same seed its weights are those of `ActorCritic`; the discriminator's are orthogonal with
    gain sqrt(2), those of its last layer with gain 1, and its biases 0.

    Args:
        num_actions: as the following four, see `ActorCritic`.
        generator: also draws the weights of the discriminator.
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
            layers = [
                nn.Linear(2 * hidden_size + num_actions, HIDDEN),
                nn.Linear(HIDDEN, HIDDEN),
                nn.Linear(HIDDEN, 1),
            ]
        for layer, gain in zip(layers, (math.sqrt(2), math.sqrt(2), 1.0), strict=True):
            orthogonal(layer, gain, generator)
        first, second, last = layers
        self.discriminator = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)

    def actor_critic_parameters(self) -> list[nn.Parameter]:
        """Return what the policy phase trains: all but the discriminator."""
        return [p for name, p in self.named_parameters() if not name.startswith("discriminator.")]

    def transition_logits(self, features: Tensor, actions: Tensor, following: Tensor) -> Tensor:
        """Return the logits, (b,), of transitions being true.

        Shape:
            features, following: (b, hidden_size), of the images before and after.
            actions: (b,) int64.
        """
        num_actions = self.policy_head.out_features
        taken = F.one_hot(actions, num_actions).to(features.dtype)
        logits: Tensor = self.discriminator(torch.cat([features, taken, following], dim=1))
        return widened(logits.squeeze(1))


def dynamics_actor_critic(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> DynamicsActorCritic:
    """Return the network of DDCPG."""
    return DynamicsActorCritic(
        num_actions, obs_shape, config.hidden_size, config.residual, generator
    )
