"""What is known of one run, from one reading of its files, and whether it is complete."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.store.run_files import (
    ARM_COLUMNS,
    PROGRESS_COLUMNS,
    ROBUSTNESS_COLUMNS,
    Columns,
    DamagedError,
    final_episodes,
    final_rows,
    read_columns,
)
from drac.config import TrainConfig
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import run_folder, untrusted
from drac.runs.logs import EVAL_COLUMNS, SPLITS
from drac.runs.meta import META, read_meta

ROBUSTNESS, HOW_ROBUST = "robustness.csv", "robustness.json"

FILES = ("config.json", META, "progress.csv", "arms.csv", "eval.csv", ROBUSTNESS, HOW_ROBUST)
"""What is read of a run."""


class Final(NamedTuple):
    """A run's final episodes in short.

    Attributes:
        train, test: mean return; NaN where none were played.
        number: equal if levels, returns and lengths are equal, one by one.
        best: the highest return.
    """

    train: float
    test: float
    number: float
    best: float


@dataclass(frozen=True)
class RunRecord:
    """A run as its files tell it; each was read once.

    Attributes:
        config: None if it has none that can be read.
        meta: meta.json; empty if absent or damaged.
        problems: what keeps the run from being complete; empty if nothing does.
        damage: those of the problems that are damaged files.
        updates: `step, arm` of every update, of progress.csv.
        latest: `step, arm, train_return, envs_ended, charts/SPS` of the last update, if any.
        arms: `update, arm, count, mean, score` of every arm at the last update, of arms.csv.
        episodes: those of the last evaluation: `step, split, level_seed, return, length`.
        robustness: `metric, split, variant, pairs, value`; no rows where it was not measured.
        robustness_problem: what is wrong with robustness.csv; the run is complete without it.

    A file that is damaged has no rows here, and a problem names it.
    """

    config: TrainConfig | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    updates: Columns = field(default_factory=dict)
    latest: Columns = field(default_factory=dict)
    arms: Columns = field(default_factory=dict)
    episodes: Columns = field(default_factory=dict)
    robustness: Columns = field(default_factory=dict)
    robustness_problem: str = ""

    @cached_property
    def final(self) -> Final:
        """What is asked of the `episodes` of a complete run, of which the index knows it."""
        returns, splits = self.episodes["return"], self.episodes["split"]
        train, test = (_mean(returns[splits == split]) for split in SPLITS)
        content = b"".join(self.episodes[name].tobytes() for name in EVAL_COLUMNS[2:])
        digest = hashlib.sha256(content).digest()
        number = int.from_bytes(digest[:6], "little")  # exact in float64
        return Final(train, test, float(number), float(returns.max()))


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def read_run(run_dir: Path, root: Path | None = None) -> RunRecord:
    """Read a run's folder; whatever is wrong with it is among the record's problems.

    Args:
        run_dir: the folder.
        root: of its store: a link below it is a problem, and not followed; by default `run_dir`.
    """
    root = root or run_dir
    try:
        run_folder.require_plain(run_dir, root)
        if not (run_dir / "config.json").exists():
            return RunRecord(problems=("not started",))
        config = TrainConfig.from_json(run_dir / "config.json", root)
    except ConfigError as error:
        return RunRecord(problems=(str(error),))
    problems: list[str] = []
    damage: list[str] = []

    def read(what: Callable[[], Columns], lacks: Callable[..., Iterator[str]]) -> Columns:
        try:
            columns = what()
        except DamagedError as error:
            problems.append(str(error))
            damage.append(str(error))
            return {}
        problems.extend(lacks(config, columns))
        return columns

    updates = read(
        lambda: read_columns(run_dir / "progress.csv", PROGRESS_COLUMNS, root), _lacking_updates
    )
    arms = read(  # the whole history of a large store is large
        lambda: final_rows(read_columns(run_dir / "arms.csv", ARM_COLUMNS, root), "update"),
        _lacking_arms,
    )
    episodes = read(lambda: final_episodes(run_dir, root), _lacking_episodes)
    meta = read_meta(run_dir, root)
    if not meta:
        problems.append(f"no readable {META}")
        damage += [f"no readable {META}"] * (run_dir / META).exists()
    robustness = _robustness(run_dir, root, _last(updates, "step") if updates else 0)
    return RunRecord(
        config=config,
        meta=meta,
        problems=tuple(problems),
        damage=tuple(damage),
        updates={name: values for name, values in updates.items() if name in ("step", "arm")},
        latest={name: values[-1:] for name, values in updates.items()},
        arms=arms,
        episodes=episodes,
        robustness=robustness[0],
        robustness_problem=robustness[1],
    )


def _robustness(run_dir: Path, root: Path, step: int) -> tuple[Columns, str]:
    """Return what was measured of the run as it is at `step`, or what is wrong with it."""
    try:
        columns = read_columns(run_dir / ROBUSTNESS, ROBUSTNESS_COLUMNS, root)
    except DamagedError as error:
        return {}, str(error)
    if not len(columns["metric"]):
        return columns, ""
    try:
        measured = untrusted.read_json(run_dir / HOW_ROBUST, root=root)["step"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}, f"no readable {HOW_ROBUST} says of which step {ROBUSTNESS} is"
    if measured != step:
        return {}, f"{ROBUSTNESS} is of another step than the run: measure it again"
    return columns, ""


def validate(run_dir: Path) -> list[str]:
    """Return what keeps a run from being complete; an empty list means that it is."""
    return list(read_run(run_dir).problems)


def total_steps(config: TrainConfig) -> int:
    """Return the environment steps of a whole run: `config.steps` in whole rollouts."""
    return config.num_updates * config.rollout_size


def _lacking_updates(config: TrainConfig, updates: Columns) -> Iterator[str]:
    done, total = _last(updates, "step"), total_steps(config)
    if done != total:
        yield f"trained {done:,} of {number_of(total, 'step')}"


def _lacking_arms(config: TrainConfig, arms: Columns) -> Iterator[str]:
    done = _last(arms, "update")
    if done != config.num_updates:
        yield f"arms.csv ends at update {done:,} of {config.num_updates:,}"


def _last(columns: Columns, name: str) -> int:
    return int(columns[name][-1]) if len(columns[name]) else 0


def _lacking_episodes(config: TrainConfig, episodes: Columns) -> Iterator[str]:
    at_the_end = episodes["step"] == total_steps(config)
    for split in SPLITS:
        final = int(np.sum((episodes["split"] == split) & at_the_end))
        if final != config.eval_episodes:
            yield f"{final} of {number_of(config.eval_episodes, f'final {split} episode')}"
