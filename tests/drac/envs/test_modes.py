"""Procgen's distribution modes, and training on all levels: on real Procgen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matrix import sampled
from procgen.env import EXPLORATION_LEVEL_SEEDS
from procgen_runs import procgen_config

from drac.config import TrainConfig, build
from drac.envs import ProcgenVectorEnv
from drac.errors import ConfigError
from drac.games import EXPLORATION_LEVELS, MODES
from drac.train import train

EVERY = [(game, mode) for mode in MODES for game in MODES[mode]]
FEW = [("leaper", "extreme"), ("maze", "memory"), ("ninja", "exploration")]


@pytest.mark.parametrize("of", sampled(EVERY, FEW))
def test_a_mode_is_procgens_own(of: tuple[str, Any]) -> None:
    game, mode = of
    env = ProcgenVectorEnv(game, 2, range(1) if mode != "exploration" else "train", mode=mode)
    obs, infos = env.reset()
    again = env.smaller([env.initial_state(int(infos["level_seed"][0]))])
    np.testing.assert_array_equal(again.reset()[0][0], obs[0])
    hard = ProcgenVectorEnv(game, 1, env.levels or "test", mode="hard")
    same = np.array_equal(hard.reset()[0][0], obs[0])
    assert same or mode not in ("hard", "exploration")
    for one in (env, again, hard):
        one.close()


def test_exploration_is_one_level_on_either_split() -> None:
    assert dict(EXPLORATION_LEVELS) == EXPLORATION_LEVEL_SEEDS
    for split in ("train", "test"):
        env = ProcgenVectorEnv("maze", 3, split, seed=1, mode="exploration")  # type: ignore[arg-type]
        assert env.reset()[1]["level_seed"].tolist() == [EXPLORATION_LEVELS["maze"]] * 3
        env.close()
    config = build({"game": "maze", "mode": "exploration"})
    assert config.levels == "158988835-158988835"
    assert build(config.model_dump(), recorded=True) == config
    assert build({"game": "maze", "mode": "exploration", "method": "plr"}).train_levels == range(
        158988835, 158988836
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"game": "bigfish", "mode": "memory"}, "bigfish has no mode 'memory'; caveflyer, dodge"),
        ({"game": "maze", "mode": "extreme"}, "maze has no mode 'extreme'; chaser, dodgeball, l"),
        ({"game": "miner", "mode": "exploration"}, "miner has no mode 'exploration'; caveflyer"),
        ({"game": "maze", "mode": "exploration", "levels": "0-9"}, "one level, 158988835: leave"),
        ({"game": "maze", "mode": "exploration", "levels": "all"}, "one level, 158988835: leave"),
        ({"game": [], "mode": "exploration"}, "game"),
        ({"method": "plr", "levels": "all"}, "'all' have no end; method 'plr' chooses among 10,0"),
        ({"levels": "ALL"}, "levels 'ALL' must be A-B"),
        ({"levels": "5,9"}, "levels '5,9' must be A-B with 0 <= A <= B, e.g. 0-199, or all"),
    ],
)
def test_what_is_not_possible(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"levels": "all"}, {"game": "leaper", "mode": "extreme"}],
    ids=["all levels", "extreme"],
)
def test_a_run_trains_and_is_evaluated(options: dict[str, Any], tmp_path: Path) -> None:
    config = procgen_config(**options, eval_episodes=2)
    train(config, tmp_path / "run")
    assert TrainConfig.from_json(tmp_path / "run" / "config.json") == config
    played = pd.read_csv(tmp_path / "run" / "eval.csv")
    assert played["split"].value_counts().to_dict() == {"train": 2, "test": 2}
    beyond = played[played["level_seed"] >= 200]["split"]
    assert set(beyond) >= ({"train", "test"} if config.levels == "all" else {"test"})
