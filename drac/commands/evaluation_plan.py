"""What `drac evaluate` is to play: which runs, on which levels, and how often."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drac.commands import flags
from drac.commands.playing import DEVICES, PlayFlags, read_split, require_level
from drac.config import TrainConfig
from drac.config.level_list import parse_levels
from drac.config.train_config import MAX_LEVELS
from drac.errors import ConfigError
from drac.files import lock, run_folder

POLICY = ".safetensors"
"""The ending of the files of drac export."""


@dataclass(kw_only=True)
class EpisodesFlags(PlayFlags):
    """What is played: flags of `drac evaluate`, and of `drac-bench evaluate`."""

    episodes: str = flags.option("100", "how many, shared out over the envs in advance", "N")
    levels: str = flags.option("", "in place of a split: 7, 0-199 or 5,9,30-40", "LIST")
    each: str = flags.option(
        "",
        "in place of --episodes: so many episodes of every level (default with --levels: 1)",
        "N",
    )
    num_envs: str = flags.option("64", "environments played side by side", "N")
    robustness: bool = flags.option(False, "measure what a changed background changes")


@dataclass(kw_only=True)
class EvaluateFlags(EpisodesFlags):
    """Flags of `drac evaluate`."""

    run: tuple[Path, ...] = flags.positional(
        "folders of runs, or .safetensors files of drac export; a quoted pattern such as"
        " 'results/runs/*/*/*/seed*' names the runs that fit it",
        "RUN",
    )
    json: bool = flags.option(False, "print JSON, and all else on stderr: docs/json.md")
    out: Path | None = flags.option(
        None,
        "where the episodes go (default: RUN/evaluations/SPLIT-seedK-STEP.csv, RUN/robustness.csv);"
        " of several runs: the table",
    )


@dataclass(frozen=True)
class Plan:
    """What is played with a run: on a split, or `each` episodes on every one of `levels`.

    Attributes:
        name: of the split, or "levels 5,9".
        split: as `drac.evaluate.evaluate` takes it; None if `levels` are given.
        levels: none of them twice; empty if there is a split.
        each: episodes of every level; 0 if there is a split.
    """

    name: str
    split: Any
    levels: tuple[int, ...] = ()
    each: int = 0

    @property
    def where(self) -> str:
        """What is played, for people."""
        each = f", {self.each} of each" if self.each else ""
        return self.name + ("" if self.name.startswith("levels ") else " split") + each

    @property
    def file_name(self) -> str:
        """What is played, in file names: 60 characters at most."""
        each = f"-each{self.each}" if self.each else ""
        name = self.name.replace(" ", "").replace(",", "+") + each
        if len(name) <= 60:
            return name
        return f"{name[:50]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def csv_name(self, seed: int, step: int) -> str:
        """Return the name of the file of the episodes that a run plays as it is at `step`."""
        return f"{self.file_name}-seed{seed}-step{step}.csv"


def counts_of(given: EpisodesFlags, argv: Sequence[str]) -> dict[str, int]:
    """Check what is asked for, as far as that needs no run.

    Returns:
        `episodes`, `num_envs` and `seed`.

    Raises:
        ConfigError: for what is no number, empty or unknown, and flags that exclude each other.
    """
    counts = {
        name: flags.whole_number(name, getattr(given, name), at_least)
        for name, at_least in (("episodes", 1), ("num_envs", 1), ("seed", 0))
    }
    flags.require_known("device", given.device, DEVICES)
    for name in ("split", "levels", "each"):
        if flags.peek(argv, f"--{name}") == "":  # an unset variable of a script
            raise ConfigError(f"{name} is empty; give it a value, or leave --{name} out")
    _require_compatible(given, flags.peek(argv, "--episodes") is not None)
    return counts


def _require_compatible(given: EpisodesFlags, episodes: bool) -> None:
    if given.levels and given.split:
        raise ConfigError(f"levels {given.levels} and split {given.split} exclude each other")
    if episodes and (given.levels or given.each):
        raise ConfigError(
            "--episodes are shared out over levels drawn at random; with --levels or --each, --each"
            " says how many episodes of every level"
        )
    if given.robustness and (given.levels or given.each):
        raise ConfigError("--robustness plays --episodes on a --split: leave --levels, --each out")


def find_runs(words: Sequence[Path]) -> list[Path]:
    """Return the runs that were named, each once; a pattern stands for the runs that fit it.

    Those that --fresh left aside, as `seed0.before-1`, fit only a pattern that has ".before-".
    """
    found: dict[Path, None] = {}
    for word in words:
        if word.exists() or not glob.has_magic(str(word)):
            found[word] = None
            continue
        paths = [*map(Path, sorted(glob.glob(str(word))))]  # noqa: PTH207 - it may be absolute
        if ".before-" not in str(word):
            paths = [path for path in paths if not lock.ASIDE.fullmatch(path.name)]
        fitting = [run for run in paths if (run / "config.json").is_file() or run.suffix == POLICY]
        if not fitting:
            for path in paths:
                run_folder.require_run(path)
            raise ConfigError(f"no run fits {str(word)!r}")
        found |= dict.fromkeys(fitting)
    if not found:
        raise ConfigError("give the PATH of a run's folder or of an exported policy")
    return list(found)


def plans_of(given: EpisodesFlags, config: TrainConfig) -> list[Plan]:
    """Return what is played with a run of this config, one plan a split."""
    if given.levels:
        levels = parse_levels(given.levels, MAX_LEVELS)
        require_level(levels, config)
        each = flags.whole_number("each", given.each or "1", 1)
        return [Plan(f"levels {given.levels.replace(' ', '')}", None, levels, each)]
    if given.robustness and config.recurrent:
        raise ConfigError(
            f"--robustness compares answers to single images, and method {config.method!r} here is"
            f" recurrent: evaluate it without"
        )
    both = ["train", "test"] if given.robustness else ["test"]
    names = [given.split] if given.split else both
    splits = {name: read_split(name, config) for name in names}
    if not given.each:
        if flags.whole_number("episodes", given.episodes, 1) % config.trial:
            raise ConfigError(
                f"episodes {given.episodes} are not divisible by the run's episodes_per_trial,"
                f" {config.trial}"
            )
        return [Plan(name, split) for name, split in splits.items()]
    each = flags.whole_number("each", given.each, 1)
    ((name, split),) = splits.items()
    if split == "test":
        raise ConfigError(
            "the full distribution has no end, so that not every level can be played: with --each,"
            " give --levels or --split train of a run that trained on finitely many"
        )
    if len(split) > MAX_LEVELS:
        raise ConfigError(f"split {name} has {len(split):,} levels; {MAX_LEVELS:,} is the most")
    return [Plan(name, None, tuple(split), each)]
