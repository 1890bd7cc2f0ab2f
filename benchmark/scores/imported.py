"""Scores of other people's runs: read strictly from their files, and kept with where they are from.

A set of scores lies below RESULTS/scores as NAME.csv, with its provenance in NAME.json. It has one
row a run: the columns `method, game, split, run, score`, and `mode`, `steps` and `caution`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.scores import kept
from benchmark.scores.reading import OPTIONAL, REQUIRED, Reading, Told
from benchmark.scores.understand import checked, understand
from drac.errors import ConfigError
from drac.files import untrusted

__all__ = ["OPTIONAL", "REQUIRED", "ScoreSet", "folder", "load", "names", "read", "save"]

NOTHING_TOLD = Told()
_ORIGIN = ("source", "sha256", "imported")


@dataclass(frozen=True)
class ScoreSet:
    """An imported file.

    Attributes:
        name: of the set, e.g. "run_scores".
        rows: columns `REQUIRED` and `OPTIONAL`: `score` float64 and finite, `steps` a float that
            is NaN where unknown, the rest text; one row a run, no run twice.
        source: file name that it was imported from.
        sha256: of that file.
        imported: when, ISO 8601 in UTC.
        ignored: columns of the file that were not kept.
        reading: how the file was understood.
    """

    name: str
    rows: pd.DataFrame
    source: str
    sha256: str
    imported: str
    reading: Reading
    ignored: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the order of the file."""
        return tuple(dict.fromkeys(self.rows["method"]))


def folder(results: Path) -> Path:
    """Return where sets of scores lie."""
    return results / "scores"


def read(path: Path, name: str, told: Told = NOTHING_TOLD, root: Path | None = None) -> ScoreSet:
    """Read and check a file of scores, of any kind that `benchmark.scores.understand` knows.

    Args:
        path: the file; of text, it is UTF-8.
        name: what the set shall be called.
        told: what the file does not say itself.
        root: see `drac.files.untrusted.opened`; None reads whatever the user names, a pipe too.

    Raises:
        ConfigError: one sentence with the line numbers of what is wrong: an unknown game (and the
            nearest), a score that is not a finite number, a run that is there twice, a column that
            is missing or there twice, a line of another length.
    """
    return read_all([path], name, told, root)


def read_all(
    paths: Sequence[Path], name: str, told: Told = NOTHING_TOLD, root: Path | None = None
) -> ScoreSet:
    """Read one file, or the progress files of several runs, as one set; see `read`."""
    contents, readings = [], []
    for path in paths:
        try:
            contents.append(untrusted.read(path, kept.LIMIT, root))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{path} cannot be read: {reason}") from None
        readings.append(understand(path, contents[-1], told))
    first, more = readings[0], len(paths) - 1
    whole = replace(
        first,
        rows=[row for one in readings for row in one.rows],
        problems=tuple(problem for one in readings for problem in one.problems),
        notes=tuple(note for one in readings for note in one.notes),
    )
    return ScoreSet(
        name=name,
        rows=checked(paths[0] if not more else paths[0].parent, whole),
        source=paths[0].name + (f" and {more} more" if more else ""),
        sha256=kept.sha256(b"".join(contents)),
        imported=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        ignored=first.ignored,
        reading=whole,
    )


def save(scores: ScoreSet, results: Path) -> Path:
    """Write a set below `results`, replacing one of its name; returns the path of the CSV file."""
    path = folder(results) / f"{scores.name}.csv"
    origin = {name: getattr(scores, name) for name in (*_ORIGIN, "ignored")}
    kept.write(path, scores.rows.to_csv(index=False), origin)
    return path


def load(results: Path, name: str) -> ScoreSet:
    """Return an imported set.

    Raises:
        ConfigError: if its files are damaged, or were changed after the import.
    """
    path = folder(results) / f"{name}.csv"
    stored = read(path, name, root=results)
    said = kept.origin(path, results, (*_ORIGIN, "ignored"), stored.sha256)
    texts: dict[str, Any] = {name: str(said[name]) for name in _ORIGIN}
    try:
        return replace(stored, ignored=tuple(map(str, said["ignored"])), **texts)
    except TypeError:
        raise ConfigError(f"{path.with_suffix('.json')} is damaged; {kept.AGAIN}") from None


def names(results: Path) -> list[str]:
    """Return the names of the imported sets."""
    return kept.names(folder(results))
