"""Files of scores as people have them, and how each is understood.

A reader of one family of files returns a `Reading`: rows of text as a file with one row a run has
them, and what every column was taken for. The rows are checked afterwards, whoever read them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from drac.errors import ConfigError
from drac.games import GAMES, MODES

REQUIRED = ("method", "game", "split", "run", "score")
OPTIONAL = ("mode", "steps", "caution")
MISSING = ("", "nan", "na", "none", "null")
"""What stands for a run that is not there, in small letters."""

Row = dict[str, str]


@dataclass(frozen=True)
class Told:
    """What the command line says of a file that does not say it itself; empty where nothing.

    Attributes:
        method: of all its runs.
        game: likewise.
        seed: the run, of a file about a single one.
        split: "train" or "test".
        mode: Procgen's distribution mode.
        games: of the columns of an array, in their order.
        final: so many last steps of a curve become the score.
    """

    method: str = ""
    game: str = ""
    seed: str = ""
    split: str = ""
    mode: str = ""
    games: tuple[str, ...] = ()
    final: int = 0

    def require_used(self, kind: str, used: Sequence[str]) -> None:
        """Check that nothing is told that a kind of file says itself.

        Raises:
            ConfigError: naming what is of no use.
        """
        names = [field.name for field in fields(self) if getattr(self, field.name)]
        if useless := [f"--{name}" for name in names if name not in used]:
            also = f"; it takes {', '.join(f'--{name}' for name in used)}" if used else ""
            raise ConfigError(f"{', '.join(useless)} is of no use for {kind}{also}")


@dataclass(frozen=True)
class Reading:
    """A file as it was understood.

    Attributes:
        kind: what it is, in words.
        meaning: what each column was taken for, in words; of columns that are not kept too.
        rows: where each is, such as "line 2", and its text by `REQUIRED` and `OPTIONAL`.
        ignored: columns that were not kept.
        problems: what is wrong, a sentence each.
        notes: what is to be said beside it.
    """

    kind: str
    meaning: Mapping[str, str]
    rows: Sequence[tuple[str, Row]]
    ignored: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def game_and_mode(text: str) -> tuple[str, str] | None:
    """Return the game that a name stands for, and the mode if it has one, else "".

    "BigFish", "big_fish", "BigfishEasy-v0" and "procgen:procgen-bigfish-v0" are bigfish.

    Returns:
        None if it stands for no game.
    """
    name = re.sub(r"[^a-z0-9]", "", text.lower()).removesuffix("v0")
    while name.startswith("procgen"):
        name = name.removeprefix("procgen")
    for mode in ("", *MODES):
        if name.endswith(mode) and name[: len(name) - len(mode)] in GAMES:
            return name[: len(name) - len(mode)], mode
    return None


def with_game(row: Row) -> Row:
    """Return a row with the game's own name, and the mode that its name has.

    Raises:
        ConfigError: if the game's name has another mode than the row.
    """
    found = game_and_mode(row["game"])
    if found is None:
        return row
    game, mode = found
    if mode and row.get("mode") and row["mode"] != mode:
        raise ConfigError(f"game {row['game']!r} is {mode}, the mode {row['mode']}")
    return {**row, "game": game, "mode": mode or row.get("mode", "")}
