"""`drac.evaluate.backgrounds` on real Procgen: another picture, the same situation, everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
from procgen_runs import some_games

from drac.envs import ProcgenVectorEnv
from drac.evaluate import backgrounds
from drac.games import GAMES

LOOKS: dict[str, Callable[[bytes, str], bytes]] = {
    "background": lambda state, game: backgrounds.with_background(state, game, other(state, game)),
    "no-background": lambda state, game: backgrounds.without_background(state),
    "monochrome": lambda state, game: backgrounds.monochrome(state),
}


def other(state: bytes, game: str) -> int:
    return (backgrounds.background(state) + 1) % backgrounds.NUM_BACKGROUNDS[game]


def possible(look: str, game: str) -> bool:
    return look != "background" or backgrounds.NUM_BACKGROUNDS[game] > 1


def test_chaser_is_the_only_game_without_another_background() -> None:
    assert set(backgrounds.NUM_BACKGROUNDS) == set(GAMES)
    assert [game for game in GAMES if not possible("background", game)] == ["chaser"]


@pytest.mark.parametrize("game", some_games("bigfish", "chaser", "coinrun"))
def test_backgrounds_drawn_by_the_game_are_those_of_the_table(game: str) -> None:
    number = 1 if game == "coinrun" else backgrounds.NUM_BACKGROUNDS[game]  # easy mode: the first
    with contextlib.closing(ProcgenVectorEnv(game, 9 * number, "test", seed=1)) as env:
        seen = set(map(backgrounds.background, env.get_state()))
    assert seen == set(range(number))


def test_coinrun_draws_from_all_of_its_backgrounds_in_hard_mode() -> None:
    with contextlib.closing(ProcgenVectorEnv("coinrun", 9 * 62, "test", 1, mode="hard")) as env:
        seen = {backgrounds.background(state) for state in env.get_state()}
    assert seen == set(range(62))


@pytest.mark.parametrize("game", some_games("bigfish", "chaser", "coinrun"))
def test_all_backgrounds_of_a_game_can_be_drawn_and_differ(game: str) -> None:
    """Of the platform games', a few show the same piece of sky."""
    number = backgrounds.NUM_BACKGROUNDS[game]
    with contextlib.closing(ProcgenVectorEnv(game, number, range(1), seed=0)) as env:
        state = env.get_state()[0]
        env.set_state([backgrounds.with_background(state, game, k) for k in range(number)])
        obs, _ = env.observe()
        assert [backgrounds.background(state) for state in env.get_state()] == [*range(number)]
    assert len({frame.tobytes() for frame in obs}) >= number - 5 * (number == 62)


def restored(state: bytes, original: bytes, look: str, game: str) -> bytes:
    """The changed state with the numbers that were changed put back."""
    if look == "background":
        index = backgrounds.background(original)
        return backgrounds.with_background(state, game, index)
    changed = LOOKS[look](original, game)
    at = [k for k in range(len(original)) if original[k] != changed[k]]
    assert at
    back = bytearray(state)
    for k in at:
        back[k] = original[k]
    return bytes(back)


@pytest.mark.parametrize("game", some_games("bigfish", "chaser", "coinrun"))
@pytest.mark.parametrize("look", LOOKS)
def test_the_situation_stays_the_same_and_every_frame_differs(game: str, look: str) -> None:
    """Same actions from a state and from its changed copy: equal but for how it is drawn."""
    if not possible(look, game):
        with pytest.raises(ValueError, match="chaser has backgrounds 0..0, not 1"):
            backgrounds.with_background(state_of(game), game, 1)
        return
    num_envs, steps = 2, 60
    random = np.random.default_rng(0)
    with (
        contextlib.closing(ProcgenVectorEnv(game, num_envs, "train", seed=7)) as plain,
        contextlib.closing(ProcgenVectorEnv(game, num_envs, "train", seed=8)) as twin,
    ):
        obs, _ = plain.reset()
        twin.reset()
        twin.set_state([LOOKS[look](state, game) for state in plain.get_state()])
        changed, infos = twin.observe()
        running, frames = np.ones(num_envs, bool), 0
        for _ in range(steps):
            assert (changed != obs).any(axis=(1, 2, 3))[running].all()
            frames += int(running.sum())
            states, twins = plain.get_state(), twin.get_state()
            for i in np.flatnonzero(running):
                assert restored(twins[i], states[i], look, game) == states[i]
            actions = random.integers(15, size=num_envs)
            obs, rewards, dones, _, infos = plain.step(actions)
            changed, twin_rewards, twin_dones, _, twin_infos = twin.step(actions)
            assert (rewards == twin_rewards)[running].all()
            assert (dones == twin_dones)[running].all()
            assert (infos["level_seed"] == twin_infos["level_seed"])[running].all()
            running &= ~dones  # the next episode draws a background of its own
    assert frames >= 30


def state_of(game: str) -> bytes:
    with contextlib.closing(ProcgenVectorEnv(game, 1, "train", seed=0)) as env:
        return env.get_state()[0]


def test_options_are_those_of_procgen() -> None:
    """A changed state is the one that Procgen makes when it is given the option."""
    from drac.envs.procgen_env import ProcgenGym3Env

    for option, look in (
        ("use_backgrounds", "no-background"),
        ("use_monochrome_assets", "monochrome"),
    ):
        made = ProcgenGym3Env(
            num=1,
            env_name="miner",
            num_levels=1,
            start_level=5,
            distribution_mode="easy",
            rand_seed=3,
            num_threads=0,
            **{option: option != "use_backgrounds"},
        )
        theirs = made.get_state()[0]
        frame = made.observe()[1]["rgb"][0].copy()
        made.close()
        with contextlib.closing(ProcgenVectorEnv("miner", 1, range(5, 6), seed=3)) as env:
            state = LOOKS[look](env.get_state()[0], "miner")
            assert state[16:] == theirs
            env.set_state([state])
            np.testing.assert_array_equal(env.observe()[0][0], frame)


def test_what_is_no_state_is_refused() -> None:
    state = state_of("maze")
    for broken in (state[:40], state[: len(state) // 2], state[:30] + bytes(len(state) - 30)):
        with pytest.raises(ValueError, match="state"):
            backgrounds.background(broken)
    for index in (-1, 9):
        with pytest.raises(ValueError, match=f"maze has backgrounds 0..8, not {index}"):
            backgrounds.with_background(state, "maze", index)
