"""Who chooses the levels that are trained on: Procgen itself, or a method such as PLR."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pkgutil import resolve_name
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray

from drac import methods
from drac.config import TrainConfig
from drac.envs import ProcgenVectorEnv
from drac.errors import ConfigError
from drac.level_replay import LevelSampler, episode_scores
from drac.rollout import Rollout
from drac.seeding import seed_sequence

LEVEL_COLUMNS = ("step", "level", "score", "age", "visits")
"""Of levels.csv, one row for each level at every evaluation; the score is empty before the first.
The age is the number of levels drawn since this one last was."""

_Env = VectorEnv[Any, Any, Any]


class Levels(Protocol):
    """Chooses the levels of a run."""

    def wrap(self, env: _Env) -> _Env:
        """Return an env, or a group of a run's envs, that plays what is chosen here."""

    def update(self, rollout: Rollout) -> None:
        """Learn from a rollout whose advantages are filled in."""

    def table(self) -> dict[str, Sequence[str]]:
        """Return name and columns of the log of levels, or nothing if there is none."""

    def rows(self, step: int) -> Iterable[Sequence[Any]]:
        """Return what the log of levels is to hold of the present."""

    def state_dict(self) -> dict[str, Any]:
        """Return what later choices depend on, as numbers, strings, lists and dicts."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


def make(config: TrainConfig) -> Levels:
    """Return who chooses the levels for a run's method."""
    levels: Levels = resolve_name(methods.get(config.method).levels)(config)
    return levels


class ProcgensOwn:
    """Leaves the choice to Procgen: all training levels are equally likely."""

    def __init__(self, config: TrainConfig) -> None:
        pass

    def wrap(self, env: _Env) -> _Env:
        """Return the env as it is."""
        return env

    def update(self, rollout: Rollout) -> None:
        """Nothing is learned."""

    def table(self) -> dict[str, Sequence[str]]:
        """There is nothing to log."""
        return {}

    def rows(self, step: int) -> Iterable[Sequence[Any]]:
        """There is nothing to log."""
        return ()

    def state_dict(self) -> dict[str, Any]:
        """The envs' own states hold it."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The envs' own states hold it."""


class Prioritized:
    """Prioritized level replay (Jiang et al. 2021); the groups of envs share one sampler."""

    def __init__(self, config: TrainConfig) -> None:
        self._score = config.plr_score
        self.sampler = LevelSampler(
            config.train_levels,
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
        return ChosenLevels(env, self.sampler.first, self.sampler.draw, self._states)

    def update(self, rollout: Rollout) -> None:
        """Score the levels of a rollout."""
        advantages, dones = rollout.advantages.cpu().numpy(), rollout.dones.cpu().numpy()
        for level, score in episode_scores(advantages, dones, rollout.level_seeds, self._score):
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


class ChosenLevels(VectorWrapper[Any, Any, Any, Any, Any]):
    """Procgen envs whose every episode is played in a level of our choice, without a fork of it.

    Procgen starts the next episode inside the step that ends one. The envs in which it did are set
    to the state in which the chosen level begins, and looked at again. That state is one of a
    one-level env, so Procgen's own next choice there, which is overridden in turn, is the same
    level; and the level is exactly the one that Procgen's own resets give, since those seed all
    that is random inside a level with the level's number (Procgen's `Game::reset`).

    Args:
        env: the envs; their own choice of levels is not used.
        first: returns the level of an env's first episode after a reset, called in the order of
            envs.
        choose: returns the level of an episode that follows another.
        states: the states in which levels begin, by level; filled in as levels are first played
            (1 ms and some 25 KB each).
    """

    env: ProcgenVectorEnv

    def __init__(
        self,
        env: ProcgenVectorEnv,
        first: Callable[[], int],
        choose: Callable[[], int],
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
        self, slots: Sequence[int], choose: Callable[[], int]
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode in some envs; return what all of them show then."""
        self.env.set_state([self._state(choose()) for _ in slots], slots)
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
