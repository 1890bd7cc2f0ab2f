"""Who chooses the levels that are trained on: Procgen itself, or a method such as PLR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from gymnasium.vector import VectorEnv

from drac import methods
from drac.config import TrainConfig
from drac.rollout import Rollout

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
    levels: Levels = methods.get(config.method).part("levels")(config)
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
