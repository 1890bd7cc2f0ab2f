"""The 16 Procgen games and the published score ranges used to normalize their returns."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

GAMES: tuple[str, ...] = (
    "bigfish",
    "bossfight",
    "caveflyer",
    "chaser",
    "climber",
    "coinrun",
    "dodgeball",
    "fruitbot",
    "heist",
    "jumper",
    "leaper",
    "maze",
    "miner",
    "ninja",
    "plunder",
    "starpilot",
)
"""Cobbe et al. 2020, "Leveraging Procedural Generation to Benchmark RL", in alphabetical order."""

Mode = Literal["easy", "hard", "extreme", "memory", "exploration"]
"""Procgen's distribution modes; not every game has the last three."""

EXPLORATION_LEVELS: Mapping[str, int] = MappingProxyType(
    {
        "caveflyer": 1259048185,
        "climber": 1561126160,
        "coinrun": 1949448038,
        "heist": 876640971,
        "jumper": 1434825276,
        "leaper": 1318677581,
        "maze": 158988835,
        "ninja": 1123500215,
    }
)
"""The one level, of the hard distribution, that a game's exploration mode consists of."""

MODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "easy": GAMES,
        "hard": GAMES,
        "extreme": ("chaser", "dodgeball", "leaper", "starpilot"),
        "memory": ("caveflyer", "dodgeball", "heist", "jumper", "maze", "miner"),
        "exploration": tuple(EXPLORATION_LEVELS),
    }
)
"""The games that have each mode: `parse_options` of Procgen's game.cpp, and its env.py."""

RANGED_MODES = ("easy", "hard")
"""The modes with published score ranges; in the others returns cannot be normalized by them."""

NUM_ACTIONS = 15
"""Every game has the same 15 actions; many do nothing in a given game."""

ACTIONS: tuple[str, ...] = (
    "left+down",
    "left",
    "left+up",
    "down",
    "no-op",
    "up",
    "right+down",
    "right",
    "right+up",
    "key D",
    "key A",
    "key W",
    "key S",
    "key Q",
    "key E",
)
"""What each action presses: `get_combos` of Procgen's env.py. The keys act in some games only."""

OBS_SHAPE = (3, 64, 64)
"""(channels, height, width) of every game's observations, as networks see them."""

RANGE_SOURCES = {
    "default": "impoola normalized_score_lists.py (as Syllabus)",
    "train-procgen": "openai/train-procgen constants.py",
}
"""Names of the two published range sets. They differ on easy Jumper and Leaper only."""

LARGEST_RETURN = 1e9
"""No return, nor a mean of some, is beyond it in a file that somebody meant."""

_PACKAGED = Path(__file__).resolve().parent / "published"
PUBLISHED = _PACKAGED if _PACKAGED.is_dir() else _PACKAGED.parent.parent / "results" / "published"
"""The folder of the numbers from papers: inside the package in a wheel, beside it in a checkout."""

_RANGES_CSV = PUBLISHED / "score_ranges.csv"


@cache
def score_range(game: str, mode: str = "easy", ranges: str = "default") -> tuple[float, float]:
    """Return the published (minimum, maximum) score of a game.

    Args:
        game: one of `GAMES`.
        mode: "easy" or "hard", Procgen's distribution mode.
        ranges: a key of `RANGE_SOURCES`.

    Raises:
        ValueError: if the table has no such row.
    """
    if ranges not in RANGE_SOURCES:
        raise ValueError(f"unknown score ranges {ranges!r}: choose from {', '.join(RANGE_SOURCES)}")
    with _RANGES_CSV.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["mode"], row["game"], row["source"]) == (mode, game, RANGE_SOURCES[ranges]):
                return float(row["r_min"]), float(row["r_max"])
    raise ValueError(f"no published score range for game {game!r} in mode {mode!r}")


UNSOLVABLE = "cannot be solved"
"""What is said beside a level of `unsolvable`."""


@cache
def unsolvable(game: str, mode: str) -> frozenset[int]:
    """Return the known levels that cannot be solved: whatever is done, an episode ends at once.

    results/published/README.md says which levels were looked at.
    """
    with (PUBLISHED / "unsolvable_levels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return frozenset(int(r["level"]) for r in rows if (r["game"], r["mode"]) == (game, mode))


def games_text(games: Sequence[str]) -> str:
    """Return the name of a game that is alone, else how many there are: "maze", "16 games"."""
    return games[0] if len(games) == 1 else f"{len(games)} games"


def require_mode(game: str, mode: str) -> None:
    """Check that a game has a mode.

    Raises:
        ValueError: if it has not; the message names the games that have it.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}: choose {', '.join(MODES)}")
    if game not in MODES[mode]:
        raise ValueError(f"{game} has no mode {mode!r}; {', '.join(MODES[mode])} have it")


def normalize_score(score: float, game: str, mode: str = "easy", ranges: str = "default") -> float:
    """Min-max normalized score (R - R_min) / (R_max - R_min) of Cobbe et al. 2020, section 2.2."""
    low, high = score_range(game, mode, ranges)
    return (score - low) / (high - low)
