"""Network randomization with feature matching, Rand-FM (Lee et al. 2020, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from drac.config import TrainConfig
from drac.networks.impala import widened
from drac.networks.rand_fm import RandomizedActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppo import terms
from drac.rollout import Minibatch


class RandFM:
    """PPO on randomized images, whose features are drawn towards those of the clean ones.

        J = L_PPO(f(s)) + matching_coef mean((h(f(s)) - h(s))^2),  h(s) a constant

    f is the network's random convolution, the one that the rollout was played with, and h the
    features under the two heads. In an update whose f is the identity this is PPO: both features
    are the same then. The mean is over samples and features. `extra_loss` is the matching term.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Nothing is drawn for a minibatch: the filter is the same in the whole update."""
        return {}

    def __call__(self, network: RandomizedActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `Objective`."""
        features = network.features(network.randomized(inputs.obs))
        logits, value = network.heads(features)
        ppo = terms(logits, value, inputs.samples, self.config)
        # After the pass that is learned from: autocast keeps the weights that it casts first, and
        # cast without gradients they would not learn.
        with torch.no_grad():
            target = network.features(inputs.obs)
        matching = F.mse_loss(widened(features), widened(target))
        none = torch.zeros_like(ppo.loss)
        loss = ppo.loss + self.config.matching_coef * matching
        return loss, ppo.figures(none, none, matching)

    def after_update(self, network: RandomizedActorCritic, generator: torch.Generator) -> None:
        """Draw the network's random filter anew, for the next rollout."""
        network.redraw(generator)
