"""The best augmentation of each game: as published, or of a sweep that the user ran.

Either is a CSV file with the columns `game` and `augmentation`, one row a game; further columns
are not looked at. `drac-bench tables` writes one, best-from.csv, for each experiment in which fixed
augmentations were compared. Nothing here imports torch.
"""

from __future__ import annotations

import csv
from pathlib import Path

from augmentations import registry
from drac.games import GAMES, PUBLISHED

BEST_CSV = PUBLISHED / "best_augmentation.csv"
"""Raileanu et al. 2021; it lies beside the packages in a checkout and in an installation."""

COLUMNS = ("game", "augmentation")


def augmentation(game: str, best_from: str | None = None, given: str | None = None) -> str:
    """Return the specification of a game's best augmentation.

    Args:
        game: one of the 16.
        best_from: a CSV file; None is the published one.
        given: the augmentation that the user named, or a config that this function had a part in;
            None if there is none.

    Raises:
        ValueError: in one sentence: the file is absent, damaged, names a game or an augmentation
            that does not exist, has several for a game, none for this one, or another than `given`.
    """
    path = Path(best_from) if best_from is not None else BEST_CSV
    found = table(path)
    if game not in found:
        raise ValueError(f"{path} has no augmentation for {game}; it has {', '.join(found)}")
    if given is not None and registry.canonical(given) != found[game]:
        raise ValueError(
            f"the best augmentation for {game} is {found[game]} according to {path}, not {given};"
            f" leave --augmentation out, or use --method drac or rad"
        )
    return found[game]


def table(path: Path) -> dict[str, str]:
    """Read such a file: game -> canonical specification.

    Raises:
        ValueError: see `augmentation`.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe, which would be waited for, or a folder
            raise OSError("it is no file")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            lacking = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if lacking:
                raise ValueError(f"{path} has no column {', '.join(lacking)}")
            found: dict[str, str] = {}
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                game, spec = ((row[name] or "").strip() for name in COLUMNS)
                if game in found:
                    raise ValueError(f"{where}: {game} has an augmentation already, {found[game]}")
                found[game] = _checked(where, game, spec)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path} to take the best augmentations from") from None
    except (OSError, UnicodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a table of augmentations ({error})") from None
    if not found:
        raise ValueError(f"{path} has no rows: it names no game's best augmentation")
    return found


def _checked(where: str, game: str, spec: str) -> str:
    if game not in GAMES:
        raise ValueError(f"{where}: unknown game {game!r}")
    if not spec:
        raise ValueError(f"{where}: {game} has no augmentation")
    try:
        return registry.check(spec)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
