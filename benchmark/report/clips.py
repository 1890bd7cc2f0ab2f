"""The clips that `drac watch` left in the run folders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmark.report.content import Content, spec
from benchmark.report.site import slug

FOLDER = "clips"
ENDINGS = (".mp4", ".webm", ".gif")
MOST = 12
"""Clips on one page: those of each method's first seeds; a store may hold thousands."""


@dataclass(frozen=True)
class Clip:
    """A clip of a page: where it lies, relative to the page, and what it shows."""

    src: str
    title: str
    moving: bool
    """Whether it is a moving picture, not a video."""


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
        split = next((split for split in ("train", "test") if split in path.stem.split("-")), "")
        levels = f", {split} levels" if split else ""
        title = f"{row['method']} on {game}, seed {row['seed']}{levels} ({path.name})"
        clips.append(Clip(root + name, title, path.suffix == ".gif"))
    left = len(found) - len(clips)
    return clips, [f"{left} more clips lie in the run folders."] if left else []
