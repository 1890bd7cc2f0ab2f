"""The networks of DAAC and IDAAC: policy and value share nothing (Raileanu & Fergus 2021)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drac.config import TrainConfig
from drac.networks.impala import Residual, orthogonal, widened
from drac.networks.two_networks import TwoNetworks


class OrderClassifier(nn.Module):
    """Tells from the features of two observations of an episode which one came first.

    Args:
        size: width of the features of one observation, H.
        hidden_size: of a layer in between; 0 is a linear classifier.
        generator: source of the initial weights; None takes torch's global one.
    """

    def __init__(
        self, size: int, hidden_size: int = 0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.hidden = nn.Linear(2 * size, hidden_size) if hidden_size else None
            self.output = nn.Linear(hidden_size or 2 * size, 2)
        if self.hidden is not None:
            orthogonal(self.hidden, math.sqrt(2), generator)
        orthogonal(self.output, 1.0, generator)

    def forward(self, features: Tensor, other: Tensor) -> Tensor:
        """Return logits (B, 2) of "this one came first" and "the other did".

        Shape:
            features, other: (B, H).
        """
        x = torch.cat([features, other], dim=1)
        if self.hidden is not None:
            x = F.relu(self.hidden(x))
        return widened(self.output(x))


class DecoupledActorCritic(TwoNetworks):
    """Two networks, of which the policy's knows advantages.

    `advantage_head` is a part of the policy network, `classifier` the order classifier of IDAAC.
    Their weights are drawn after those of `TwoNetworks`, in this order, so that DAAC and IDAAC
    begin with the same policy and value.

    Args:
        num_actions: as the following four, see `TwoNetworks`.
        order_hidden: width of the order classifier's hidden layer, 0 if it is linear; None: there
            is no classifier.
    """

    def __init__(
        self,
        num_actions: int,
        obs_shape: tuple[int, int, int] = (3, 64, 64),
        hidden_size: int = 256,
        residual: Residual = "impala",
        generator: torch.Generator | None = None,
        order_hidden: int | None = None,
    ) -> None:
        super().__init__(num_actions, obs_shape, hidden_size, residual, generator)
        with torch.random.fork_rng(devices=[]):
            self.advantage_head = nn.Linear(hidden_size + num_actions, 1)
        orthogonal(self.advantage_head, 1.0, generator)
        self.classifier: OrderClassifier | None = None
        if order_hidden is not None:
            self.classifier = OrderClassifier(hidden_size, order_hidden, generator)

    def advantage(self, features: Tensor, actions: Tensor) -> Tensor:
        """Return A(s, a), (B,), from the policy's features (B, H) and actions (B,) int64."""
        num_actions = self.policy_head.out_features
        # Not F.one_hot: it looks at the actions' range.
        one_hot = actions[:, None] == torch.arange(num_actions, device=actions.device)
        x = torch.cat([features, one_hot.to(features.dtype)], dim=1)
        return widened(self.advantage_head(x).squeeze(1))

    def policy_parameters(self) -> list[nn.Parameter]:
        """Return what the policy's loss trains: all but the value network and the classifier."""
        others = ("value_encoder.", "value_head.", "classifier.")
        return [p for name, p in self.named_parameters() if not name.startswith(others)]


def daac_network(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> DecoupledActorCritic:
    """Return the network of DAAC."""
    return DecoupledActorCritic(
        num_actions, obs_shape, config.hidden_size, config.residual, generator
    )


def idaac_network(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> DecoupledActorCritic:
    """Return the network of IDAAC, with its order classifier."""
    return DecoupledActorCritic(
        num_actions,
        obs_shape,
        config.hidden_size,
        config.residual,
        generator,
        config.idaac_order_hidden,
    )
