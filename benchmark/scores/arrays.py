"""Arrays of scores, (runs, games): .npy, .npz and JSON; the latter two may hold several methods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augmentations.arguments import unknown
from benchmark.scores.reading import Reading, Told, game_and_mode
from drac.errors import ConfigError
from drac.files import untrusted
from drac.games import GAMES

SUFFIXES = (".npy", ".npz", ".json")
_LIMIT = 2**22
"""Bytes of such a file; a thousand runs of 16 methods on 16 games have half of it."""


def read(path: Path, told: Told) -> Reading:
    """Read a file whose columns are the games that were told.

    Raises:
        ConfigError: if it cannot be read without running what it holds, its arrays are not
            (runs, games), or the games are not told.
    """
    told.require_used("an array", ("method", "games", "split", "mode"))
    found = _arrays(path)
    arrays = found if isinstance(found, Mapping) else {told.method or path.stem: found}
    if told.method and isinstance(found, Mapping):
        raise ConfigError(f"{path} names its methods: leave --method out")
    games = _games(path, told.games, arrays)
    common = {"split": told.split or "test", "mode": told.mode}
    rows, missing = [], 0
    for method, given in arrays.items():
        values = _matrix(f"{path}: {method}", given, len(games))
        for run, scores in enumerate(values.tolist()):
            for game, score in zip(games, scores, strict=True):
                if np.isnan(score):
                    missing += 1
                    continue
                own = {"method": method, "game": game, "run": str(run), "score": repr(score)}
                rows.append((f"{method}, row {run}", {**common, **own}))
    notes = [f"not in the file: split {common['split']!r}"]
    notes += [f"{missing} NaN are missing runs"] if missing else []
    return Reading(
        kind=f"{len(arrays)} {'array' if len(arrays) == 1 else 'arrays'} (runs, games)",
        meaning={f"column {n}": f"scores of {game}" for n, game in enumerate(games)},
        rows=rows,
        notes=tuple(notes),
    )


def _arrays(path: Path) -> Any:
    """Return one array, or arrays by method."""
    try:
        if path.suffix == ".json":
            return untrusted.read_json(path, _LIMIT)
        untrusted.read(path, _LIMIT, first=1)
        loaded = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, MemoryError) as error:
        reason = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
        if "pickle" in reason or "Python objects" in reason:
            reason = (
                "it holds Python objects, which can run code when they are read and are never"
                " opened; save each method's array by np.savez(path, **scores), or as JSON"
            )
        raise ConfigError(f"{path} cannot be read: {reason}") from None


def _games(path: Path, told: tuple[str, ...], arrays: Mapping[str, Any]) -> list[str]:
    if told == ("all",):
        return list(GAMES)
    if not told:
        raise ConfigError(
            f"{path} does not say which column is which game: add --games with their names in the"
            f" order of the columns (all: the 16 in alphabetical order)"
        )
    games = []
    for name in told:
        found = game_and_mode(name)
        if found is None:
            raise ConfigError(unknown("game", name, GAMES))
        games.append(found[0])
    if twice := sorted({game for game in games if games.count(game) > 1}):
        raise ConfigError(f"games names {', '.join(twice)} more than once")
    return games


def _matrix(what: str, given: Any, games: int) -> NDArray[np.float64]:
    """Return scores as (runs, games); null is NaN."""
    try:
        values = np.array(given, dtype=object if isinstance(given, list) else None)
        values = values.astype(np.float64) if values.dtype.kind in "Ofiu" else np.empty(0)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 2 or values.shape[1] != games or not values.size:
        has = f"has shape {values.shape}" if values.size else "is no array of numbers (runs, games)"
        raise ConfigError(f"{what} {has}: a row for each run, and --games names {games} columns")
    return values
