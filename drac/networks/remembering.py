"""An agent beside what it remembers of the envs that it plays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drac.networks.impala import ActorCritic

Agent = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Observations (B, 3, H, W) in [0, 1] -> logits (B, A), values (B,); e.g. an `ActorCritic`."""


class Remembering:
    """An agent, and what it remembers of N envs: nothing, unless it is a recurrent network.

    Attributes:
        memory: by name, the first dimension N.
    """

    def __init__(self, agent: Agent, num_envs: int) -> None:
        self._agent = agent
        self._network = agent if isinstance(agent, ActorCritic) else None
        self.memory = self._network.initial_memory(num_envs) if self._network else {}

    def advance(
        self, images: Tensor, memory: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return logits and values, and what of the memory is carried on; see `ActorCritic`."""
        if self._network:
            return self._network.advance(images, memory)
        return (*self._agent(images), {})

    def note(
        self, actions: NDArray[np.int64], rewards: NDArray[Any], ended: NDArray[np.bool_]
    ) -> None:
        """Remember what came of a step of all envs; see `ActorCritic.note`."""
        if self._network:
            self._network.note(self.memory, slice(None), actions, rewards, ended)
