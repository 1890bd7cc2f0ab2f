"""Evidence that chosen levels are the ones played, what choosing costs, and which look alike.

    python tests/scripts/level_evidence.py seeds --out results/evidence/level-seeds.json
    python tests/scripts/level_evidence.py cost --out results/evidence/level-cost.json
    python tests/scripts/level_evidence.py frames --out results/evidence/level-frames.json

The first takes about half an hour, the others some minutes, on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drac import hardware
from drac.config import TrainConfig
from drac.envs import ProcgenVectorEnv
from drac.envs.chosen_levels import ChosenLevels
from drac.envs.plr import Prioritized
from drac.envs.procgen_env import procgen_build
from drac.files import atomic
from drac.games import GAMES
from drac.runs import provenance
from drac.train import iterate
from drac.train.state import Training

NUM_LEVELS = 200
ENDED = -1
"""The action by which Procgen ends an episode."""


def play(game: str, episodes: int, num_envs: int = 64, ended: float = 0.0) -> dict[str, int]:
    """Play levels drawn at random, and compare them with what Procgen reports at every step.

    Args:
        game: one of GAMES.
        episodes: at least so many are played to their end.
        num_envs: side by side.
        ended: probability with which each env's episode is ended at a step; 0 leaves all ends to
            the random policy.

    Returns:
        `episodes` that ended, `steps` of one env, `levels` that were asked for, and the number of
        `mismatches`: an env and step where a level was reported that was not asked for.
    """
    rng = np.random.default_rng(0)
    asked: list[int] = []

    def choose(slot: int) -> int:
        asked.append(int(rng.integers(NUM_LEVELS)))
        return asked[-1]

    env = ChosenLevels(ProcgenVectorEnv(game, num_envs, range(NUM_LEVELS), seed=3), choose, choose)
    _, infos = env.reset()
    playing = np.array(asked)
    mismatches = int((infos["level_seed"] != playing).sum())
    done = steps = 0
    while done < episodes:
        given_out = len(asked)
        actions = rng.integers(0, 15, num_envs)
        actions[rng.random(num_envs) < ended] = ENDED
        _, _, over, _, infos = step(env, actions)
        mismatches += int((infos["prev_level_seed"] != playing).sum())
        if over.any():
            mismatches += int((infos["finished"]["level_seed"][over] != playing[over]).sum())
            playing[over] = asked[given_out:]
        mismatches += int((infos["level_seed"] != playing).sum())
        done += int(over.sum())
        steps += num_envs
    env.close()
    if len(asked) != num_envs + done:
        raise AssertionError(f"{len(asked)} levels were asked for in {done} episodes")
    return {"episodes": done, "steps": steps, "levels": len({*asked}), "mismatches": mismatches}


def step(env: ChosenLevels, actions: NDArray[np.int64]) -> Any:
    """Step, past the check that refuses the action ENDED."""
    env.env._env.act(actions.astype(np.int32))
    return env.receive()


def shares(game: str, precision: str, updates: int, num_steps: int) -> list[dict[str, float]]:
    """Train plr; return the CPU seconds of each update and of choosing levels in it.

    All that PLR does beyond PPO is counted: drawing levels, setting envs to their beginnings and
    looking again, and scoring a rollout. The first update also fills in those beginnings.
    """
    config = TrainConfig(
        game=game,
        method="plr",
        precision=precision,
        threads=1,
        num_steps=num_steps,
        steps=64 * num_steps * updates,
    )  # type: ignore[arg-type]
    config = hardware.resolve(config)
    hardware.use(config)
    spent = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal spent
            begun = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent += time.process_time() - begun

        return call

    before = ChosenLevels._begin, Prioritized.update
    ChosenLevels._begin, Prioritized.update = timed(before[0]), timed(before[1])  # type: ignore[method-assign]
    try:
        training = Training(config)
        found = []
        spent, begun = 0.0, time.process_time()
        for _, _ in zip(range(updates), iterate(training), strict=False):
            now = time.process_time()
            found.append(
                {"seconds": now - begun, "choosing": spent, "share": spent / (now - begun)}
            )
            spent, begun = 0.0, time.process_time()
        training.env.close()
    finally:
        ChosenLevels._begin, Prioritized.update = before  # type: ignore[method-assign]
    return found


def same_frames(
    game: str, mode: Any, training: Sequence[int], test: Sequence[int]
) -> dict[str, Any]:
    """Count the test levels that begin with the very picture that a training level begins with.

    Returns:
        `training_levels` and their `training_frames`, the different ones; `test_levels`, of them
        `equal` that begin with one of these frames, and their `share`.
    """
    known = {*first_frames(game, mode, training)}
    equal = sum(frame in known for frame in first_frames(game, mode, test))
    return {
        "training_levels": len(training),
        "training_frames": len(known),
        "test_levels": len(test),
        "equal": equal,
        "share": equal / len(test),
    }


def first_frames(game: str, mode: Any, levels: Sequence[int]) -> list[bytes]:
    """Return a digest of the first observation, uint8 (64, 64, 3), of each level."""
    found = []
    for level in levels:
        own = range(level, level + 1)
        with contextlib.closing(ProcgenVectorEnv(game, 1, own, mode=mode, num_threads=0)) as env:
            found.append(hashlib.sha256(env.reset()[0].tobytes()).digest())
    return found


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("seeds", "cost", "frames"))
    parser.add_argument("--games", nargs="+", default=list(GAMES), choices=GAMES)
    parser.add_argument("--episodes", type=int, default=10_000, help="of each game")
    parser.add_argument("--ended", type=float, default=0.02, help="probability of an early end")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="bf16")
    parser.add_argument("--updates", type=int, default=2)
    parser.add_argument("--num-steps", type=int, default=256, help="of a rollout")
    parser.add_argument("--mode", default="easy", help="of frames")
    parser.add_argument("--test-levels", type=int, default=1000, help="of each game's frames")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for game in given.games:
        if given.what == "seeds":
            results[game] = play(game, given.episodes, ended=given.ended)
        elif given.what == "frames":
            drawn = np.random.default_rng(0).integers(NUM_LEVELS, 2**31 - 1, given.test_levels)
            training = range(NUM_LEVELS)
            results[game] = same_frames(game, given.mode, training, drawn.tolist())
        else:
            results[game] = shares(game, given.precision, given.updates, given.num_steps)
        print(game, results[game], flush=True)
    options = {name: value for name, value in vars(given).items() if name not in ("out", "games")}
    written = {
        "options": options,
        "machine": provenance.describe(TrainConfig(), procgen_build()),
        "games": results,
    }
    atomic.write_text(given.out, json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
