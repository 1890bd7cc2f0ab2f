"""Whether tables of thousands of runs must be made again: what they were made of, kept beside them.

They need not be while every run's files, this package and the files that were written are as they
were then. Whatever is wrong with what was kept, the tables are made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import augmentations
import benchmark
import drac
import ucb
from augmentations import plugins
from benchmark.scores import curves
from benchmark.store.index import state_of
from benchmark.tables.catalogue import KIND
from benchmark.tables.table import Block, Table
from drac.files import atomic, untrusted
from drac.games import PUBLISHED
from drac.runs.foreign_code import CODE

if TYPE_CHECKING:
    from benchmark.store.store import Store
    from benchmark.suites import RunSpec

NAME = ".made-of.json"
_PACKAGES = (augmentations, benchmark, drac, ucb)
_LIBRARIES = ("numpy", "pandas", "scipy")


def made_of(store: Store, specs: Sequence[RunSpec], *question: object) -> str | None:
    """Return a digest of all that the tables of some runs come from.

    Args:
        store: where the runs lie.
        specs: which.
        question: what else decides what is made.

    Returns:
        None where a later change might not show: of files that were written just now, and of
        tables that other packages make.
    """
    if plugins.offered(KIND):
        return None
    seen = (question, sys.version, *_code(), *_files(curves.folder(store.root)))
    digest = hashlib.blake2b(repr(seen).encode(), digest_size=16)
    for spec in specs:
        state = state_of(f"{store.runs}/{spec.id}")
        if not state.settled:
            return None
        digest.update(f"{spec.id} {state.signature}\n".encode())
    return digest.hexdigest()


def _code() -> list[Any]:
    """Return what our own files and the published numbers are like, and versions of libraries."""
    found: list[Any] = [(name, metadata.version(name)) for name in _LIBRARIES]
    for root in (*(Path(str(package.__file__)).parent for package in _PACKAGES), PUBLISHED):
        found += _files(root)
    return found


def _files(root: Path) -> Iterator[list[Any]]:
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(set(inner) - {"__pycache__"})
        yield from (_seen(f"{folder}/{name}") for name in sorted(names))


def _seen(path: Path | str) -> list[Any]:
    now = os.lstat(path)
    return [str(path), now.st_size, now.st_mtime_ns]


def kept(folder: Path, digest: str) -> Table | None:
    """Return the screen that was shown of tables that are still there; None if they are not."""
    try:
        data = untrusted.read_json(folder / NAME, root=folder)
        if data["made_of"] != digest or any(_seen(seen[0]) != seen for seen in data["files"]):
            return None
        screen = data["screen"]
        blocks = [Block(pd.DataFrame(rows, columns=names)) for names, rows in screen["blocks"]]
        return Table.of("summary", screen["title"], blocks, pd.DataFrame(), screen["notes"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def keep(folder: Path, digest: str, screen: Table, runs: pd.DataFrame) -> None:
    """Note what the files of a folder were made of, and what was shown of them.

    Args:
        folder: of the tables.
        digest: `made_of`, from before they were made.
        screen: what is shown: blocks without emphasis.
        runs: as `Store.load` returned them. Of code of the user's own, which may change at any
            time, nothing is noted.
    """
    if any(CODE in record.meta for record in runs["record"]):
        return
    blocks = [(block.cells.columns.tolist(), _rows(block.cells)) for block in screen.blocks]
    shown = {"title": screen.title, "notes": screen.notes, "blocks": blocks}
    files = [_seen(path) for path in sorted(folder.iterdir()) if path.name != NAME]
    data = {"made_of": digest, "files": files, "screen": shown}
    atomic.write_text(folder / NAME, json.dumps(data))


def _rows(cells: pd.DataFrame) -> Iterable[Any]:
    rows: list[Any] = cells.to_numpy().tolist()
    return rows
