"""Writes the files that `drac train` leaves, in no time, for the tests of benchmark."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.store.store import Store
from drac.config import TrainConfig
from drac.runs import logs

SMALL: dict[str, Any] = {
    "num_envs": 8,
    "num_steps": 16,
    "steps": 300,  # two rollouts of 128, and a rest that is not trained
    "eval_episodes": 3,
    "eval_every": 0,
    "device": "cpu",
    "precision": "float32",
}
TOTAL = 256
ARMS = {"crop": 1, "flip": 1}


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval=0, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_run(
    root: Path,
    method: str = "ppo",
    game: str = "coinrun",
    seed: int = 0,
    experiment: str = "exp",
    train: Sequence[float] = (3.0, 4.0, 5.0),
    test: Sequence[float] = (1.0, 2.0, 3.0),
    arms: Mapping[str, int] | None = None,
    chosen_from: Sequence[str] = (),
    build: str = "procgen 0.10.7",
    **options: Any,
) -> Path:
    """Write a complete run and return its folder.

    `train` and `test` are the returns of its final episodes, `arms` the final counts of its
    bandit, which `chosen_from` these arms; `build` is Procgen's.
    """
    if chosen_from:
        options["arms"] = tuple(chosen_from)
    config = TrainConfig(method=method, game=game, seed=seed, **{**SMALL, **options})
    run_dir = root / "runs" / experiment / config.method / game / f"seed{seed}"
    run_dir.mkdir(parents=True)
    (run_dir / "config.json").write_text(config.to_json())
    (run_dir / "meta.json").write_text(json.dumps({"format": 1, "procgen_build": build}))
    counts = dict(arms) if arms is not None else {"none": config.num_updates}
    updates = range(1, config.num_updates + 1)
    size = config.rollout_size
    first = next(iter(counts))
    write_csv(
        run_dir / "progress.csv",
        logs.PROGRESS_COLUMNS,
        (
            {
                "step": update * size,
                "update": update,
                "arm": first,
                "train_return": "" if update == 1 else 2.5,
                "train_length": "" if update == 1 else 80.0,
                "envs_ended": 0.0 if update == 1 else 1.0,
                "charts/SPS": 1234.5,
            }
            for update in updates
        ),
    )
    write_csv(
        run_dir / "arms.csv",
        logs.ARM_COLUMNS,
        (
            {"update": update, "arm": arm, "count": count if update == updates[-1] else 0}
            for update in updates
            for arm, count in counts.items()
        ),
    )
    episodes = {"train": train, "test": test}
    write_csv(
        run_dir / "eval.csv",
        logs.EVAL_COLUMNS,
        (
            {"step": step, "split": split, "level_seed": i, "return": value + early}
            | {"length": 9 + seed}  # copies alone have the same episodes
            for step, early in ((size, 100.0), (config.num_updates * size, 0.0))
            for split, values in episodes.items()
            for i, value in enumerate(values)
        ),
    )
    return run_dir


def load(root: Path, *experiments: str) -> pd.DataFrame:
    """All runs of these experiments ("exp"), as the tables take them."""
    store = Store(root)
    return store.load(s for e in experiments or ("exp",) for s in store.specs(e))


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: path -> content, None for a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
