"""The networks of PPG (Cobbe et al. 2021)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from drac.config import TrainConfig
from drac.networks.impala import Residual
from drac.networks.two_networks import TwoNetworks


class PhasicActorCritic(TwoNetworks):
    """Two networks, of which the policy's also predicts the value, with weights as PPG's.

    Weights are uniform, then each output's row of them is scaled to a norm: 0.1 of the heads, 1.4
    of `fc`, 6^(-1/4) = 0.64 of the convolutions in residual blocks and 1 of the others. Every bias
    is 0.

    Args:
        num_actions: as the following four, see `TwoNetworks`.
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
            self.aux_value_head = nn.Linear(hidden_size, 1)
        with torch.no_grad():
            for name, layer in self.named_modules():
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    layer.weight.uniform_(-1.0, 1.0, generator=generator)
                    rows = layer.weight.flatten(1).norm(dim=1)
                    layer.weight.mul_(
                        (_norm(name) / rows).view(-1, *[1] * (layer.weight.dim() - 1))
                    )
                    nn.init.zeros_(cast(Tensor, layer.bias))

    def both_parameters(self) -> list[nn.Parameter]:
        """Return what the policy phase trains: all but the auxiliary head."""
        return [p for name, p in self.named_parameters() if not name.startswith("aux_value_head.")]


def _norm(name: str) -> float:
    """Return the norm of each row of a layer's weights."""
    if name.endswith("_head"):
        return 0.1
    if name.endswith("fc"):
        return 1.4
    return 6**-0.25 if ".res" in name else 1.0


def ppg_network(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> PhasicActorCritic:
    """Return the network of PPG."""
    return PhasicActorCritic(num_actions, obs_shape, config.hidden_size, config.residual, generator)
