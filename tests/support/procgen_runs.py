"""Tests on real Procgen: small trainings, and the games that are played."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drac import methods
from drac.config import TrainConfig
from drac.envs.groups import EnvGroups
from drac.games import GAMES

OPTIONS: dict[str, Any] = {
    "game": "starpilot",
    "method": "ppo",
    "num_envs": 4,
    "num_steps": 16,
    "steps": 192,  # three updates
    "minibatches": 4,
    "epochs": 1,
    "hidden_size": 16,
    "eval_episodes": 1,
    "eval_every": 0,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "env_groups": 1,
}


def procgen_config(**options: Any) -> TrainConfig:
    return TrainConfig(**with_defaults(OPTIONS, options))


def with_defaults(defaults: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options, and those of the defaults that the method has."""
    ignored = methods.get(options.get("method", defaults["method"])).ignores
    return {**{name: value for name, value in defaults.items() if name not in ignored}, **options}


def some_games(*chosen: str) -> list[Any]:
    """All 16 games for `parametrize`; those not chosen are of the full matrix."""
    return [
        game if game in chosen else pytest.param(game, marks=pytest.mark.full) for game in GAMES
    ]


def played(envs: EnvGroups, steps: int, seed: int = 0) -> list[Any]:
    """What all envs show, pay and end, and their levels, step after step of random actions."""
    rng = np.random.default_rng(seed)
    seen: list[Any] = [envs.observe()]
    for _ in range(steps):
        actions = rng.integers(0, 15, envs.num_envs)
        for group, rows in enumerate(envs.rows):
            envs.send(group, actions[rows])
        parts = [envs.receive(group) for group in range(len(envs))]
        seen.append([np.concatenate([part[i] for part in parts]) for i in range(3)])
        seen.append(np.concatenate([part[3]["level_seed"] for part in parts]))
    return seen
