"""The clips that `drac watch` left in run folders, on the pages of their games."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.report.content import spec
from benchmark.report.site import Site, slug
from drac.config.quantities import number_of
from drac.files import untrusted

FOLDER = "clips"
ENDINGS = (".mp4", ".webm", ".gif")
MOST = 12
"""Clips on one page: those of each method's first seeds; a store may hold thousands."""
_CLIP_LIMIT = 2**28  # bytes
_EPISODES = 20  # that are named below a clip


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
    root = site.content.store.runs
    found = [
        (row, row["folder"] / FOLDER / name)
        for row in rows
        for name in untrusted.names(row["folder"] / FOLDER, root)
        if name.endswith(ENDINGS)
    ]
    clips: list[Clip] = []
    said = []
    for number, (row, path) in enumerate(found):
        if len(clips) == MOST:
            more = number_of(len(found) - number, "more clip")
            said.append(f"In the run folders: {more}.")
            break
        try:
            content = untrusted.read(path, _CLIP_LIMIT, root)
        except (OSError, ValueError) as error:
            said.append(f"Left out: {path.name} of {spec(row).id} ({error}).")
            continue
        if content:  # else it is being written
            name = f"{FOLDER}/{slug(spec(row).id)}/{slug(path.name)}"
            title = f"{row['shown']}, seed {row['seed']}: {_shown(path, root)}"
            clips.append(Clip(site.write(name, content), title, path.suffix == ".gif"))
    return clips, said


def _shown(path: Path, root: Path) -> str:
    """Say what a clip shows, from what `drac watch` noted beside it; else its name."""
    try:
        record = untrusted.read_json(path.with_suffix(".json"), root=root)
        split, step = untrusted.text(record["split"]), _number(record["step"], ",.0f")
        where = f"{split} levels" if split in ("train", "test") else split
        episodes = ", ".join(
            f"level {_number(one['level_seed'], '.0f')}: return {_number(one['return'], 'g')}"
            for one in record["episodes"][:_EPISODES]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return path.name
    steps = "1 step" if step == "1" else f"{step} steps"
    return f"{where} after {steps} ({episodes})"


def _number(value: Any, form: str) -> str:
    known = untrusted.number(value)
    return "unknown" if math.isnan(known) else f"{known:{form}}"
