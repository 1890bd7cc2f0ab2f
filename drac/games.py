"""The 16 Procgen games and the published score ranges used to normalize their returns."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

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

PUBLISHED = Path(__file__).resolve().parent.parent / "results" / "published"
"""The folder of the numbers from papers: in a checkout and in the wheel alike."""

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


def normalize_score(score: float, game: str, mode: str = "easy", ranges: str = "default") -> float:
    """Min-max normalized score (R - R_min) / (R_max - R_min) of Cobbe et al. 2020, section 2.2."""
    low, high = score_range(game, mode, ranges)
    return (score - low) / (high - low)
