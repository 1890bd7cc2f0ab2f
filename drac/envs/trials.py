"""Trials: several episodes of one level, one after the other, then those of another level."""

from __future__ import annotations

from typing import Any

import numpy as np

from drac.config import TrainConfig
from drac.envs.chosen_levels import ChosenLevels
from drac.envs.levels import ProcgensOwn, _Env
from drac.envs.procgen_env import ProcgenVectorEnv
from drac.errors import ConfigError
from drac.seeding import seed_sequence

ALL_LEVELS = range(2**31 - 1)
"""The full distribution."""


class TrialLevels:
    """Chooses the levels of trials: each is drawn from all, every one as likely.

    Args:
        levels: from which they are drawn.
        episodes: K, of a trial.
        rng: used as it is, not copied.

    Attributes:
        level: of each env, what its trial is played in.
        left: of each env, how many of its trial's episodes are still to begin.
    """

    def __init__(self, levels: range, episodes: int, rng: np.random.Generator) -> None:
        self._levels, self._episodes, self.rng = levels, episodes, rng
        self.level: list[int] = []
        self.left: list[int] = []
        self._states: dict[int, bytes] = {}

    def wrap(self, env: ProcgenVectorEnv) -> ChosenLevels:
        """Return an env that plays trials; its envs follow those that were wrapped before."""
        begin = len(self.level)
        self.level += [0] * env.num_envs
        self.left += [0] * env.num_envs

        def first(slot: int) -> int:
            self.left[begin + slot] = 0
            return following(slot)

        def following(slot: int) -> int:
            index = begin + slot
            if not self.left[index]:
                self.level[index] = self._levels[int(self.rng.integers(len(self._levels)))]
                self.left[index] = self._episodes
            self.left[index] -= 1
            return self.level[index]

        return ChosenLevels(env, first, following, self._states)


def in_trials(env: ProcgenVectorEnv, episodes: int, seed: int) -> ChosenLevels:
    """Return an env that plays trials in the levels of another; `seed` decides which."""
    rng = np.random.default_rng(seed_sequence(seed, "levels"))
    return TrialLevels(env.levels or ALL_LEVELS, episodes, rng).wrap(env)


class Trials(ProcgensOwn):
    """Trials on a run's training levels; of a single episode, they are Procgen's own choice."""

    def __init__(self, config: TrainConfig) -> None:
        levels = config.train_levels
        assert levels != "test"  # the config has refused it
        self._single = config.episodes_per_trial == 1
        rng = np.random.default_rng(seed_sequence(config.seed, "levels"))
        self._trials = TrialLevels(levels, config.episodes_per_trial, rng)

    def wrap(self, env: _Env) -> _Env:
        """Return an env that plays trials.

        Raises:
            ConfigError: if it is none of Procgen's.
        """
        if self._single:
            return env
        if not isinstance(env, ProcgenVectorEnv):
            raise ConfigError(f"trials are played in Procgen's levels, not in {env}")
        return self._trials.wrap(env)

    def state_dict(self) -> dict[str, Any]:
        """Return what the trials that are played, and later ones, depend on."""
        trials = self._trials
        rng = dict(trials.rng.bit_generator.state)
        return {"level": [*trials.level], "left": [*trials.left], "rng": rng}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        trials = self._trials
        trials.level[:], trials.left[:] = state["level"], state["left"]
        trials.rng.bit_generator.state = state["rng"]
