"""What the commands that play episodes share: flags, what is played, and where it is written."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augmentations.arguments import hint
from drac.commands import flags
from drac.commands.output import tell
from drac.config import TrainConfig, build
from drac.errors import ConfigError
from drac.files import run_folder
from drac.games import EXPLORATION_LEVELS
from drac.methods import spellings

DEVICES = ("auto", "cpu", "cuda")


@dataclass(kw_only=True)
class PlayFlags:
    """Flags of `drac evaluate` and of `drac watch`."""

    split: str = flags.option(
        "",
        "train (the run's own levels), test (the full distribution) or a range of levels A-B;"
        " default: test",
        "SPLIT",
    )
    seed: str = flags.option("0", "decides levels and actions", "N")
    device: str = flags.option(
        "auto", "where the network runs; auto: CUDA if there is one", "{auto,cpu,cuda}"
    )


def read_split(given: str, config: TrainConfig) -> Any:
    """Return the split that was named: "test" or a range of levels.

    Raises:
        ConfigError: if it is none.
    """
    if given == "train":
        return config.train_levels
    if given == "test":
        return "test"
    if re.fullmatch(r"\d+-\d+", given):
        require_level(given.split("-"), config)
    try:
        other = {**config.model_dump(), "levels": given}
        return build(other, recorded=True).train_levels
    except ConfigError as error:
        near = f" (did you mean --{given}?)" if given in ("level", "levels") else ""
        no_levels = f", not {given!r}{near or hint(given, ('train', 'test'))}"
        said = f": {error}" if re.search(r"\d", given) else no_levels
        raise ConfigError(f"split must be train, test or a range of levels A-B{said}") from None


def require_level(levels: Iterable[int | str], config: TrainConfig) -> None:
    """Check that levels are the one that there is, if the run is of the exploration mode.

    Raises:
        ConfigError: otherwise.
    """
    only = EXPLORATION_LEVELS.get(config.game)
    if config.mode == "exploration" and {*map(int, levels)} != {only}:
        raise ConfigError(f"{config.game}'s exploration mode has one level, {only}")


def require_free(out: Path, given: bool) -> None:
    """Check that a file can be written, and, if its name was given, that there is none.

    Raises:
        ConfigError: otherwise.
    """
    if given and out.exists():
        raise ConfigError(f"{out} exists; choose another --out")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder")
    run_folder.require_writable(out.parent)


def importing_torch(prog: str) -> None:
    """Say so if that is still to be done: it takes a while."""
    if "torch" not in sys.modules:
        tell(f"{prog}: importing torch")


def title(config: TrainConfig, step: int) -> str:
    """Return the line that an evaluation's numbers begin with."""
    return f"{spellings.name(config.method)} on {config.game}, seed {config.seed}, step {step:,}"
