"""Learning curves of other people's runs, which figures draw beside ours.

A set of curves lies below RESULTS/curves as NAME.csv, with its provenance in NAME.json: a row for
each point of a run's curve, the columns `COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augmentations.arguments import hint
from benchmark.scores import kept, progress, separated
from benchmark.scores.reading import Told, game_and_mode
from drac.errors import ConfigError
from drac.files import untrusted
from drac.games import LARGEST_RETURN
from drac.runs.logs import SPLITS

COLUMNS = ("method", "game", "mode", "split", "run", "steps", "mean_return")
_POINT = ("steps", "mean_return")
_ORIGIN = ("source", "sha256", "imported")


@dataclass(frozen=True)
class CurveSet:
    """Imported curves.

    Attributes:
        name: of the set.
        rows: `COLUMNS`, by run and steps: steps and returns float64 and finite, the rest text.
        source: name of the file, or of the first and how many more.
        sha256: of the files' contents.
        imported: when, ISO 8601 in UTC.
    """

    name: str
    rows: pd.DataFrame
    source: str
    sha256: str
    imported: str


def folder(results: Path) -> Path:
    """Return where sets of curves lie."""
    return results / "curves"


def read_all(
    paths: Sequence[Path],
    name: str,
    told: Told,
    own: Mapping[str, str] | None = None,
    root: Path | None = None,
) -> CurveSet:
    """Read progress files, of one run each, or a file that has the columns `COLUMNS`.

    Args:
        paths: the files.
        name: what the set shall be called.
        told: what the files do not say themselves.
        own: the columns of "steps" and "return" by name, where they are not recognized.
        root: see `drac.files.untrusted.opened`.

    Raises:
        ConfigError: one sentence about what is wrong.
    """
    contents, parts = [], []
    for path in paths:
        try:
            contents.append(untrusted.read(path, kept.LIMIT, root))
            lines = separated.split(contents[-1].decode("utf-8-sig"))
            untrusted.check_columns(lines.header)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{path} cannot be read: {reason}") from None
        parts.append(_points(path, lines, told, own))
    rows = pd.concat(parts, ignore_index=True)
    if not len(rows):
        raise ConfigError(f"{paths[0]} has no point of a curve")
    keys = [name for name in COLUMNS if name != "mean_return"]
    if (twice := rows.duplicated(keys)).any():
        row = rows[twice].iloc[0]
        where = f"{row['method']}, {row['game']}, {row['split']}, run {row['run']}"
        raise ConfigError(f"{paths[0]}: {where} has step {row['steps']:,.0f} twice")
    more = len(paths) - 1
    return CurveSet(
        name=name,
        rows=rows.sort_values(keys, kind="stable", ignore_index=True),
        source=paths[0].name + (f" and {more} more" if more else ""),
        sha256=kept.sha256(b"".join(contents)),
        imported=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _points(
    path: Path, lines: separated.Lines, told: Told, own: Mapping[str, str] | None
) -> pd.DataFrame:
    """Return the points of a file, checked."""
    if lines.problems:
        raise ConfigError(f"{path}: {lines.problems[0]}")
    needed = {name for name in COLUMNS if name != "mode"}
    if needed <= {*lines.header}:
        return _checked(
            path, pd.DataFrame([cells for _, cells in lines.rows], columns=lines.header)
        )
    found = progress.curves(lines, _chosen(path, lines.header, told, own) if own else None)
    if found is None:
        raise ConfigError(
            f"{path} has no columns of steps and returns that are known (its first line is"
            f" {', '.join(lines.header)!r:.120}): add --step-column and --return-column"
        )
    if found.problems:
        raise ConfigError(f"{path}: {found.problems[0]}")
    named = progress.named(path, told)
    parts = []
    for split, values in found.returns.items():
        if not (split or told.split):
            raise ConfigError(
                f"{path} does not say of which levels {found.columns[split]!r} is: add --split"
            )
        there = ~np.isnan(values)
        points = {"steps": found.steps[there], "mean_return": values[there]}
        parts.append(pd.DataFrame({**named, "split": split or told.split, **points}))
    rows = pd.concat(parts, ignore_index=True)
    # Some loggers write the same step more than once; the last word counts.
    return _checked(path, rows.drop_duplicates(["split", "steps"], keep="last"))


def _chosen(
    path: Path, header: Sequence[str], told: Told, own: Mapping[str, str]
) -> dict[str, str]:
    for column in own.values():
        if column not in header:
            raise ConfigError(f"{path} has no column {column!r}{hint(column, header)}")
    return {"steps": own["steps"], told.split: own["return"]}


def _checked(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows as a `CurveSet` has them."""
    rows = rows.assign(mode=rows.get("mode", ""))
    for name in _POINT:
        numbers = pd.to_numeric(rows[name], errors="coerce").astype(float)
        wrong = ~(numbers.abs() <= (LARGEST_RETURN if name == "mean_return" else 2**53))
        if wrong.any():
            raise ConfigError(f"{path}: {name} {rows[name][wrong].iloc[0]!r} is no possible number")
        rows[name] = numbers
    games = {text: game_and_mode(text) for text in rows["game"].unique()}
    for kind, unknown in (
        ("game", [text for text, found in games.items() if found is None]),
        ("split", [text for text in rows["split"].unique() if text not in SPLITS]),
    ):
        if unknown:
            raise ConfigError(f"{path}: unknown {kind} {unknown[0]!r}")
    modes = [found[1] for text in rows["game"] if (found := games[text])]
    rows["mode"] = [given or own or "easy" for given, own in zip(rows["mode"], modes, strict=True)]
    rows["game"] = [found[0] for text in rows["game"] if (found := games[text])]
    return rows[list(COLUMNS)]


def save(curves: CurveSet, results: Path) -> Path:
    """Write a set below `results`, replacing one of its name; returns the path of the CSV file."""
    path = folder(results) / f"{curves.name}.csv"
    origin = {name: getattr(curves, name) for name in _ORIGIN}
    kept.write(path, curves.rows.to_csv(index=False), origin)
    return path


def names(results: Path) -> list[str]:
    """Return the names of the imported sets."""
    return kept.names(folder(results))


def load(results: Path, name: str) -> CurveSet:
    """Return an imported set.

    Raises:
        ConfigError: if its files are damaged, or were changed after the import.
    """
    path = folder(results) / f"{name}.csv"
    stored = read_all([path], name, Told(), root=results)
    said = kept.origin(path, results, _ORIGIN, stored.sha256)
    texts: dict[str, Any] = {key: str(value) for key, value in said.items()}
    return replace(stored, **texts)


def every(results: Path) -> Iterator[CurveSet]:
    """Yield all imported sets; see `load`."""
    for name in names(results):
        yield load(results, name)
