"""Find levels that cannot be solved: whatever is done, their episodes end at once without reward.

    nice -n 19 python tests/scripts/unsolvable_levels.py --levels 0-199 --out FILE.csv
    nice -n 19 python tests/scripts/unsolvable_levels.py --levels 200-999 --add --out FILE.csv

A level is first played 225 times at random, each pair of first actions once. Where all of these
episodes end within `WITHIN` steps and without a reward, every sequence of actions is tried: all 15
actions in every state that can be reached. A level counts if all of them end so; a level that has
more than `MOST_STATES` states at some step is left out, undecided.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drac.config import build
from drac.envs import ProcgenVectorEnv
from drac.games import GAMES, NUM_ACTIONS

COLUMNS = ("game", "mode", "level", "last_step")
WITHIN = 10
MOST_STATES = 5000


def soon_over(game: str, level: int, mode: str, count: int) -> bool:
    """Whether `count` random episodes of a level all end within `WITHIN` steps without reward."""
    second, first = np.divmod(np.arange(count), NUM_ACTIONS)
    random = np.random.default_rng(level)
    running = np.ones(count, bool)
    with contextlib.closing(one_level(game, level, mode, count)) as env:
        env.reset()
        for step in range(WITHIN):
            actions = {0: first, 1: second}.get(step, random.integers(NUM_ACTIONS, size=count))
            _, rewards, ended, _, _ = env.step(actions)
            if rewards[running].any():
                return False
            running &= ~ended
    return not running.any()


def last_step(game: str, level: int, mode: str) -> int:
    """Return the step at which the longest possible episode ends, none having a reward; else 0."""
    with contextlib.closing(one_level(game, level, mode, NUM_ACTIONS)) as env:
        env.reset()
        states = {env.get_state()[0]}
        for step in range(1, WITHIN + 1):
            following: set[bytes] = set()
            for state in states:
                env.set_state([state] * NUM_ACTIONS)
                _, rewards, ended, _, _ = env.step(np.arange(NUM_ACTIONS))
                if rewards.any():
                    return 0
                after = zip(env.get_state(), ended, strict=True)
                following |= {state for state, over in after if not over}
                if len(following) > MOST_STATES:
                    print(f"{game}, {mode}, level {level}: undecided", file=sys.stderr)
                    return 0
            if not following:
                return step
            states = following
    return 0


def one_level(game: str, level: int, mode: Any, count: int) -> ProcgenVectorEnv:
    """Return envs that play one level."""
    return ProcgenVectorEnv(game, count, range(level, level + 1), mode=mode, num_threads=0)


def found(games: Sequence[str], mode: str, levels: range) -> Iterator[tuple[str, str, int, int]]:
    """Yield a row of `COLUMNS` for every level that counts."""
    for game in games:
        for level in levels:
            # Most levels need no more than 15 episodes.
            tried = all(soon_over(game, level, mode, n) for n in (NUM_ACTIONS, NUM_ACTIONS**2))
            if tried and (step := last_step(game, level, mode)):
                yield game, mode, level, step
        print(f"{game}, {mode}: levels {levels.start}-{levels.stop - 1} done", file=sys.stderr)


def main() -> None:
    """Write the file, a row as soon as its level is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", nargs="*", default=GAMES)
    parser.add_argument("--mode", default="easy")
    parser.add_argument("--levels", default="0-199")
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    levels = build({"levels": given.levels}).train_levels
    with given.out.open("a" if given.add else "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not given.add:
            writer.writerow(COLUMNS)
        for row in found(given.games, given.mode, levels):
            writer.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
