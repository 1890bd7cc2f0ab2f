"""Example frames of the report's games, drawn once by Procgen in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.engines import process
from drac.files import untrusted
from drac.runs.logs import SPLITS

CACHE = ".frames"
"""Below the store's runs, where no experiment can be called like that."""

_TIMEOUT_S = 300
_STRIP_LIMIT = 2**22  # bytes of a PNG file of four frames


@dataclass(frozen=True)
class Strip:
    """Frames of one game and split side by side.

    Attributes:
        split: "train" or "test".
        name: of the PNG file.
        png: its content.
        levels: of the frames, from left to right.
        build: of Procgen.
    """

    split: str
    name: str
    png: bytes
    levels: tuple[int, ...]
    build: str


def strips(folder: Path, game: str, mode: str) -> list[Strip]:
    """Return the strips of a game that lie in a store's `CACHE`; none if they are not all there."""
    root = folder.parents[1]
    try:
        facts = untrusted.read_json(folder / f"{game}-{mode}.json", root=root)
        levels, build = facts["levels"], str(facts["procgen_build"])
        return [
            Strip(
                split,
                name := f"{game}-{mode}-{split}.png",
                untrusted.read(folder / name, _STRIP_LIMIT, root),
                tuple(map(int, levels[split])),
                build,
            )
            for split in SPLITS
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def draw_missing(folder: Path, games: Sequence[str], mode: str) -> str:
    """Draw what is not in the folder yet; return why that was not possible, "" if it was."""
    wanted = [game for game in games if not strips(folder, game, mode)]
    if not wanted:
        return ""
    if folder.is_symlink():
        return f"{folder} is a symbolic link"
    command = process.command(["-m", "drac.pictures.frame_strips", str(folder), mode, *wanted])
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
