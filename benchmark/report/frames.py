"""Example frames of the report's games, drawn once by Procgen in a process of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drac.files import untrusted
from drac.runs.logs import SPLITS

CACHE = ".frames"
"""Below the store's runs, where no experiment can be called like that."""

_TIMEOUT_S = 300


@dataclass(frozen=True)
class Strip:
    """Frames of one game and split side by side.

    Attributes:
        split: "train" or "test".
        path: the PNG file.
        levels: of the frames, from left to right.
        build: of Procgen.
    """

    split: str
    path: Path
    levels: tuple[int, ...]
    build: str


def strips(folder: Path, game: str, mode: str) -> list[Strip]:
    """Return the strips of a game that lie in a folder; none if they are not all there."""
    try:
        facts = untrusted.read_json(folder / f"{game}-{mode}.json")
        levels, build = facts["levels"], str(facts["procgen_build"])
        found = [
            Strip(split, folder / f"{game}-{mode}-{split}.png", tuple(levels[split]), build)
            for split in SPLITS
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return found if all(strip.path.is_file() for strip in found) else []


def draw_missing(folder: Path, games: Sequence[str], mode: str) -> str:
    """Draw what is not in the folder yet; return why that was not possible, "" if it was."""
    wanted = [game for game in games if not strips(folder, game, mode)]
    if not wanted:
        return ""
    command = [sys.executable, "-m", "drac.pictures.frame_strips", str(folder), mode, *wanted]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return " ".join(str(error).split())
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {run.returncode}"
    return ""


def copy(strip: Strip, folder: Path) -> str:
    """Copy a strip into a folder and return its name."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
    shutil.copyfile(strip.path, folder / strip.path.name)
    return strip.path.name
