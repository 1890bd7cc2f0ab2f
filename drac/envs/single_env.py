"""One Procgen env with Gymnasium's API of single envs; importing this registers all games.

The names are `procgen_drac/<game>-v0`, for `gymnasium.make` and `gymnasium.make_vec`.
"""

from __future__ import annotations

from typing import Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from drac.envs.procgen_env import ProcgenVectorEnv, Split
from drac.games import GAMES, Mode


class ProcgenEnv(gymnasium.Env[NDArray[np.uint8], Any]):
    """One env of one game; where many are stepped, `ProcgenVectorEnv` is much faster.

    Observations are uint8 `(64, 64, 3)`, actions integers in 0..14. Procgen has no final
    observation: the one that comes with an episode's end is the next episode's first, and the
    `reset` that follows returns it again. A reset within an episode, or with a seed, starts anew.

    `info["level_seed"]` is the level that the env is now in, and after a step
    `info["prev_level_seed"]` the one in which the step was taken.

    Args:
        game, split, seed, mode, render_mode: as of `ProcgenVectorEnv`.

    Raises:
        ValueError: as `ProcgenVectorEnv`.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - gymnasium declares it so
        key: ProcgenVectorEnv.metadata[key] for key in ("render_modes", "render_fps")
    }

    def __init__(
        self,
        game: str,
        split: Split = "train",
        seed: int = 0,
        mode: Mode = "easy",
        render_mode: Literal["rgb_array"] | None = None,
    ) -> None:
        self._env = ProcgenVectorEnv(game, 1, split, seed, mode, 0, render_mode)
        self.observation_space = self._env.single_observation_space
        self.action_space = self._env.single_action_space
        self.render_mode = render_mode
        self._ended = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return `(observation, info)` of an episode's beginning.

        Raises:
            ValueError: for a seed out of 0..2**31-1, or options, of which Procgen has none.
        """
        super().reset(seed=seed)
        if self._ended and seed is None and not options:
            obs, infos = self._env.observe()
        else:
            obs, infos = self._env.reset(seed=seed, options=options)
        self._ended = False
        return obs[0], _first(infos)

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Return `(observation, reward, terminated, truncated, info)`; never truncated.

        Raises:
            ValueError: if the action is no integer in 0..14.
        """
        obs, rewards, ended, _, infos = self._env.step(np.asarray(action).reshape(1))
        self._ended = bool(ended[0])
        return obs[0], float(rewards[0]), self._ended, False, _first(infos)

    def render(self) -> NDArray[np.uint8]:
        """Return what a person would see: uint8 (512, 512, 3)."""
        return self._env.render()[0]

    def close(self) -> None:
        """Free Procgen's memory."""
        self._env.close()


def _first(infos: dict[str, Any]) -> dict[str, Any]:
    return {key: int(infos[key][0]) for key in infos if key.endswith("level_seed")}


for _game in GAMES:
    gymnasium.register(
        f"procgen_drac/{_game}-v0",
        entry_point="drac.envs.single_env:ProcgenEnv",
        vector_entry_point="drac.envs.procgen_env:ProcgenVectorEnv",
        kwargs={"game": _game},
    )
