"""Stable-Baselines3 on our envs; it is no dependency, and where it is missing nothing is tested."""

from __future__ import annotations

import numpy as np
import pytest

from drac.envs import ProcgenVectorEnv

sb3 = pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.filterwarnings("default")  # what another library warns of is its own


def test_it_trains_2000_steps_and_counts_our_episodes() -> None:
    from drac.sb3 import ProcgenVecEnv

    env = ProcgenVecEnv(ProcgenVectorEnv("bigfish", 8, split="train"))
    model = sb3.PPO("CnnPolicy", env, n_steps=125, batch_size=250, n_epochs=1, seed=1, device="cpu")
    model.learn(2000)
    assert model.num_timesteps == 2000
    assert len(model.ep_info_buffer) > 0
    assert all(0 < episode["l"] <= 1000 for episode in model.ep_info_buffer)
    env.close()


def test_the_view_shows_what_the_env_shows() -> None:
    from drac.sb3 import ProcgenVecEnv

    view = ProcgenVecEnv(ProcgenVectorEnv("bigfish", 4, seed=5, render_mode="rgb_array"))
    env = ProcgenVectorEnv("bigfish", 4, seed=5)
    view.seed(7)
    np.testing.assert_array_equal(view.reset(), env.reset(seed=7)[0])
    for actions in np.random.default_rng(0).integers(0, 15, (60, 4)):
        obs, rewards, dones, each = view.step(actions)
        expected, expected_rewards, ended, _, infos = env.step(actions)
        np.testing.assert_array_equal(obs, expected)
        np.testing.assert_array_equal(rewards, expected_rewards)
        np.testing.assert_array_equal(dones, ended)
        for i in np.flatnonzero(ended):
            assert each[i]["episode"]["r"] == infos["finished"]["r"][i]
    assert view.render().shape == (1024, 1024, 3)
    assert view.get_attr("game", 0) == ["bigfish"]
    with pytest.raises(NotImplementedError, match="use .env"):
        view.set_attr("game", "maze")
    view.close()
    env.close()
