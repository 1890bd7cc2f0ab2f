"""Text with separators: commas, semicolons or tabs; a row a run, or a column a game."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from augmentations.arguments import hint
from benchmark.scores.reading import (
    MISSING,
    OPTIONAL,
    REQUIRED,
    Reading,
    Row,
    Told,
    game_and_mode,
)
from drac.config.quantities import number_of
from drac.errors import ConfigError

SEPARATORS: Mapping[str, str] = MappingProxyType({",": "commas", ";": "semicolons", "\t": "tabs"})

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("method", "algo", "algorithm", "agent"), "method"),
        **dict.fromkeys(("run", "seed", "trial"), "run"),
        **{name: name for name in ("split", *OPTIONAL)},
    }
)
"""Columns beside the games', in small letters, and what they are."""


@dataclass(frozen=True)
class Lines:
    """The lines of a file.

    Attributes:
        header: names of the columns.
        rows: number of the line, and its cells, as many as the header has.
        problems: what is wrong with others, a sentence each.
        separator: one of `SEPARATORS`.
    """

    header: list[str]
    rows: list[tuple[int, list[str]]]
    problems: list[str]
    separator: str


def split(text: str) -> Lines:
    """Split text into lines and cells, by the separator that its first line has most of."""
    first = text.lstrip().partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    header, rows, problems = [], [], []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) == len(header):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
                continue
            problems.append(
                f"line {reader.line_num} has {number_of(len(cells), 'field')}, the header"
                f" {len(header)}"
            )
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    return Lines(header, rows, problems, separator)


def row_a_run(path: Path, lines: Lines, told: Told) -> Reading:
    """Read a file that has the columns `REQUIRED`.

    Raises:
        ConfigError: if a column is missing or there twice.
    """
    header = lines.header
    absent = [name for name in REQUIRED if name not in header]
    if absent:
        said = ", ".join(f"{name!r}{hint(name, header)}" for name in absent)
        has = f"its first line is {', '.join(header)!r:.120}" if any(header) else "it is empty"
        raise ConfigError(
            f"{path} has no column {said}: {has}, and must have {', '.join(REQUIRED)}"
            f" (may have {', '.join(OPTIONAL)}), or a column for each game, or those of a"
            f" training's progress"
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ConfigError(f"{path} has the column {', '.join(map(repr, twice))} twice")
    told.require_used("a file with one row a run", ())
    kept = {*REQUIRED, *OPTIONAL}
    return Reading(
        kind=f"one row a run, {SEPARATORS[lines.separator]} between the columns",
        meaning={name: name if name in kept else "not kept" for name in header},
        rows=[(f"line {n}", dict(zip(header, cells, strict=True))) for n, cells in lines.rows],
        ignored=tuple(name for name in header if name not in kept),
        problems=tuple(lines.problems),
    )


def game_columns(header: Sequence[str]) -> dict[int, str]:
    """Return the columns that are a game's, by their place."""
    return {place: name for place, name in enumerate(header) if game_and_mode(name)}


def column_a_game(path: Path, lines: Lines, told: Told) -> Reading:
    """Read a file that has a column for each game and a row for each run.

    Method, run, split and mode are in columns too or told; else the method is the file's name, a
    row's number in its method the run, and the split "test". An empty cell is a missing run.
    """
    told.require_used("a file with a column for each game", ("method", "split", "mode"))
    games = game_columns(lines.header)
    others = {
        place: ALIASES[name.lower()]
        for place, name in enumerate(lines.header)
        if name.lower() in ALIASES and place not in games
    }
    default = {"method": told.method or path.stem, "split": told.split or "test"}
    default["mode"] = told.mode
    rows: list[tuple[str, Row]] = []
    counts: dict[tuple[str, str, str], int] = {}
    missing = 0
    for number, cells in lines.rows:
        own = {**default, **{name: cells[place] for place, name in others.items()}}
        key = (own["method"], own["split"], own["mode"])
        own.setdefault("run", str(counts.get(key, 0)))
        counts[key] = counts.get(key, 0) + 1
        for place, game in games.items():
            if cells[place].lower() in MISSING:
                missing += 1
            else:
                rows.append((f"line {number}", {**own, "game": game, "score": cells[place]}))
    meaning = {
        name: f"scores of {(game_and_mode(name) or (name,))[0]}"
        if place in games
        else others.get(place, "not kept")
        for place, name in enumerate(lines.header)
    }
    assumed = [f"{name} {value!r}" for name, value in default.items() if value]
    assumed = [text for text in assumed if text.split()[0] not in others.values()]
    assumed += [] if "run" in others.values() else ["run: number of the row in its method"]
    return Reading(
        kind=f"a column for each game, {SEPARATORS[lines.separator]} between the columns",
        meaning=meaning,
        rows=rows,
        ignored=tuple(
            name
            for place, name in enumerate(lines.header)
            if place not in games and place not in others
        ),
        problems=tuple(lines.problems),
        notes=(
            *([f"not in the file: {', '.join(assumed)}"] if assumed else []),
            *([f"{missing} empty cells are missing runs"] if missing else []),
        ),
    )
