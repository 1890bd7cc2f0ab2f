"""Trials: which levels they are played in, in training and in evaluation; and continuing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import Numbers
from torch import Tensor

from drac.config import TrainConfig, build
from drac.envs import ProcgenVectorEnv
from drac.envs.trials import TrialLevels, Trials
from drac.errors import ConfigError
from drac.evaluate import evaluate, evaluate_each
from drac.games import NUM_ACTIONS


def chosen(levels: TrialLevels, slots: list[int]) -> list[int]:
    """What an env of Procgen's would be given, for the first episodes, then those that follow."""
    env = levels.wrap(Numbers(2))  # type: ignore[arg-type]
    first = [env._first(slot) for slot in range(2)]
    return [*first, *(env._choose(slot) for slot in slots)]


def test_every_trial_has_one_level_and_every_level_is_as_likely() -> None:
    levels = TrialLevels(range(10, 14), 3, np.random.default_rng(0))
    one, other, *rest = chosen(levels, [0, 0, 1, 0, 1, 1, 0, 0])
    assert rest[:3] == [one, one, other]
    assert rest[4] == other
    assert rest[3] == rest[6] == rest[7]
    counts = Counter(chosen(TrialLevels(range(10, 14), 1, np.random.default_rng(0)), [0] * 4000))
    assert set(counts) == {10, 11, 12, 13}
    assert min(counts.values()) > 900


def agent(obs: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros(len(obs), NUM_ACTIONS), torch.zeros(len(obs))


@pytest.mark.parametrize("split", ["test", range(5, 9)])
def test_evaluation_plays_whole_trials(split: Any) -> None:
    how: Any = {"episodes": 12, "num_envs": 3, "episodes_per_trial": 2}
    table = evaluate(agent, "starpilot", split, **how)
    levels = table["level_seed"].to_numpy().reshape(-1, 2)
    assert (levels[:, 0] == levels[:, 1]).all()
    assert len(np.unique(levels)) > 1
    if split != "test":
        assert set(table["level_seed"]) <= set(split)
    assert table.equals(evaluate(agent, "starpilot", split, **how))
    with pytest.raises(ValueError, match="11 episodes are no whole trials of 2"):
        evaluate(agent, "starpilot", split, **how | {"episodes": 11})


def test_each_level_is_played_in_trials() -> None:
    table = evaluate_each(agent, "starpilot", (7, 5, 6), 2, num_envs=4, episodes_per_trial=3)
    assert table["level_seed"].tolist() == [7] * 6 + [5] * 6 + [6] * 6


def test_training_plays_trials_and_goes_on_with_them() -> None:
    config = TrainConfig(method="rl2-ppo", game="starpilot", levels="3-40", num_envs=8)

    def begin() -> tuple[Trials, Any]:
        trials = Trials(config)
        env = ProcgenVectorEnv("starpilot", 4, config.train_levels, seed=1, num_threads=0)
        return trials, trials.wrap(env)

    def play(env: Any, steps: int) -> list[list[int]]:
        levels: list[list[int]] = [[] for _ in range(4)]
        random = np.random.default_rng(5)
        for _ in range(steps):
            infos = env.step(random.integers(0, NUM_ACTIONS, 4))[-1]
            for slot in np.flatnonzero(infos.get("_finished", ())):
                levels[slot].append(int(infos["prev_level_seed"][slot]))
        return levels

    trials, env = begin()
    env.reset()
    played = play(env, 600)
    assert min(map(len, played)) >= 4
    for levels in played:
        pairs = np.array(levels[: len(levels) // 2 * 2]).reshape(-1, 2)
        assert (pairs[:, 0] == pairs[:, 1]).all()
    again, other = begin()
    other.reset()
    again.load_state_dict(trials.state_dict())
    other.set_state(env.get_state())
    assert play(env, 300) == play(other, 300)
    env.close()
    other.close()


def test_what_trials_cannot_be_made_of_is_refused() -> None:
    with pytest.raises(ConfigError, match="eval_episodes 100 are not divisible by episodes_per_t"):
        build({"method": "rl2-ppo", "episodes_per_trial": 3})
    with pytest.raises(ConfigError, match="levels 'all' have no end"):
        build({"method": "rl2-ppo", "levels": "all"})
    with pytest.raises(ConfigError, match="'ppo-lstm' has no option episodes_per_trial"):
        build({"method": "ppo-lstm", "episodes_per_trial": 3})
    with pytest.raises(ConfigError, match="in Procgen's levels, not in nothing"):
        Trials(TrainConfig(method="rl2-ppo")).wrap("nothing")  # type: ignore[arg-type]
    single = Trials(TrainConfig(method="rl2-ppo", episodes_per_trial=1))
    assert single.wrap("any env") == "any env"  # type: ignore[arg-type,comparison-overlap]
