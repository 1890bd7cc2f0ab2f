"""Frames of random play: every step's, of the levels asked for, the same each time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from drac.envs.random_play import random_play


def play(seed: int = 0, game: str = "bigfish", num_envs: int = 3) -> list[tuple[Any, Any]]:
    random = np.random.default_rng(seed)
    return list(random_play(game, num_envs, range(5, 9), 4, env_seed=seed, random=random))


def test_the_reset_and_every_step_are_seen() -> None:
    played = play()
    assert len(played) == 5
    for obs, levels in played:
        assert (obs.shape, obs.dtype) == ((3, 64, 64, 3), np.uint8)
        assert set(levels.tolist()) <= set(range(5, 9))
    frames = [obs for obs, _ in played]
    assert all((one != other).any() for one, other in pairwise(frames))


def test_the_seeds_decide_everything() -> None:
    for (one, levels), (other, again) in zip(play(3), play(3), strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(levels, again)
    assert any((one != other).any() for (one, _), (other, _) in zip(play(3), play(4), strict=True))


def test_an_unknown_game_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'bigfish'"):
        play(game="bigfsh")
