"""Groups of envs that are stepped on their own, so that some step while others are served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from drac.envs.procgen_env import ProcgenVectorEnv

Received = tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.bool_], dict[str, Any]]
"""Observations, rewards, dones and infos of one group."""


class EnvGroups:
    """N envs in groups of consecutive ones; env n is the same whatever their number.

    Args:
        parts: the vector envs. Those with `send` and `receive`, as `ProcgenVectorEnv`, step
            between the two calls; others inside `receive`.

    Attributes:
        rows: which of the N envs are in each group.
    """

    def __init__(self, parts: Sequence[VectorEnv[Any, Any, Any]]) -> None:
        self._parts: list[Any] = list(parts)
        ends = np.cumsum([part.num_envs for part in parts]).tolist()
        self.rows = tuple(
            slice(end - part.num_envs, end) for part, end in zip(parts, ends, strict=True)
        )
        self._sent: list[NDArray[np.int64] | None] = [None] * len(self._parts)
        self.num_envs: int = ends[-1]
        self.obs_shape = cast(tuple[int, int, int], parts[0].single_observation_space.shape)
        self.num_actions = int(cast(Any, parts[0].single_action_space).n)

    def wrapped(self, wrap: Callable[[VectorEnv[Any, Any, Any]], Any]) -> EnvGroups:
        """Return the same groups, `wrap` applied to the vector env of each, in order."""
        return EnvGroups([wrap(part) for part in self._parts])

    def __len__(self) -> int:
        return len(self._parts)

    def reset(self) -> NDArray[np.uint8]:
        """Start all envs anew; return the observations (N, H, W, 3)."""
        return np.concatenate([part.reset()[0] for part in self._parts])

    def send(self, group: int, actions: NDArray[np.int64]) -> None:
        """Hand a group its actions; `receive` must follow before the next `send`."""
        part = self._parts[group]
        if hasattr(part, "send"):
            part.send(actions)
        else:
            self._sent[group] = actions

    def receive(self, group: int) -> Received:
        """Wait for a group's step and return what came of it."""
        part = self._parts[group]
        if hasattr(part, "receive"):
            obs, rewards, terminated, truncated, infos = part.receive()
        else:
            obs, rewards, terminated, truncated, infos = part.step(self._sent[group])
        return obs, rewards, terminated | truncated, infos

    def get_state(self) -> list[bytes]:
        """Return the exact state of each of the N envs."""
        return [state for part in self._parts for state in part.get_state()]

    def set_state(self, states: Sequence[bytes]) -> None:
        """Restore what `get_state` returned, whatever the number of groups was then."""
        if len(states) != self.num_envs:
            raise ValueError(f"{len(states)} states were given for {self.num_envs} envs")
        for part, rows in zip(self._parts, self.rows, strict=True):
            part.set_state(states[rows])

    def observe(self) -> NDArray[np.uint8]:
        """Return what the envs show now, without stepping: (N, H, W, 3)."""
        return np.concatenate([part.observe()[0] for part in self._parts])

    def close(self) -> None:
        """Free the envs."""
        for part in self._parts:
            part.close()


def procgen_groups(env: ProcgenVectorEnv, number: int) -> EnvGroups:
    """Cut a Procgen env into groups.

    Procgen numbers the envs of one maker, and derives env n's levels from the seed and n. So all N
    are made at once, then their states are moved into smaller vector envs: env n plays what it
    would have played.

    Args:
        env: must not have been stepped; closed if `number` is above 1.
        number: must divide the number of envs.
    """
    if number == 1:
        return EnvGroups([env])
    size, rest = divmod(env.num_envs, number)
    if rest:
        raise ValueError(f"{env.num_envs} envs do not divide into {number} groups")
    states = env.get_state()
    parts = [env.smaller(states[start : start + size]) for start in range(0, len(states), size)]
    env.close()
    return EnvGroups(parts)
