"""The envs by name, and Gymnasium's own checkers and wrappers around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import GrayscaleObservation, vector
from matrix import sampled

from drac.envs import ProcgenEnv, ProcgenVectorEnv
from drac.games import GAMES

EVERY_GAME = pytest.mark.parametrize("game", sampled(GAMES, ("bigfish", "jumper")))


def play(env: Any, steps: int) -> Iterator[Any]:
    env.reset(seed=3)
    env.action_space.seed(0)
    for _ in range(steps):
        yield env.step(env.action_space.sample())


@EVERY_GAME
def test_the_name_is_that_of_a_vector_env(game: str) -> None:
    env = gymnasium.make_vec(f"drac.envs:procgen_drac/{game}-v0", num_envs=3, split="test")
    assert isinstance(env, ProcgenVectorEnv)
    assert (env.game, env.num_envs, env.levels) == (game, 3, None)
    assert env.spec is not None
    env.close()


@EVERY_GAME
@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_the_checker_of_single_envs_finds_nothing(game: str, render_mode: str | None) -> None:
    env = gymnasium.make(f"procgen_drac/{game}-v0", split=range(5), render_mode=render_mode)
    assert isinstance(env.unwrapped, ProcgenEnv)
    check_env(env.unwrapped)


@EVERY_GAME
def test_a_single_env_plays_what_a_vector_of_one_plays(game: str) -> None:
    """Past an episode's end, after which the loop resets as Gymnasium wants it."""
    single = gymnasium.make(f"procgen_drac/{game}-v0", mode="easy")
    several = ProcgenVectorEnv(game, 1)
    (obs, _), (expected, _) = single.reset(seed=5), several.reset(seed=5)
    for action in np.random.default_rng(0).integers(0, 15, 1100):
        obs, reward, ended, _, info = single.step(action)
        expected, rewards, dones, _, infos = several.step(np.array([action]))
        np.testing.assert_array_equal(obs, expected[0])
        assert (reward, ended) == (rewards[0], dones[0])
        assert info == {key: infos[key][0] for key in ("level_seed", "prev_level_seed")}
        if ended:
            np.testing.assert_array_equal(single.reset()[0], expected[0])
            break
    assert ended


@EVERY_GAME
def test_wrappers_count_and_normalize(game: str) -> None:
    """Their episodes are ours, whichever of the two wrappers is outside."""
    env = gymnasium.make_vec(f"procgen_drac/{game}-v0", num_envs=8, num_threads=0)
    wrapped = vector.NormalizeReward(vector.RecordEpisodeStatistics(env))
    ended = 0
    for *_, infos in play(wrapped, 1100):
        assert ("episode" in infos) == ("finished" in infos)
        if "finished" in infos:
            done, ours = infos["_finished"], infos["finished"]
            np.testing.assert_array_equal(infos["_episode"], done)
            np.testing.assert_allclose(infos["episode"]["r"][done], ours["r"][done])
            np.testing.assert_array_equal(infos["episode"]["l"][done], ours["l"][done])
            ended += 1
        if ended == 2:
            break
    assert ended
    wrapped.close()


@EVERY_GAME
def test_gymnasium_records_a_video(game: str, tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    env = gymnasium.make_vec(f"procgen_drac/{game}-v0", num_envs=2, render_mode="rgb_array")
    assert env.metadata["render_fps"] == 15
    with pytest.warns(UserWarning, match="same-step"):  # our mode, as docs/the-env-alone.md says
        recorded = vector.RecordVideo(env, str(tmp_path / "clips"), lambda episode: episode == 0)
    for _ in play(recorded, 6):
        pass
    recorded.close()
    assert [path.suffix for path in (tmp_path / "clips").iterdir()] == [".mp4"]


def test_gymnasium_makes_vectors_of_single_envs_too() -> None:
    env = gymnasium.make_vec("procgen_drac/maze-v0", num_envs=2, vectorization_mode="sync")
    for obs, *_ in play(env, 3):
        assert obs.shape == (2, 64, 64, 3)
    env.close()


def test_a_reset_within_an_episode_starts_anew_and_one_after_it_goes_on() -> None:
    env = ProcgenEnv("bigfish", seed=1)
    first, _ = env.reset()
    env.step(4)
    assert (env.reset()[0] != first).any()
    np.testing.assert_array_equal(env.reset(seed=1)[0], first)
    env.close()


def test_observation_wrappers_want_single_envs() -> None:
    """As docs/the-env-alone.md says: Gymnasium's own for vectors refuse SAME_STEP."""
    env = gymnasium.make_vec("procgen_drac/bigfish-v0", num_envs=4)
    with pytest.raises(ValueError, match="SAME_STEP"):
        vector.GrayscaleObservation(env)
    env.close()
    gray = gymnasium.make_vec(
        "procgen_drac/bigfish-v0", 2, vectorization_mode="sync", wrappers=[GrayscaleObservation]
    )
    for obs, *_ in play(gray, 60):
        assert obs.shape == (2, 64, 64)
    gray.close()


def test_a_wrong_argument_is_our_sentence() -> None:
    with pytest.raises(ValueError, match="unknown split 'tset': choose 'train', 'test' or a range"):
        gymnasium.make("procgen_drac/bigfish-v0", split="tset")
    env = gymnasium.make("procgen_drac/bigfish-v0", disable_env_checker=True)
    with pytest.raises(ValueError, match="Procgen has no reset options"):
        env.reset(options={"level": 3})
    env.reset()
    with pytest.raises(ValueError, match="0..14"):
        env.step(15)
    env.close()
