"""A `ProcgenVectorEnv` for Stable-Baselines3, which the user installs: docs/the-env-alone.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from drac.envs import ProcgenVectorEnv


class ProcgenVecEnv(VecEnv):
    """The same envs with Stable-Baselines3's API; it tells return and length of each episode.

    Procgen keeps no final observation and never truncates: there is no `terminal_observation`.
    """

    def __init__(self, env: ProcgenVectorEnv) -> None:
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> NDArray[np.uint8]:
        """Start every env anew; the seed is that of env 0, which Procgen uses for all."""
        seed = None if self._seeds[0] is None else self._seeds[0] % 2**31
        self._reset_seeds()
        return self.env.reset(seed=seed)[0]

    def step_async(self, actions: NDArray[np.integer[Any]]) -> None:
        """Begin a step."""
        self.env.send(actions)

    def step_wait(self) -> tuple[Any, Any, NDArray[np.bool_], list[dict[str, Any]]]:
        """Return observations, rewards, which episodes ended, and a dict for each env."""
        obs, rewards, ended, _, infos = self.env.receive()
        each: list[dict[str, Any]] = [{"level_seed": int(x)} for x in infos["prev_level_seed"]]
        for i in np.flatnonzero(ended):
            each[i]["episode"] = {key: infos["finished"][key][i].item() for key in ("r", "l")}
        return obs, rewards, ended, each

    def get_images(self) -> Sequence[NDArray[np.uint8]]:
        """Return what a person would see of each env."""
        return self.env.render()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the envs, which is the same for all."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Procgen's envs are one object: nothing can be set for some of them."""
        raise NotImplementedError(f"set_attr({attr_name!r}): use .env, a ProcgenVectorEnv")

    def env_method(self, method_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Procgen's envs are one object: no method belongs to some of them."""
        raise NotImplementedError(f"env_method({method_name!r}): use .env, a ProcgenVectorEnv")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: Any = None
    ) -> list[bool]:
        """No env is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def close(self) -> None:
        """Free Procgen's memory and threads."""
        self.env.close()
