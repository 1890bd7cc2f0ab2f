"""Writes a whole store of runs with plausible curves in seconds, for tables, figures and reports.

    python tests/scripts/synthetic_store.py FOLDER [--seeds 15]

writes 10 methods x 16 games x 15 seeds = 2,400 complete runs below FOLDER/runs/synthetic, 100
rows of progress.csv each. The numbers are invented, and the same whenever the seed is. Nothing
is shaped after a published result; methods differ, so that pictures have something to show.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augmentations import PAPER_ARMS
from drac.config import TrainConfig
from drac.games import GAMES, score_range
from drac.runs import logs

METHODS = ("ppo", *(f"drac-{name}" for name in PAPER_ARMS), "ucb-drac")
"""All that tables and figures compare: the baseline, every augmentation, the bandit."""

EXPERIMENT = "synthetic"
UPDATES = 100
EVALUATIONS = 10
OPTIONS: dict[str, Any] = {
    "num_steps": 3906,  # one rollout is a hundredth of the 25M steps
    "eval_every": 2_499_840,
    "eval_episodes": 50,
    "device": "cpu",
    "precision": "float32",
}

_ALL_OR_NOTHING = {"coinrun", "heist", "jumper", "leaper", "maze", "ninja"}
"""Games whose episodes return 0 or 10."""

_Array = NDArray[np.float64]


def write_store(
    root: Path,
    methods: Sequence[str] = METHODS,
    games: Sequence[str] = GAMES,
    seeds: int = 15,
    seed: int = 0,
    experiment: str = EXPERIMENT,
) -> int:
    """Write complete runs and the plan of their experiment; return how many there are.

    The runs of a game share which of its levels are hard; those of a method and a game share how
    good the method is there.

    Args:
        root: the store, usually "results"; new runs only.
        methods, games, seeds: their product is written; seeds are 0, 1, ...
        seed: of the invented numbers.
        experiment: the folder below root/runs.
    """
    folder = root / "runs" / experiment
    for game in games:
        level_rng = np.random.default_rng([seed, GAMES.index(game)])
        hardness = level_rng.normal(0.0, 0.15, 200)
        ceiling = level_rng.uniform(0.4, 0.95)
        for method in methods:
            rng = np.random.default_rng([seed, GAMES.index(game), *method.encode()])
            strength = ceiling + rng.normal(0.0, 0.08) + 0.05 * (method != "ppo")
            overfit = abs(rng.normal(0.18 if method == "ppo" else 0.1, 0.05))
            for run_seed in range(seeds):
                run_dir = folder / method / game / f"seed{run_seed}"
                _write_run(run_dir, method, game, run_seed, rng, (strength, overfit), hardness)
    ids = [f"{m}/{g}/seed{s}" for m in methods for g in games for s in range(seeds)]
    (folder / "plan.json").write_text(json.dumps({"format": 1, "runs": sorted(ids)}, indent=1))
    return len(ids)


def _write_run(
    run_dir: Path,
    method: str,
    game: str,
    seed: int,
    rng: np.random.Generator,
    quality: tuple[float, float],
    hardness: _Array,
) -> None:
    """Write the files of one run; `quality` is its final normalized return and its gap."""
    run_dir.mkdir(parents=True)
    config = TrainConfig(method=method, game=game, seed=seed, **OPTIONS)
    (run_dir / "config.json").write_text(config.to_json())
    meta = {"format": 1, "procgen_build": "procgen 0.10.7", "invented": True}
    (run_dir / "meta.json").write_text(json.dumps(meta))
    steps = config.rollout_size * np.arange(1, UPDATES + 1)
    strength, overfit = quality
    skill = (strength + rng.normal(0.0, 0.05)) * (1.0 - np.exp(-steps / steps[-1] * 5.0))
    chosen, table = _arms(config, skill, rng)
    (run_dir / "arms.csv").write_text(_csv(logs.ARM_COLUMNS, "%d,%s,%d,%.5f,%.5f,%d", table))
    progress = _progress(steps, chosen, _scaled(skill, game), rng)
    form = ",".join("%s" if name == "arm" else "%.6g" for name in logs.PROGRESS_COLUMNS)
    (run_dir / "progress.csv").write_text(_csv(logs.PROGRESS_COLUMNS, form, progress))
    episodes = _evaluations(steps, skill, overfit, hardness, config, rng)
    (run_dir / "eval.csv").write_text(_csv(logs.EVAL_COLUMNS, "%d,%s,%d,%.1f,%d", episodes))


def _scaled(skill: _Array, game: str) -> _Array:
    low, high = score_range(game)
    return np.clip(skill, 0.0, 1.0) * (high - max(low, 0.0)) + max(low, 0.0)


def _arms(
    config: TrainConfig, skill: _Array, rng: np.random.Generator
) -> tuple[list[str], list[Sequence[Any]]]:
    """Return the arm of every update, and the columns of arms.csv: a bandit that settles slowly."""
    arms = config.arms if config.method == "ucb-drac" else (config.augmentation or "none",)
    num = len(arms)
    liking = rng.normal(0.0, 1.0, num)
    weights = np.exp(np.linspace(0.0, 4.0, UPDATES)[:, None] * liking)
    draws = rng.random((UPDATES, 1)) * weights.sum(axis=1, keepdims=True)
    picked = (draws > np.cumsum(weights, axis=1)).sum(axis=1)
    selected = np.arange(num) == picked[:, None]
    counts = selected.cumsum(axis=0)
    means = skill[:, None] + 0.05 * liking + rng.normal(0.0, 0.01, (UPDATES, num))
    bonus = 0.1 * np.sqrt(np.log(np.arange(1, UPDATES + 1))[:, None] / np.maximum(counts, 1))
    updates = np.repeat(np.arange(1, UPDATES + 1), num)
    columns = [counts, means, means + bonus, selected]
    table = [updates, list(arms) * UPDATES, *(values.ravel() for values in columns)]
    return [arms[i] for i in picked], table


def _progress(
    steps: NDArray[np.int64], chosen: list[str], returns: _Array, rng: np.random.Generator
) -> list[Sequence[Any]]:
    """Return the columns of progress.csv, in the order of `logs.PROGRESS_COLUMNS`."""
    done = steps / steps[-1]
    noise = rng.normal(1.0, 0.05, (len(logs.PROGRESS_COLUMNS), UPDATES))
    augmented = float(chosen[0] != "none")
    falling = np.exp(-2.0 * done)
    known: dict[str, Sequence[Any] | _Array] = {
        "step": steps,
        "update": np.arange(1, UPDATES + 1),
        "arm": chosen,
        "train_return": returns * noise[3],
        "train_length": 100 + 200 * noise[4],
        "train_episodes": np.full(UPDATES, 100),
        "envs_ended": np.ones(UPDATES),
        "episodes": 100 * np.arange(1, UPDATES + 1),
        "bandit_reward": 5 * done * noise[6],
        "policy_loss": -0.005 * noise[7],
        "value_loss": 0.3 * falling * noise[8],
        "entropy": (0.4 + 2.3 * falling) * noise[9],
        "aug_policy_loss": augmented * 0.05 * falling * noise[10],
        "aug_value_loss": augmented * 0.02 * falling * noise[11],
        "approx_kl": 0.01 * noise[12],
        "clip_fraction": 0.1 * noise[13],
        "grad_norm": 0.4 * noise[14],
        "wall_s": np.arange(1, UPDATES + 1) * 100.0,
        "charts/SPS": 2500 * noise[1],
    }
    return [known.get(name, np.zeros(UPDATES)) for name in logs.PROGRESS_COLUMNS]


def _evaluations(
    steps: NDArray[np.int64],
    skill: _Array,
    overfit: float,
    hardness: _Array,
    config: TrainConfig,
    rng: np.random.Generator,
) -> list[Sequence[Any]]:
    """Return the columns of eval.csv: both splits after every tenth update."""
    every, size = UPDATES // EVALUATIONS, config.eval_episodes
    when = np.arange(every - 1, UPDATES, every)
    shape = (EVALUATIONS, 2, size)
    levels = np.stack(
        [rng.integers(0, 200, (EVALUATIONS, size)), rng.integers(0, 2**31, (EVALUATIONS, size))], 1
    )
    easiness = np.where([[[True], [False]]], hardness[levels % 200], rng.normal(0, 0.15, shape))
    gap = overfit * np.array([[[0.0], [1.0]]]) * (when[:, None, None] / UPDATES)
    level_skill = skill[when][:, None, None] - gap + easiness
    if config.game in _ALL_OR_NOTHING:
        returns = 10.0 * (rng.random(shape) < level_skill)
    else:
        returns = np.round(_scaled(level_skill * rng.normal(1.0, 0.15, shape), config.game), 1)
    splits = np.broadcast_to([[["train"], ["test"]]], shape)
    lengths = rng.integers(20, 400, shape)
    when_steps = np.broadcast_to(steps[when][:, None, None], shape)
    return [values.ravel().tolist() for values in (when_steps, splits, levels, returns, lengths)]


def _csv(header: Sequence[str], form: str, columns: Sequence[Any]) -> str:
    """Format columns as CSV; one format for all rows is many times faster than csv.writer."""
    values = [list(column) for column in columns]
    flat = [cell for row in zip(*values, strict=True) for cell in row]
    return ",".join(header) + "\n" + f"{form}\n" * len(values[0]) % tuple(flat)


def main() -> None:
    """Write the store that the command line asks for, and say how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the store: FOLDER/runs/synthetic must be new")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--games", nargs="+", default=GAMES)
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0, help="of the invented numbers")
    given = parser.parse_args()
    started = time.perf_counter()
    num = write_store(given.folder, given.methods, given.games, given.seeds, given.seed)
    print(f"{num:,} runs in {time.perf_counter() - started:.0f} s below {given.folder}/runs")


if __name__ == "__main__":
    main()
