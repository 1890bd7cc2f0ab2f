"""Whole runs of `train` that take a fraction of a second: an env of numbers in place of Procgen."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from procgen_runs import with_defaults
from small_runs import same

from drac.config import TrainConfig
from drac.envs.groups import EnvGroups
from drac.runs import checkpoint, provenance
from drac.runs.logs import TIMING_COLUMNS
from drac.train.state import Training

OPTIONS: dict[str, Any] = {
    "game": "coinrun",
    "method": "ppo",
    "num_envs": 2,
    "num_steps": 4,
    "steps": 24,  # three updates
    "minibatches": 2,
    "epochs": 1,
    "hidden_size": 4,
    "eval_episodes": 3,
    "eval_every": 8,
    "checkpoint_every": 0,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "env_groups": 1,
    "disk_wait": 0,
}
SIZE = 16


class Numbers(VectorEnv[Any, Any, Any]):
    """Noise to look at; the reward depends on the action; episodes of seven steps."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.single_action_space = gymnasium.spaces.Discrete(3)
        self.time = np.zeros(num_envs, np.int64)
        self.sum = np.zeros(num_envs)

    def see(self) -> np.ndarray:
        rng = np.random.default_rng(int(self.time.sum()))
        return rng.integers(0, 255, (self.num_envs, SIZE, SIZE, 3), np.uint8)

    def reset(self, **kwargs: Any) -> Any:
        return self.see(), {}

    def step(self, actions: Any) -> Any:
        rewards = (actions + self.time) % 3.0
        self.time += 1
        self.sum += rewards
        done = self.time % 7 == 0
        infos: dict[str, Any] = {}
        if done.any():
            infos = {"finished": {"r": self.sum.copy(), "l": np.full(self.num_envs, 7)}}
            infos["_finished"] = done
            self.sum[done] = 0
        return self.see(), rewards, done, np.zeros_like(done), infos

    def get_state(self) -> list[bytes]:
        pairs = zip(self.time, self.sum, strict=True)
        return [np.array(pair, "<f8").tobytes() for pair in pairs]

    def set_state(self, states: Sequence[bytes]) -> None:
        pairs = np.array([np.frombuffer(state, "<f8") for state in states])
        self.time, self.sum = pairs[:, 0].astype(np.int64), pairs[:, 1].copy()

    def observe(self) -> Any:
        return self.see(), {}


def played(agent: Any, game: str, split: Any, episodes: int, *args: Any, **options: Any) -> Any:
    """An evaluation that gives the weights' sum as return."""
    for _ in range(episodes):
        if options.get("on_step"):
            options["on_step"]()
        if options.get("on_episode"):
            options["on_episode"]()
    total = sum(float(weight.double().sum()) for weight in agent.state_dict().values())
    rows = {"level_seed": range(episodes), "return": [total] * episodes, "length": 7}
    return pd.DataFrame({"split": str(split), **rows})


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on `train` plays with `Numbers`."""
    play_numbers(monkeypatch)


def play_numbers(patch: pytest.MonkeyPatch) -> None:
    """Have `train` play with `Numbers` until the patch is undone."""
    patch.setattr("drac.train.loop.Training", tiny_training)
    patch.setattr("drac.train.session.evaluate", played)
    patch.setattr(provenance, "describe", lambda config, build: {"device": "cpu"})
    patch.setattr("drac.train.loop.try_augmentations", lambda made, config: [])


def tiny_training(config: TrainConfig) -> Training:
    return Training(config, Numbers(config.num_envs))


def grouped_training(config: TrainConfig, patch: pytest.MonkeyPatch) -> Training:
    """The same, the envs in the config's groups."""
    groups = int(config.env_groups)
    envs = EnvGroups([Numbers(config.num_envs // groups) for _ in range(groups)])
    patch.setattr("drac.train.state._procgen", lambda config: envs)
    return Training(config)


def tiny_config(**options: Any) -> TrainConfig:
    return TrainConfig(**with_defaults(OPTIONS, options))


def tables(run_dir: Path) -> dict[str, list[dict[str, str]]]:
    """Every CSV file of a run, without the columns that measure time."""
    found = {}
    for path in sorted(run_dir.glob("*.csv")):
        with path.open(newline="") as file:
            found[path.name] = [
                {key: value for key, value in row.items() if key not in TIMING_COLUMNS}
                for row in csv.DictReader(file)
            ]
    return found


def rows(run_dir: Path, name: str) -> list[dict[str, str]]:
    """One of them, such as "progress"."""
    return tables(run_dir)[f"{name}.csv"]


def assert_same_run(one: Path, other: Path) -> None:
    """All of the state, and every row of every log, are the same, bit for bit."""
    assert differences(state(one), state(other)) == []
    assert tables(one) == tables(other)
    assert {"progress.csv", "arms.csv", "eval.csv"} <= tables(one).keys()


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two states differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [d for key in one for d in differences(one[key], other[key], f"{where}/{key}")]
    return [] if same(one, other) else [where]


def state(run_dir: Path) -> dict[str, Any]:
    """The whole state of a run's newest checkpoint, without what measures time."""
    path = checkpoint.newest(run_dir)
    assert path
    held = checkpoint.load(path)
    del held["wall_s"], held["positions"]
    return held
