"""What every objective is: a loss of a minibatch, with its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from drac import methods
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.rollout import Minibatch


@dataclass(frozen=True)
class Inputs:
    """What an objective sees of b samples.

    Shape:
        obs: (b, 3, H, W), float in [0, 1].
        obs_aug: f(obs), of the same shape; None without augmentation.
        draws: random numbers, their first dimension b; see `Objective.draw`.
    """

    samples: Minibatch
    obs: Tensor
    obs_aug: Tensor | None
    draws: Mapping[str, Tensor]


class Objective(Protocol):
    """The loss of a method."""

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw what the loss of a minibatch needs: tensors whose first dimension is B.

        An objective may also have `after_update(network, generator)`, called with the same
        generator once an update's gradient steps are taken; and `whole = True`, if its loss is not
        a mean over single samples, so that a minibatch must not be cut into micro-batches.
        """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss, and the figures of `UpdateStats` but its `grad_norm`, detached.

        They are (7,), or (8,) with the objective's `extra_loss`.

        Called inside the context that sets the network's precision. It must not wait for the
        device: no `.item()`, no branch on a tensor's values.
        """


def make(config: TrainConfig) -> Objective:
    """Return the objective of a run's method."""
    objective: Objective = methods.get(config.method).part("objective")(config)
    return objective
