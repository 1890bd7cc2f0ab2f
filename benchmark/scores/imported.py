"""Scores of other people's runs: read strictly from a CSV file, and kept with where they are from.

A set of scores lies below RESULTS/scores as NAME.csv, with its provenance in NAME.json. It has one
row a run: the columns `method, game, split, run, score`, and `mode`, `steps` and `caution`, which a
file need not have.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from augmentations.arguments import hint
from drac.config.quantities import number_of, parse_count
from drac.errors import ConfigError
from drac.files import atomic, run_folder, untrusted
from drac.games import GAMES, LARGEST_RETURN
from drac.runs.logs import SPLITS

REQUIRED = ("method", "game", "split", "run", "score")
OPTIONAL = ("mode", "steps", "caution")
MODES = ("easy", "hard")
SHOWN = 3
"""How many problems of a file are said at once."""

_LIMIT = 2**28
"""Bytes of a set that was imported."""

_ORIGIN = ("source", "sha256", "imported")
_AGAIN = "import the file again, with --replace"
_KEY = ("method", "mode", "game", "split", "run")


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
    """

    name: str
    rows: pd.DataFrame
    source: str
    sha256: str
    imported: str
    ignored: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the order of the file."""
        return tuple(dict.fromkeys(self.rows["method"]))


def folder(results: Path) -> Path:
    """Return where sets of scores lie."""
    return results / "scores"


def read(path: Path, name: str, root: Path | None = None) -> ScoreSet:
    """Read and check a file of scores.

    Args:
        path: UTF-8 CSV with a header; the order of the columns does not matter.
        name: what the set shall be called.
        root: see `drac.files.untrusted.opened`; None reads whatever the user names, a pipe too.

    Raises:
        ConfigError: one sentence with the line numbers of what is wrong: an unknown game (and the
            nearest), a score that is not a finite number, a run that is there twice, a column that
            is missing or there twice, a line of another length.
    """
    try:
        content = untrusted.read(path, _LIMIT, root)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} cannot be read: it is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path} cannot be read: {reason}") from None
    rows, ignored = _parse(path, text)
    return ScoreSet(
        name=name,
        rows=rows,
        source=path.name,
        sha256=_sha256(content),
        imported=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        ignored=ignored,
    )


def save(scores: ScoreSet, results: Path) -> Path:
    """Write a set below `results`, replacing one of its name; returns the path of the CSV file."""
    path = folder(results) / f"{scores.name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = scores.rows.to_csv(index=False)
    origin = {name: getattr(scores, name) for name in _ORIGIN}
    origin |= {"ignored": scores.ignored, "stored_sha256": _sha256(text.encode())}
    atomic.write_text(path.with_suffix(".json"), json.dumps(origin, indent=1) + "\n")
    atomic.write_text(path, text)
    return path


def load(results: Path, name: str) -> ScoreSet:
    """Return an imported set.

    Raises:
        ConfigError: if its files are damaged, or were changed after the import.
    """
    path = folder(results) / f"{name}.csv"
    stored = read(path, name, results)
    origin_path = path.with_suffix(".json")
    try:
        origin = untrusted.read_json(origin_path, root=results)
        said = {key: str(origin[key]) for key in _ORIGIN}
        ignored, sha256 = tuple(map(str, origin["ignored"])), origin["stored_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{origin_path}, which says where {path.name} is from, cannot be read"
            f" ({' '.join(str(error).split())}); {_AGAIN}"
        ) from None
    if sha256 != stored.sha256:
        raise ConfigError(f"{path} is not what was imported from {said['source']}; {_AGAIN}")
    return ScoreSet(name=name, rows=stored.rows, ignored=ignored, **said)


def names(results: Path) -> list[str]:
    """Return the names of the imported sets."""
    return sorted(
        p.stem for p in folder(results).glob("*.csv") if run_folder.NAME.fullmatch(p.stem)
    )


def _parse(path: Path, text: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows of a file and the columns that are not kept."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    problems: list[str] = []
    found: dict[tuple[str, ...], tuple[int, dict[str, str]]] = {}
    header: list[str] = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(path, header)
        for line, row in _lines(reader, header, problems):
            key = tuple(row[name] for name in _KEY)
            if key in found:
                run = f"{row['method']}, {row['game']}, {row['split']}, run {row['run']}"
                problems.append(f"line {line}: {run} is on line {found[key][0]} already")
            found.setdefault(key, (line, row))
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    if problems or not found:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        said = "; ".join(problems[:SHOWN]) or "it has no row"
        raise ConfigError(f"{path} is no file of scores: {said}{more}")
    rows = pd.DataFrame([row for _, row in found.values()], columns=[*REQUIRED, *OPTIONAL])
    rows["score"] = rows["score"].astype(float)
    rows["steps"] = pd.Series([float(_steps(n) or "nan") for n in rows["steps"]], dtype=float)
    return rows, tuple(name for name in header if name not in rows)


def _lines(
    reader: Any, header: list[str], problems: list[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the good lines with their numbers; what is wrong with others goes to `problems`."""
    for cells in reader:
        line = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            problems.append(
                f"line {line} has {number_of(len(cells), 'field')}, the header {len(header)}"
            )
            continue
        row = {**_DEFAULTS, **dict(zip(header, (cell.strip() for cell in cells), strict=True))}
        row["mode"] = row["mode"] or _DEFAULTS["mode"]
        wrong = [f"line {line}: {what}" for what in _problems(row)]
        problems += wrong
        if not wrong:
            yield line, row


_DEFAULTS: Mapping[str, str] = {"mode": "easy", "steps": "", "caution": ""}


def _check_header(path: Path, header: list[str]) -> None:
    try:
        untrusted.check_columns(header)
    except ValueError as error:
        raise ConfigError(f"{path} is no file of scores: {error}") from None
    absent = [name for name in REQUIRED if name not in header]
    if absent:
        said = ", ".join(f"{name!r}{hint(name, header)}" for name in absent)
        has = f"its first line is {', '.join(header)!r:.120}" if any(header) else "it is empty"
        raise ConfigError(
            f"{path} has no column {said}: {has}, and must have {', '.join(REQUIRED)}"
            f" (may have {', '.join(OPTIONAL)})"
        )


_LEFT_OUT = ("", "nan", "na", "none", "null")


def _problems(row: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the values of one line."""
    for name, allowed in (("game", GAMES), ("split", SPLITS), ("mode", MODES)):
        if row[name] not in allowed:
            nearest = hint(row[name], allowed) or f", choose from {', '.join(allowed)}"
            yield f"unknown {name} {row[name]!r}{nearest}"
    for name in ("method", "run"):
        if not row[name].isprintable() or not 1 <= len(row[name]) <= 200:
            yield f"{name} {row[name]!r:.40} is not a name"
    if _finite(row["score"]) and abs(float(row["score"])) > LARGEST_RETURN:
        yield f"score {row['score']!r} is beyond what any run can have"
    if not _finite(row["score"]):
        given = row["score"]
        lower = given.lower().lstrip("+-")
        why = " (leave the line of a missing run out)" if lower in _LEFT_OUT else ""
        yield f"score {given!r} is not a number" + (
            ": it is infinite" if lower in ("inf", "infinity") else why
        )
    if row["steps"] and not _steps(row["steps"]):
        yield f"steps {row['steps']!r} is not a positive whole number, such as 25M or 25000000"


def _steps(text: str) -> int:
    """Return a count of steps, as every flag takes it; 0 if it is none."""
    try:
        return parse_count(text)
    except ValueError:
        return 0


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text  # Python reads 1_000
    except ValueError:
        return False
