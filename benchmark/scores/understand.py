"""What a file of scores is, and its rows, checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from augmentations.arguments import hint
from benchmark.scores import arrays, progress, separated
from benchmark.scores.reading import MISSING, OPTIONAL, REQUIRED, Reading, Row, Told, with_game
from drac.config.quantities import parse_count
from drac.errors import ConfigError
from drac.files import untrusted
from drac.games import GAMES, LARGEST_RETURN, MODES
from drac.runs.logs import SPLITS

SHOWN = 3
"""How many problems of a file are said at once."""

_KEY = ("method", "mode", "game", "split", "run")
_DEFAULTS: Mapping[str, str] = {"mode": "easy", "steps": "", "caution": ""}
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")


def understand(path: Path, content: bytes, told: Told) -> Reading:
    """Return what a file has, of whatever family it is.

    Raises:
        ConfigError: if it is of none, or does not say what must be known.
    """
    if path.suffix in _PICKLES:
        raise ConfigError(
            f"{path} is a pickle, which can run code when it is read and is never opened; save the"
            f" scores as .npy, .npz, JSON or CSV"
        )
    if path.suffix in arrays.SUFFIXES:
        return arrays.read(path, told)
    try:
        lines = separated.split(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path} cannot be read: it is not UTF-8 text") from None
    try:
        untrusted.check_columns(lines.header)
    except ValueError as error:
        raise ConfigError(f"{path} is no file of scores: {error}") from None
    if {*REQUIRED} <= {*lines.header}:
        return separated.row_a_run(path, lines, told)
    if progress.columns(lines.header):
        return progress.end(path, lines, told)
    if separated.game_columns(lines.header):
        return separated.column_a_game(path, lines, told)
    return separated.row_a_run(path, lines, told)


def checked(path: Path, reading: Reading) -> pd.DataFrame:
    """Return the rows as a `ScoreSet` has them.

    Raises:
        ConfigError: one sentence about the first problems, and how many more there are.
    """
    problems = list(reading.problems)
    found: dict[tuple[str, ...], tuple[str, Row]] = {}
    for where, given in reading.rows:
        try:
            row = with_game(given)
        except ConfigError as error:
            problems.append(f"{where}: {error}")
            continue
        row = {**row, **{n: row.get(n) or value for n, value in _DEFAULTS.items()}}
        if wrong := [f"{where}: {what}" for what in _problems(row)]:
            problems += wrong
            continue
        key = tuple(row[name] for name in _KEY)
        if key in found:
            run = f"{row['method']}, {row['game']}, {row['split']}, run {row['run']}"
            problems.append(f"{where}: {run} is on {found[key][0]} already")
        found.setdefault(key, (where, row))
    if problems or not found:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        said = "; ".join(problems[:SHOWN]) or "it has no row"
        raise ConfigError(f"{path} is no file of scores: {said}{more}")
    rows = pd.DataFrame([row for _, row in found.values()], columns=[*REQUIRED, *OPTIONAL])
    rows["score"] = rows["score"].astype(float)
    rows["steps"] = pd.Series([float(_steps(n) or "nan") for n in rows["steps"]], dtype=float)
    return rows


def _problems(row: Row) -> Iterator[str]:
    """Yield what is wrong with the values of one line."""
    for name, allowed in (("game", GAMES), ("split", SPLITS), ("mode", tuple(MODES))):
        if row[name] not in allowed:
            nearest = hint(row[name], allowed) or f", choose from {', '.join(allowed)}"
            yield f"unknown {name} {row[name]!r}{nearest}"
    for name in ("method", "run"):
        if not row[name].isprintable() or not 1 <= len(row[name]) <= 200:
            yield f"{name} {row[name]!r:.40} is not a name"
    given = row["score"]
    if _finite(given) and abs(float(given)) > LARGEST_RETURN:
        yield f"score {given!r} is beyond what any run can have"
    if not _finite(given):
        why = ""
        if given.lower() in MISSING:
            why = " (leave the line of a missing run out)"
        elif given.lower().lstrip("+-") in ("inf", "infinity"):
            why = ": it is infinite"
        elif _finite(given.replace(",", ".")):
            why = " (decimals have a point, not a comma)"
        yield f"score {given!r} is not a number{why}"
    if row["steps"] and not _steps(row["steps"]):
        yield f"steps {row['steps']!r} is not a positive whole number, such as 25M or 25000000"


def _steps(text: str) -> int:
    """Return a count of steps, as every flag takes it; 0 if it is none."""
    try:
        return parse_count(text)
    except ValueError:
        return 0


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text  # Python reads 1_000
    except ValueError:
        return False
