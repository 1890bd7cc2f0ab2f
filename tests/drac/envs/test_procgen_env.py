"""Real Procgen as a vector environment."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from checkout import ROOT
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from drac.envs import ProcgenVectorEnv, procgen_env
from drac.envs.procgen_env import level_range
from drac.errors import ConfigError
from drac.games import GAMES, NUM_ACTIONS

QUICK = "dodgeball"  # a random player's episodes last about 40 steps

Moment = tuple[Any, ...]


def random_actions(steps: int, num_envs: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, NUM_ACTIONS, (steps, num_envs))


def play(env: ProcgenVectorEnv, actions: NDArray[np.int64]) -> list[Moment]:
    """Everything that an env returns while these actions are played."""
    return [env.step(row) for row in actions]


def assert_same(played: list[Moment], expected: list[Moment]) -> None:
    """Compare bit for bit."""
    for moment, other in zip(played, expected, strict=True):
        for value, wanted in zip(moment[:4], other[:4], strict=True):
            assert value.dtype == wanted.dtype
            np.testing.assert_array_equal(value, wanted)
        assert moment[4].keys() == other[4].keys()
        np.testing.assert_equal(moment[4], other[4])


@pytest.fixture
def env() -> Iterator[ProcgenVectorEnv]:
    env = ProcgenVectorEnv(QUICK, 4, seed=5)
    yield env
    env.close()


# What it is


def test_it_is_a_gymnasium_vector_env(env: ProcgenVectorEnv) -> None:
    assert isinstance(env, VectorEnv)
    assert env.unwrapped is env
    assert env.num_envs == 4
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.render_mode is None
    assert env.single_observation_space == gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    assert env.single_action_space == gymnasium.spaces.Discrete(NUM_ACTIONS)
    assert env.observation_space == gymnasium.spaces.Box(0, 255, (4, 64, 64, 3), np.uint8)
    assert env.action_space == gymnasium.spaces.MultiDiscrete([NUM_ACTIONS] * 4)


def test_what_it_returns_is_in_its_spaces(env: ProcgenVectorEnv) -> None:
    env.action_space.seed(0)
    obs, infos = env.reset()
    assert env.observation_space.contains(obs)
    assert infos.keys() == {"level_seed"}
    for _ in range(100):
        obs, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
        assert env.observation_space.contains(obs)
        for array, dtype in ((rewards, np.float32), (terminated, np.bool_), (truncated, np.bool_)):
            assert (array.shape, array.dtype) == ((4,), dtype)
        assert not truncated.any()
        assert infos["level_seed"].shape == (4,)
        assert infos["level_seed"].dtype == np.int64
        assert ("finished" in infos) == ("_finished" in infos) == terminated.any()
        if terminated.any():
            np.testing.assert_array_equal(infos["_finished"], terminated)
            assert infos["finished"].keys() == {"r", "l", "level_seed"}
            assert {value.shape for value in infos["finished"].values()} == {(4,)}


def test_gymnasium_s_vector_wrappers_understand_it(env: ProcgenVectorEnv) -> None:
    listed = gymnasium.wrappers.vector.DictInfoToList(env)  # transforming ones want NEXT_STEP
    _, infos = listed.reset()
    assert len(infos) == 4
    for actions in random_actions(60, 4):
        _, _, ended, _, infos = listed.step(actions)
        assert [("finished" in info) for info in infos] == ended.tolist()


def test_what_was_returned_stays_as_it_was(env: ProcgenVectorEnv) -> None:
    first, _ = env.reset()
    moments = [(first, first.copy())]
    for actions in random_actions(40, 4):
        for value in env.step(actions)[:4]:
            moments.append((value, value.copy()))
            value.flags.writeable = False
    for value, copy in moments:
        np.testing.assert_array_equal(value, copy)


@pytest.mark.parametrize("game", GAMES)
def test_every_game_plays(game: str) -> None:
    env = ProcgenVectorEnv(game, 1, seed=1)
    obs, _ = env.reset()
    assert obs.std() > 0
    for actions in random_actions(10, 1):
        moved, *_ = env.step(actions)
    assert moved.shape == (1, 64, 64, 3)
    env.close()


def test_modes_differ() -> None:
    frames = {}
    for mode in ("easy", "hard"):
        env = ProcgenVectorEnv("maze", 1, seed=1, mode=mode)  # type: ignore[arg-type]
        frames[mode] = env.reset()[0]
        env.close()
    assert (frames["easy"] != frames["hard"]).any()


# Levels


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", (0, 200)),
        ("test", (0, 0)),
        (range(200), (0, 200)),
        (range(500, 510), (500, 10)),
        (range(7, 8), (7, 1)),
        (range(2**31 - 2, 2**31 - 1), (2**31 - 2, 1)),
    ],
)
def test_a_split_is_a_range_of_levels(split: procgen_env.Split, expected: tuple[int, int]) -> None:
    assert level_range(split) == expected


@pytest.mark.parametrize(
    "split",
    [
        *(range(0), range(5, 5), range(9, 3), range(-1, 5), range(0, 10, 2), range(10, 0, -1)),
        *(range(2**31), range(2**70), "Train", "", "validation", None, 5, (0, 200)),
    ],
)
def test_another_split_is_refused(split: Any) -> None:
    with pytest.raises(ValueError, match=r"unknown split .*choose 'train'|must be a non-empty"):
        level_range(split)


@pytest.mark.parametrize(
    ("split", "levels"), [("train", range(200)), (range(500, 505), range(500, 505))]
)
def test_levels_come_from_the_split(split: procgen_env.Split, levels: range) -> None:
    env = ProcgenVectorEnv(QUICK, 8, split, seed=2)
    seen = set(env.reset()[1]["level_seed"].tolist())
    for *_, infos in play(env, random_actions(250, 8)):
        seen |= set(infos["level_seed"].tolist())
        if "finished" in infos:
            seen |= set(infos["finished"]["level_seed"][infos["_finished"]].tolist())
    env.close()
    assert seen <= set(levels)
    assert len(seen) > min(len(levels) - 1, 20)


def test_the_test_split_is_the_full_distribution() -> None:
    env = ProcgenVectorEnv(QUICK, 16, "test", seed=2)
    seeds = env.reset()[1]["level_seed"]
    env.close()
    assert len(set(seeds.tolist())) == 16
    assert np.median(seeds) > 10**8


# Episodes


def test_episodes_are_those_of_an_independent_count(env: ProcgenVectorEnv) -> None:
    raw = procgen_env.ProcgenGym3Env(
        num=4,
        env_name=QUICK,
        num_levels=200,
        start_level=0,
        distribution_mode="easy",
        rand_seed=5,
        num_threads=1,
    )
    expected, got = [], []
    totals, steps = [0.0] * 4, [0] * 4
    levels = [info["level_seed"] for info in raw.get_info()]
    assert env.reset()[1]["level_seed"].tolist() == levels
    for t, actions in enumerate(random_actions(300, 4)):
        raw.act(actions.astype(np.int32))
        rewards, _, first = raw.observe()
        obs, own_rewards, ended, _, infos = env.step(actions)
        np.testing.assert_array_equal(obs, raw.observe()[1]["rgb"])
        np.testing.assert_array_equal(own_rewards, rewards)
        np.testing.assert_array_equal(ended, first)
        for i in range(4):
            totals[i] += float(rewards[i])
            steps[i] += 1
            if first[i]:
                assert raw.get_info()[i]["prev_level_seed"] == levels[i]
                expected.append((t, i, totals[i], steps[i], levels[i]))
                totals[i], steps[i] = 0.0, 0
                levels[i] = raw.get_info()[i]["level_seed"]
        assert infos["level_seed"].tolist() == levels
        for i in np.flatnonzero(infos.get("_finished", np.zeros(4, bool))):
            episode = infos["finished"]
            row = (float(episode["r"][i]), int(episode["l"][i]), int(episode["level_seed"][i]))
            got.append((t, int(i), *row))
    raw.close()
    assert got == expected
    assert len(got) > 10
    assert len({total for _, _, total, _, _ in got}) > 1


# Seeds


def test_one_seed_gives_one_sequence_whatever_the_threads(env: ProcgenVectorEnv) -> None:
    actions = random_actions(150, 4)
    first = env.reset()
    played = play(env, actions)
    for num_threads in (0, 1, 5):
        other = ProcgenVectorEnv(QUICK, 4, "train", seed=5, num_threads=num_threads)
        np.testing.assert_equal(other.reset(), first)
        assert_same(play(other, actions), played)
        other.close()


def test_another_seed_gives_another_sequence(env: ProcgenVectorEnv) -> None:
    other = ProcgenVectorEnv(QUICK, 4, seed=6)
    assert other.reset()[1]["level_seed"].tolist() != env.reset()[1]["level_seed"].tolist()
    other.close()


def test_a_reset_starts_anew_and_repeatably(env: ProcgenVectorEnv) -> None:
    actions = random_actions(40, 4)

    def resets(env: ProcgenVectorEnv) -> list[Any]:
        seen: list[Any] = []
        for _ in range(3):
            seen += [env.reset(), *play(env, actions)]
        return seen

    once = resets(env)
    starts = [once[i][1]["level_seed"].tolist() for i in (0, 41, 82)]
    assert len({tuple(levels) for levels in starts}) == 3
    other = ProcgenVectorEnv(QUICK, 4, seed=5)
    np.testing.assert_equal(resets(other), once)
    # A seed given to reset is the one that could have been given at construction.
    seeded = ProcgenVectorEnv(QUICK, 4, seed=77)
    play(seeded, actions)
    again = [seeded.reset(seed=5), *play(seeded, actions)]
    for _ in range(2):
        again += [seeded.reset(), *play(seeded, actions)]
    np.testing.assert_equal(again, once)
    other.close()
    seeded.close()


def test_a_reset_forgets_running_returns(env: ProcgenVectorEnv) -> None:
    env.reset()
    play(env, random_actions(15, 4))
    env.reset(seed=5)
    lengths: dict[int, int] = {}
    for t, (*_, infos) in enumerate(play(env, random_actions(200, 4)), start=1):
        for i in np.flatnonzero(infos.get("_finished", ())):
            lengths.setdefault(int(i), t)
            if lengths[int(i)] == t:
                assert infos["finished"]["l"][i] == t
    assert len(lengths) > 1


# States


def test_a_state_continues_bit_for_bit_in_a_fresh_env(env: ProcgenVectorEnv) -> None:
    env.reset()
    play(env, random_actions(57, 4))
    states, shown = env.get_state(), env.observe()
    actions = random_actions(100, 4, seed=1)
    expected = play(env, actions)
    assert any("finished" in infos for *_, infos in expected)

    env.set_state(states)  # back to the past
    np.testing.assert_equal(env.observe(), shown)
    assert_same(play(env, actions), expected)

    fresh = ProcgenVectorEnv(QUICK, 4, range(900, 901), seed=99, num_threads=1)
    fresh.set_state(states)  # the levels to come are part of a state
    np.testing.assert_equal(fresh.observe(), shown)
    assert fresh.get_state() == states
    assert_same(play(fresh, actions), expected)
    fresh.close()


def test_a_state_may_be_put_into_some_envs_only(env: ProcgenVectorEnv) -> None:
    env.reset()
    play(env, random_actions(30, 4))
    states = env.get_state()
    actions = random_actions(100, 4, seed=1)
    source = play(env, actions)

    other = ProcgenVectorEnv(QUICK, 3, seed=8)
    other.reset()
    play(other, random_actions(12, 3))
    untouched = other.get_state()[1]
    other.set_state([states[3], states[1]], [0, 2])
    assert other.get_state() == [states[3], untouched, states[1]]
    alone = ProcgenVectorEnv(QUICK, 1)
    alone.set_state([untouched])
    columns = actions[:, [3, 0, 1]]
    mixed, single = play(other, columns), play(alone, columns[:, 1:2])
    for got, expected, lone in zip(mixed, source, single, strict=True):
        for value, wanted, own in zip(got[:4], expected[:4], lone[:4], strict=True):
            np.testing.assert_array_equal(value[[0, 2]], wanted[[3, 1]])
            np.testing.assert_array_equal(value[1], own[0])
        for i, wanted_infos, j in ((0, expected[4], 3), (2, expected[4], 1), (1, lone[4], 0)):
            assert got[4]["level_seed"][i] == wanted_infos["level_seed"][j]
            if "_finished" in got[4] and got[4]["_finished"][i]:
                for key, value in got[4]["finished"].items():
                    assert value[i] == wanted_infos["finished"][key][j]
    other.close()
    alone.close()


def test_taking_a_state_changes_nothing(env: ProcgenVectorEnv) -> None:
    other = ProcgenVectorEnv(QUICK, 4, seed=5)
    for actions in random_actions(60, 4):
        assert env.get_state() == env.get_state()
        np.testing.assert_equal(env.step(actions), other.step(actions))
    other.close()


def test_what_is_no_state_is_refused_and_nothing_is_set(env: ProcgenVectorEnv) -> None:
    play(env, random_actions(20, 4))
    good = env.get_state()
    play(env, random_actions(20, 4, seed=2))
    before = env.get_state()
    maze = ProcgenVectorEnv("maze", 1)
    for bad in (b"", b"x" * 16, b"x" * 99, good[0][:30], good[0][16:], maze.get_state()[0]):
        with pytest.raises(ValueError, match=f"env 1 is no state of {QUICK}"):
            env.set_state([good[0], bad], [0, 1])
    maze.close()
    for indices in ([0, 4], [0, -1]):
        with pytest.raises(ValueError, match=r"env index .* is not in 0..3"):
            env.set_state(good[:2], indices)
    for states, wanted in ((good[:3], None), ([*good, good[0]], None), (good[:1], [0, 1])):
        with pytest.raises(ValueError, match=r"states were given for"):
            env.set_state(states, wanted)
    assert env.get_state() == before


# Wrong use


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"game": "coinrum"}, "unknown game 'coinrum' .did you mean 'coinrun'"),
        ({"game": "Maze"}, "did you mean 'maze'"),
        ({"num_envs": 0}, "num_envs must be at least 1, not 0"),
        ({"num_envs": -3}, "num_envs must be at least 1"),
        ({"split": "valid"}, "unknown split 'valid'"),
        ({"split": range(3, 3)}, "non-empty"),
        ({"mode": "Easy"}, "unknown mode 'Easy': choose easy, hard, extreme, memory, exploration"),
        (
            {"game": "coinrun", "mode": "extreme"},
            "coinrun has no mode 'extreme'; chaser, dodgeball, leaper, starpilot have it",
        ),
        (
            {"game": "maze", "mode": "exploration", "split": range(5)},
            "maze's exploration mode has one level, 158988835",
        ),
        ({"seed": -1}, "seed must be in 0..2147483647, not -1"),
        ({"seed": 2**31}, "seed must be in"),
        ({"num_threads": -1}, "num_threads must be at least 0"),
    ],
)
def test_wrong_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProcgenVectorEnv(**{"game": QUICK, "num_envs": 1, **kwargs})


@pytest.mark.parametrize(
    "actions",
    [
        *(np.zeros(3, int), np.zeros((4, 1), int), np.int64(1), np.zeros(4), np.zeros(4, bool)),
        *(np.array([0, 0, 0, 15]), np.array([-1, 0, 0, 0]), np.array([0, 2**40, 0, 0]), ["up"] * 4),
    ],
    ids=repr,
)
def test_wrong_actions_are_refused_and_nothing_moves(env: ProcgenVectorEnv, actions: Any) -> None:
    env.reset()
    before = env.get_state()
    with pytest.raises(ValueError, match="actions must be"):
        env.step(actions)
    assert env.get_state() == before


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_actions_may_be_of_any_integer_type(env: ProcgenVectorEnv, dtype: Any) -> None:
    states = env.get_state()
    expected = env.step(np.array([14, 0, 7, 3]))
    env.set_state(states)
    np.testing.assert_equal(env.step(np.array([14, 0, 7, 3], dtype)), expected)
    env.set_state(states)
    np.testing.assert_equal(env.step([14, 0, 7, 3]), expected)  # type: ignore[arg-type]


def test_wrong_resets(env: ProcgenVectorEnv) -> None:
    with pytest.raises(ValueError, match="list of seeds"):
        env.reset(seed=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="no reset options.*'level'"):
        env.reset(options={"level": 3})
    with pytest.raises(ValueError, match="seed must be in"):
        env.reset(seed=-1)
    obs, _ = env.reset(options={})
    assert obs.shape == (4, 64, 64, 3)


def test_an_env_is_closed_while_another_is_made() -> None:
    """As the garbage collector does, in the very thread that holds the lock of cffi, for good."""
    env = ProcgenVectorEnv("maze", 1)
    with env._env._ffi._lock:
        closing = threading.Thread(target=env.close, daemon=True)  # here it could not be ended
        closing.start()
        closing.join(timeout=20)
        assert not closing.is_alive()


def test_a_closed_env_says_so(env: ProcgenVectorEnv) -> None:
    states = env.get_state()
    env.close()
    env.close()
    for use in (
        env.reset,
        env.observe,
        env.get_state,
        lambda: env.set_state(states),
        lambda: env.step(np.zeros(4, int)),
    ):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=f"{QUICK} env is closed"):
            use()


# The library


def test_a_system_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of cffi on such a machine, a server that has no libGL."""

    def fails(**options: Any) -> None:
        raise OSError(
            "cannot load library '/site/procgen/data/prebuilt/libenv.so': libGL.so.1: cannot open"
            " shared object file: No such file or directory.  Additionally,"
            " ctypes.util.find_library() did not manage to locate a library called"
            " '/site/procgen/data/prebuilt/libenv.so'"
        )

    monkeypatch.setattr(procgen_env, "ProcgenGym3Env", fails)
    with pytest.raises(
        ConfigError, match=r"system library libGL\.so\.1, .*: apt-get install libgl1"
    ):
        ProcgenVectorEnv(QUICK, 1)


def test_other_faults_of_the_system_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**options: Any) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(procgen_env, "ProcgenGym3Env", fails)
    with pytest.raises(OSError, match="too many open files"):
        ProcgenVectorEnv(QUICK, 1)


# The import


def test_importing_and_playing_prints_nothing() -> None:
    code = (
        "from drac.envs import ProcgenVectorEnv\n"
        "from drac.envs.procgen_env import procgen_build\n"
        f"env = ProcgenVectorEnv({QUICK!r}, 1)\n"
        "env.reset(); env.step([0]); env.close()\n"
        "assert procgen_build().startswith('procgen'), procgen_build()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
