"""Example frames of the report's games, drawn once by Procgen in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.report.content import spec
from benchmark.report.site import Site, slug
from drac.config.quantities import number_of
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


FOLDER = "clips"
ENDINGS = (".mp4", ".webm", ".gif")
MOST = 12
"""Clips on one page: those of each method's first seeds; a store may hold thousands."""


@dataclass(frozen=True)
class Clip:
    """A clip of a page.

    Attributes:
        src: its path.
        title: what it shows.
        moving: whether it is a moving picture, not a video.
    """

    src: str
    title: str
    moving: bool


def copy_clips(site: Site, game: str) -> tuple[list[Clip], list[str]]:
    """Copy the clips of a game's runs into the site; returns them, and what must be said."""
    runs = site.content.runs
    rows = runs[runs["game"] == game].sort_values("seed", kind="stable").to_dict("records")
    found = [
        (row, path)
        for row in rows
        for path in sorted((row["folder"] / FOLDER).glob("*"))
        if path.suffix in ENDINGS and path.is_file() and path.stat().st_size
    ]
    clips = []
    for row, path in found[:MOST]:
        name = f"{FOLDER}/{slug(spec(row).id)}/{slug(path.name)}"
        title = f"{row['method']}, seed {row['seed']}: {_shown(path)}"
        clips.append(Clip(site.write(name, path.read_bytes()), title, path.suffix == ".gif"))
    left = len(found) - len(clips)
    return clips, [f"In the run folders: {number_of(left, 'more clip')}."] if left else []


def _shown(path: Path) -> str:
    """Say what a clip shows, from what `drac watch` noted beside it; else its name."""
    try:
        record = untrusted.read_json(path.with_suffix(".json"))
        split, step = str(record["split"]), int(record["step"])
        where = f"{split} levels" if split in ("train", "test") else split
        episodes = ", ".join(
            f"level {int(episode['level_seed'])}: return {float(episode['return']):g}"
            for episode in record["episodes"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return path.name
    return f"{where} after {number_of(step, 'step')} ({episodes})"
