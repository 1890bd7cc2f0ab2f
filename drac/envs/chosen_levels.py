"""Envs whose next level somebody chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper
from numpy.typing import NDArray

from drac.envs.procgen_env import ProcgenVectorEnv


class ChosenLevels(VectorWrapper[Any, Any, Any, Any, Any]):
    """Procgen envs whose every episode is played in a level of our choice, without a fork of it.

    Procgen starts the next episode inside the step that ends one. The envs in which it did are set
    to the state in which the chosen level begins, and looked at again. That state is one of a
    one-level env, so Procgen's own next choice there, which is overridden in turn, is the same
    level; and the level is exactly the one that Procgen's own resets give, since those seed all
    that is random inside a level with the level's number (Procgen's `Game::reset`).

    Args:
        env: the envs; their own choice of levels is not used.
        first: returns the level of an env's first episode after a reset, given the env's index;
            called in the order of envs.
        choose: likewise that of an episode that follows another.
        states: the states in which levels begin, by level; filled in as levels are first played
            (1 ms and some 25 KB each).
    """

    env: ProcgenVectorEnv

    def __init__(
        self,
        env: ProcgenVectorEnv,
        first: Callable[[int], int],
        choose: Callable[[int], int],
        states: dict[int, bytes] | None = None,
    ) -> None:
        super().__init__(env)
        self._first, self._choose = first, choose
        self._states = {} if states is None else states

    def reset(self, **kwargs: Any) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start every env anew; see `ProcgenVectorEnv.reset`."""
        self.env.reset(**kwargs)
        return self._begin(range(self.env.num_envs), self._first)

    def step(self, actions: NDArray[np.integer[Any]]) -> Any:
        """Step every env; see `ProcgenVectorEnv.step`."""
        self.send(actions)
        return self.receive()

    def send(self, actions: NDArray[np.integer[Any]]) -> None:
        """Begin a step; see `ProcgenVectorEnv.send`."""
        self.env.send(actions)

    def receive(self) -> Any:
        """Finish the step and move the envs whose episode ended to the levels chosen for them."""
        obs, rewards, terminated, truncated, infos = self.env.receive()
        if "_episode" in infos:
            obs, now = self._begin(np.flatnonzero(infos["_episode"]).tolist(), self._choose)
            infos |= now
        return obs, rewards, terminated, truncated, infos

    def _begin(
        self, slots: Sequence[int], choose: Callable[[int], int]
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode in some envs; return what all of them show then."""
        self.env.set_state([self._state(choose(slot)) for slot in slots], slots)
        return self.env.observe()

    def _state(self, level: int) -> bytes:
        if level not in self._states:
            self._states[level] = self.env.initial_state(level)
        return self._states[level]

    def get_state(self) -> list[bytes]:
        """Return the exact state of every env; see `ProcgenVectorEnv.get_state`."""
        return self.env.get_state()

    def set_state(self, states: Sequence[bytes]) -> None:
        """Restore what `get_state` returned."""
        self.env.set_state(states)

    def observe(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return what the envs show now, without stepping; see `ProcgenVectorEnv.observe`."""
        return self.env.observe()
