"""The clips that `drac watch` left in the run folders."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.report.content import Content, spec
from benchmark.report.site import slug
from drac.files import untrusted

FOLDER = "clips"
ENDINGS = (".mp4", ".webm", ".gif")
MOST = 12
"""Clips on one page: those of each method's first seeds; a store may hold thousands."""


@dataclass(frozen=True)
class Clip:
    """A clip of a page.

    Attributes:
        src: where it lies, relative to the page.
        title: what it shows.
        moving: whether it is a moving picture, not a video.
    """

    src: str
    title: str
    moving: bool


def copy_clips(content: Content, game: str, site: Path, root: str) -> tuple[list[Clip], list[str]]:
    """Copy the clips of a game's runs into the site; returns them, and what must be said."""
    rows = sorted(content.of(game=game).to_dict("records"), key=lambda row: row["seed"])
    found = [
        (row, path)
        for row in rows
        for path in sorted((row["folder"] / FOLDER).glob("*"))
        if path.suffix in ENDINGS and path.is_file() and path.stat().st_size
    ]
    clips = []
    for row, path in found[:MOST]:
        name = f"{FOLDER}/{slug(spec(row).id)}/{slug(path.name)}"
        target = site / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        title = f"{row['method']}, seed {row['seed']}: {_shown(path)}"
        clips.append(Clip(root + name, title, path.suffix == ".gif"))
    left = len(found) - len(clips)
    return clips, [f"{left} more clips lie in the run folders."] if left else []


def _shown(path: Path) -> str:
    """Say what a clip shows, from what `drac watch` noted beside it; else its name."""
    try:
        record = untrusted.read_json(path.with_suffix(".json"))
        split, step = str(record["split"]), int(record["step"])
        where = f"{split} levels" if split in ("train", "test") else split
        episodes = ", ".join(_episode(episode) for episode in record["episodes"])
    except (OSError, ValueError, KeyError, TypeError):
        return path.name
    return f"{where} after {step:,} steps ({episodes})"


def _episode(episode: Mapping[str, Any]) -> str:
    return f"level {int(episode['level_seed'])}: return {float(episode['return']):g}"
