"""Progress files of trainings: steps and returns, of several loggers; their end is a score."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.scores.reading import Reading, Row, Told, game_and_mode
from benchmark.scores.separated import SEPARATORS, Lines
from drac.errors import ConfigError

STEPS = (
    "misc/total_timesteps",  # OpenAI's baselines, train-procgen
    "train/total_num_steps",  # auto-drac
    "total_num_steps",
    "total_timesteps",
    "time/total_timesteps",  # Stable-Baselines3
    "global_step",  # CleanRL
    "step",  # TensorBoard, level-replay, ours
)
"""Columns that count environment steps, in small letters; of several the first counts."""

RETURNS: Mapping[str, str] = MappingProxyType(
    {
        "eprewmean": "train",
        "eval_eprewmean": "test",
        "train/mean_episode_reward": "train",
        "test/mean_episode_reward": "test",
        "train:mean_episode_return": "train",
        "test:mean_episode_return": "test",
        "charts/episodic_return": "train",
        "episodic_return": "train",
        "rollout/ep_rew_mean": "train",
        "eval/mean_reward": "test",
        "train_return": "train",
        "test_return": "test",
        "value": "",
    }
)
"""Columns of mean returns, in small letters, and their split; "" where the name does not say."""


@dataclass(frozen=True)
class Curves:
    """What a progress file has of returns over steps.

    Attributes:
        steps: environment steps, (rows,), float64, finite, in the order of the file.
        returns: by split, "train", "test" or "" where the file does not say; (rows,), float64, NaN
            in rows without one.
        columns: the column of each, by "steps" and split.
        problems: what is wrong with other rows, a sentence each.
    """

    steps: NDArray[np.float64]
    returns: Mapping[str, NDArray[np.float64]]
    columns: Mapping[str, str]
    problems: tuple[str, ...]


def columns(header: Sequence[str]) -> dict[str, str]:
    """Return the columns of steps and of each split's returns; {} if it is no progress file."""
    by_lower = {_plain(name): name for name in reversed(header)}
    steps = next((by_lower[name] for name in STEPS if name in by_lower), None)
    found = {split: by_lower[name] for name, split in RETURNS.items() if name in by_lower}
    return {"steps": steps, **found} if steps is not None and found else {}


def _plain(name: str) -> str:
    """Return a column's name in small letters, without the run's that Weights & Biases adds."""
    return name.rpartition(" - ")[2].lower()


def curves(lines: Lines, found: Mapping[str, str] | None = None) -> Curves | None:
    """Return the curves of a progress file, or None if its columns are no such file's.

    `found` are the columns of "steps" and of each split; None: those that `columns` knows.
    """
    found = columns(lines.header) if found is None else found
    if not found:
        return None
    places = {meaning: lines.header.index(name) for meaning, name in found.items()}
    rows: list[list[float]] = []
    problems = [*lines.problems]
    for number, cells in lines.rows:
        values = {meaning: _number(cells[place]) for meaning, place in places.items()}
        wrong = [cells[places[meaning]] for meaning, value in values.items() if value is None]
        if wrong or math.isnan(values["steps"] or 0):
            said = (wrong or [cells[places["steps"]]])[0]
            problems.append(f"line {number}: {said!r} is not a number")
            continue
        rows.append([float(value or 0) for value in values.values()])
    table = np.array(rows, np.float64).reshape(-1, len(places))
    by_meaning = dict(zip(places, table.T, strict=True))
    return Curves(by_meaning.pop("steps"), by_meaning, found, tuple(problems))


def _number(cell: str) -> float | None:
    """Return a cell's number, NaN of an empty one, None if it is neither or infinite."""
    try:
        value = float(cell or "nan")
    except ValueError:
        return None
    return None if math.isinf(value) or "_" in cell else value


def end(path: Path, lines: Lines, told: Told) -> Reading:
    """Read a progress file: the mean over its last `told.final` steps is the run's score.

    Raises:
        ConfigError: if `final`, game, method, seed or split are neither told nor understood.
    """
    found = curves(lines)
    assert found is not None
    names = [_plain(name) for name in lines.header]
    if twice := {name for name in names if name in RETURNS and names.count(name) > 1}:
        raise ConfigError(
            f"{path} has several columns {', '.join(sorted(twice))}: a file must be of one run"
        )
    told.require_used("a progress file", ("final", "method", "game", "seed", "split", "mode"))
    if not told.final:
        raise ConfigError(
            f"{path} is the progress of a training ({', '.join(found.columns.values())}): add"
            f" --final 1M, the last steps, whose mean return is to be the score"
        )
    own = named(path, told)
    problems = list(found.problems)
    rows: list[tuple[str, Row]] = []
    last = found.steps.max(initial=0)
    for split, values in found.returns.items():
        where = split or told.split
        if not where:
            raise ConfigError(
                f"{path} does not say of which levels {found.columns[split]!r} is: add --split"
            )
        kept = values[(found.steps > last - told.final) & ~np.isnan(values)]
        if not len(kept):
            problems.append(f"{found.columns[split]!r} has no number in the last {told.final:,}")
            continue
        score = {"score": repr(float(kept.mean())), "steps": f"{last:.0f}"}
        rows.append((f"{path.name}, mean of {len(kept)} rows", {**own, "split": where, **score}))
    meaning = dict.fromkeys(lines.header, "not kept")
    meaning |= {found.columns["steps"]: "environment steps"}
    meaning |= {
        found.columns[s]: f"{s or told.split} return, mean over the last {told.final:,} steps"
        for s in found.returns
    }
    said = ", ".join(f"{name} {value!r}" for name, value in own.items() if value)
    return Reading(
        kind=f"progress of a training, {SEPARATORS[lines.separator]} between the columns",
        meaning=meaning,
        rows=rows,
        problems=tuple(problems),
        notes=(f"{path}: {said} (told, or from its name)",),
    )


def named(path: Path, told: Told) -> Row:
    """Return game, method, run and mode of a progress file: as told, else from its name.

    A name is words with "_", "-", " " or "." between them, in any order: the game, the run as
    "3", "s3", "seed3" or "seed_3", and the method, the rest. CleanRL's names, which have "__"
    between game, method, seed and time, are split at those. Where a file is called progress, the
    names of the three folders around it count.
    """
    name = path.stem
    if name.lower() in ("progress", "progress-local", "monitor", "logs"):
        name = "__".join(path.resolve().parent.parts[-3:])
    parts = name.split("__") if "__" in name else re.split(r"[\s_.]+|-(?!v0)", name)
    found: Row = {"game": "", "mode": "", "run": "", "method": ""}
    rest = []
    for part in parts:
        game, seed = game_and_mode(part), re.fullmatch(r"(?:seed|run|s)?[_-]?0*(\d{1,6})", part)
        if game and not found["game"]:
            found["game"], found["mode"] = game
        elif seed and not found["run"]:
            found["run"] = seed[1]
        elif part.lower() not in ("seed", "run", "procgen", "v0", "") and not part.isdigit():
            rest.append(part)
    found["method"] = "-".join(rest)
    told_row = {"game": told.game, "mode": told.mode, "run": told.seed, "method": told.method}
    found |= {key: value for key, value in told_row.items() if value}
    flags = {"game": "--game", "method": "--method", "run": "--seed"}
    if absent := [flag for key, flag in flags.items() if not found[key]]:
        raise ConfigError(
            f"{path} does not tell by its name what run it is of, as bigfish_ppo_seed0.csv does:"
            f" add {' and '.join(absent)}"
        )
    return found
