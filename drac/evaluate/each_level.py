"""Evaluation on chosen levels, every one of them equally often; and which cannot be solved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from drac import hardware
from drac.envs import ProcgenVectorEnv
from drac.envs.chosen_levels import ChosenLevels
from drac.evaluate.episodes import device_of, play_out
from drac.games import UNSOLVABLE, Mode, unsolvable
from drac.networks.remembering import Agent
from drac.seeding import stream_seed

if TYPE_CHECKING:
    import pandas as pd


def evaluate_each(
    agent: Agent,
    game: str,
    levels: Sequence[int],
    each: int = 1,
    num_envs: int = 64,
    seed: int = 0,
    *,
    mode: Mode = "easy",
    precision: str = "float32",
    on_episode: Callable[[], None] | None = None,
    episodes_per_trial: int = 1,
) -> pd.DataFrame:
    """Play exactly `each` episodes, or trials, in every level and return one row per episode.

    Which env plays what is fixed in advance, so an episode counts however long it takes. The
    episodes of one level differ by the actions only.

    Args:
        agent: the policy; actions are sampled from it. A network plays in evaluation mode.
        game: one of `drac.games.GAMES`.
        levels: level seeds, none of them twice.
        each: episodes of every level, at least 1.
        num_envs: played side by side; never more than there are episodes.
        seed: decides the actions.
        mode: Procgen's distribution mode.
        precision: "float32" or "bf16" autocast.
        on_episode: called after every episode.
        episodes_per_trial: K; above 1, `each` are trials of K episodes, for an agent that
            remembers through them.

    Returns:
        Columns `level_seed, return, length, note`, in the order of `levels`; the note is
        `UNSOLVABLE` or "".

    Raises:
        ValueError: for an unknown game, a mode that it has not, or counts below 1.
    """
    if not levels or each < 1 or num_envs < 1:
        raise ValueError(
            f"{len(levels)} levels, each {each} and num_envs {num_envs} must be at least 1"
        )
    to_play = [level for level in levels for _ in range(each)]
    num_envs = min(num_envs, len(to_play))
    shares = [
        [level for level in to_play[slot::num_envs] for _ in range(episodes_per_trial)]
        for slot in range(num_envs)
    ]
    # An env steps on after its share, since Procgen steps all: in its last level again.
    queues = [itertools.chain(share, itertools.repeat(share[-1])) for share in shares]

    def following(slot: int) -> int:
        return next(queues[slot])

    threads = hardware.evaluation_threads(device_of(agent).type)
    own = ProcgenVectorEnv(game, num_envs, "test", stream_seed(seed, "env"), mode, threads)
    env = ChosenLevels(own, following, following)
    quota = [len(share) for share in shares]
    table = play_out(agent, env, quota, seed, precision, on_episode)
    place = {level: index for index, level in enumerate(levels)}
    table = table.sort_values("level_seed", key=lambda seeds: seeds.map(place), kind="stable")
    cannot = unsolvable(game, mode)
    notes = [UNSOLVABLE if level in cannot else "" for level in table["level_seed"]]
    return table.reset_index(drop=True).assign(note=notes)
