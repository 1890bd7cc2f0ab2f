"""Prioritized level replay: the levels of a run, chosen by what is learned on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from drac.config import TrainConfig
from drac.envs.chosen_levels import ChosenLevels
from drac.envs.level_sampler import LevelSampler, episode_scores
from drac.envs.levels import LEVEL_COLUMNS, _Env
from drac.envs.procgen_env import ProcgenVectorEnv
from drac.errors import ConfigError
from drac.rollout import Rollout
from drac.seeding import seed_sequence


class Prioritized:
    """Prioritized level replay (Jiang et al. 2021); the groups of envs share one sampler."""

    def __init__(self, config: TrainConfig) -> None:
        self._score, self._cut = config.plr_score, config.plr_cut_episodes
        levels = config.train_levels
        assert levels != "test"  # the config has refused it
        self.sampler = LevelSampler(
            levels,
            np.random.default_rng(seed_sequence(config.seed, "levels")),
            temperature=config.plr_temperature,
            staleness=config.plr_staleness,
            smoothing=config.plr_smoothing,
            replay=config.plr_replay,
            min_seen=config.plr_min_seen,
        )
        self._states: dict[int, bytes] = {}

    def wrap(self, env: _Env) -> _Env:
        """Return an env that plays the levels that are drawn.

        Raises:
            ConfigError: if the env has no finite set of levels, or is none of Procgen's.
        """
        if not isinstance(env, ProcgenVectorEnv):
            raise ConfigError(f"prioritized level replay chooses among Procgen's levels, not {env}")
        if env.levels is None:
            raise ConfigError(
                "prioritized level replay needs a finite set of training levels, such as 0-199;"
                " the test split, with num_levels=0, has no end"
            )
        sampler = self.sampler
        return ChosenLevels(
            env, lambda slot: sampler.first(), lambda slot: sampler.draw(), self._states
        )

    def update(self, rollout: Rollout) -> None:
        """Score the levels of a rollout."""
        advantages, dones = rollout.advantages.cpu().numpy(), rollout.dones.cpu().numpy()
        following = rollout.last_values.cpu().numpy() if self._cut == "released" else None
        levels = rollout.level_seeds
        for level, score in episode_scores(advantages, dones, levels, self._score, following):
            self.sampler.update(level, score)

    def table(self) -> dict[str, Sequence[str]]:
        """Return the columns of levels.csv."""
        return {"levels": LEVEL_COLUMNS}

    def rows(self, step: int) -> Iterable[Sequence[Any]]:
        """Return a row for every level."""
        sampler = self.sampler
        scores = [
            score if seen else ""
            for score, seen in zip(sampler.scores.tolist(), sampler.seen.tolist(), strict=True)
        ]
        ages, visits = sampler.ages.tolist(), sampler.visits.tolist()
        columns = (sampler.levels, scores, ages, visits)
        return ((step, *row) for row in zip(*columns, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return the sampler's state; the envs' own states hold what they are playing."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.sampler.load_state_dict(state)
