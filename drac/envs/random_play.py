"""Frames of a game under random play: to look at, to measure with, to try augmentations on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from drac.envs.procgen_env import ProcgenVectorEnv, Split
from drac.games import NUM_ACTIONS, Mode


def random_play(
    game: str,
    num_envs: int,
    split: Split,
    steps: int,
    *,
    env_seed: int,
    random: np.random.Generator,
    mode: Mode = "easy",
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Play in envs of its own, with random actions; `steps` + 1 times, yield what is seen.

    Args:
        game: one of `drac.games.GAMES`.
        num_envs: N, played side by side.
        split: of the levels, as `ProcgenVectorEnv` has it.
        steps: after the reset, whose frames come first.
        env_seed: decides the order of levels.
        random: draws the actions.
        mode: Procgen's distribution mode.

    Yields:
        Frames, (N, 64, 64, 3) uint8, and the level of each, (N,).

    Raises:
        ValueError: for an unknown game, split or mode, or too few envs.
    """
    with contextlib.closing(ProcgenVectorEnv(game, num_envs, split, env_seed, mode)) as env:
        obs, infos = env.reset()
        yield obs, infos["level_seed"]
        for _ in range(steps):
            obs, _, _, _, infos = env.step(random.integers(NUM_ACTIONS, size=num_envs))
            yield obs, infos["level_seed"]
