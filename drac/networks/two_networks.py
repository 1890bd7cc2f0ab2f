"""An actor-critic whose policy and value share nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drac.config import TrainConfig
from drac.networks.impala import ActorCritic, Encoder, Residual, widened


class TwoNetworks(ActorCritic):
    """`features` and `policy_head` are the policy network, the value has an encoder of its own.

    Weights are drawn in the order policy (as in `ActorCritic`, the value's head with it), value.

    Args:
        num_actions: A.
        obs_shape: (channels, height, width).
        hidden_size: width of both `fc`, H.
        residual: see `drac.networks.impala.ResidualBlock`.
        generator: source of the initial weights; None takes torch's global one.
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
        self.value_encoder = Encoder(obs_shape, hidden_size, residual)
        self.value_encoder.initialize(generator)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's logits and the values; see `ActorCritic`."""
        return self.logits(obs), self.value(obs)

    def value(self, obs: Tensor) -> Tensor:
        """Return V(s), (B,), of images (B, 3, H, W)."""
        return widened(self.value_head(self.value_encoder.features(obs)).squeeze(1))

    def value_parameters(self) -> list[nn.Parameter]:
        """Return what the value's loss trains."""
        return [*self.value_encoder.parameters(), *self.value_head.parameters()]

    def policy_parameters(self) -> list[nn.Parameter]:
        """Return what the policy's loss trains."""
        others = ("value_encoder.", "value_head.")
        return [p for name, p in self.named_parameters() if not name.startswith(others)]


def two_networks(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> TwoNetworks:
    """Return the network of TRPO."""
    return TwoNetworks(num_actions, obs_shape, config.hidden_size, config.residual, generator)
