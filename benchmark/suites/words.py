"""Seeds, games and methods as they are written on the command line and in suites."""

from __future__ import annotations

import re
from collections.abc import Sequence

from augmentations.arguments import unknown
from drac import methods
from drac.errors import ConfigError
from drac.games import GAMES


def parse_seeds(words: Sequence[str]) -> tuple[int, ...]:
    """Read seeds such as ["0-2", "7"] -> (0, 1, 2, 7).

    Raises:
        ConfigError: for anything else.
    """
    seeds: list[int] = []
    for word in words:
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", word)
        if not match:
            raise ConfigError(f"seeds {word!r} must be a number or a range A-B, e.g. 0 or 0-9")
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high or high - low >= 10_000:
            raise ConfigError(f"seeds {word!r} must be a range of 1 to 10,000 seeds")
        seeds += range(low, high + 1)
    return tuple(dict.fromkeys(seeds))


def parse_games(words: Sequence[str]) -> tuple[str, ...]:
    """Read games; "all" stands for the 16.

    Raises:
        ConfigError: for an unknown game.
    """
    for word in words:
        if word not in (*GAMES, "all"):
            raise ConfigError(unknown("game", word, (*GAMES, "all")))
    return GAMES if "all" in words else tuple(dict.fromkeys(words))


def parse_methods(words: Sequence[str], augmentation: str | None = None) -> tuple[str, ...]:
    """Read methods; "all" stands for each of them, families with one augmentation.

    Args:
        words: as given.
        augmentation: of the sweep, which then is that of the families; None takes crop.

    Returns:
        The methods, in the spelling of their runs; what is no method is for the config to refuse.
    """
    if "all" not in words:
        return tuple(methods.ALIASES.get(word, word) for word in words)
    known = methods.known().values()
    return tuple(f"{m.name}-crop" if m.is_family and not augmentation else m.name for m in known)
