"""Groups of envs: env n plays the same whatever the number of groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from procgen_runs import played, procgen_config, some_games

from drac.config import TrainConfig
from drac.envs import ProcgenVectorEnv
from drac.envs.groups import procgen_groups
from drac.train import iterate
from drac.train.state import Training


@pytest.mark.parametrize("game", some_games("coinrun", "dodgeball", "starpilot"))
def test_groups_play_what_one_group_plays(game: str) -> None:
    whole = procgen_groups(ProcgenVectorEnv(game, 6, seed=5), 1)
    expected = played(whole, 60)
    for number in (2, 3):
        groups = procgen_groups(ProcgenVectorEnv(game, 6, seed=5), number)
        assert len(groups) == number
        np.testing.assert_equal(played(groups, 60), expected)
        groups.close()
    whole.close()


def test_the_test_split_too() -> None:
    whole = procgen_groups(ProcgenVectorEnv("coinrun", 4, "test", seed=5), 1)
    groups = procgen_groups(ProcgenVectorEnv("coinrun", 4, "test", seed=5), 2)
    expected = played(whole, 400)
    np.testing.assert_equal(played(groups, 400), expected)
    assert len({int(seed) for seeds in expected[2::2] for seed in seeds}) > 4  # new levels came
    groups.close()
    whole.close()


def test_a_state_fits_any_number_of_groups() -> None:
    one = procgen_groups(ProcgenVectorEnv("maze", 6, seed=5), 1)
    played(one, 20)
    three = procgen_groups(ProcgenVectorEnv("maze", 6, seed=8), 3)
    three.set_state(one.get_state())
    assert three.get_state() == one.get_state()
    np.testing.assert_equal(played(three, 30), played(one, 30))
    with pytest.raises(ValueError, match="5 states were given for 6 envs"):
        three.set_state(one.get_state()[:5])
    one.close()
    three.close()


def test_envs_that_do_not_divide_are_refused() -> None:
    env = ProcgenVectorEnv("maze", 6)
    with pytest.raises(ValueError, match="6 envs do not divide into 4 groups"):
        procgen_groups(env, 4)
    env.close()
    with pytest.raises(ValueError, match="num_envs 64 is not divisible by env_groups 5"):
        TrainConfig(env_groups=5)


def test_a_rollout_does_not_depend_on_the_number_of_groups() -> None:
    """In float64, where batches of other sizes round alike to the bit that decides an action."""

    def rollout(groups: int) -> Training:
        config = procgen_config(num_envs=8, num_steps=48, steps=384, env_groups=groups)
        training = Training(config)
        next(iterate(training))
        training.env.close()
        return training

    one, two = rollout(1), rollout(2)
    for name in ("obs", "actions", "dones", "rewards"):
        assert torch.equal(getattr(one.rollout, name), getattr(two.rollout, name)), name
    for name in ("values", "log_probs", "returns"):
        torch.testing.assert_close(getattr(one.rollout, name), getattr(two.rollout, name))
    assert list(one.recent) == list(two.recent)
    assert one.episodes == two.episodes > 0
