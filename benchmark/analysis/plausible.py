"""Scores that hardly are what they are said to be: copies, percentages, normalized or mistaken."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from benchmark.statistics.aggregate import Scores
from drac.games import GAMES, RANGE_SOURCES, RANGED_MODES, score_range

ONE_GOAL = ("coinrun", "heist", "jumper", "leaper", "maze", "ninja")
"""Games whose every episode returns 0 or 10."""

_ROOM = 1.5
"""Times the highest published score of another game; an episode can return more than that has."""


def most(game: str, mode: str) -> float:
    """Return a score that no mean over episodes of a game exceeds; infinite where unknown."""
    if game in ONE_GOAL:
        return 10.0
    if mode not in RANGED_MODES:
        return math.inf
    return _ROOM * max(score_range(game, mode, source)[1] for source in RANGE_SOURCES)


def copied(scores: Scores) -> list[str]:
    """Return the games on which all runs, two at least, have the same score.

    Args:
        scores: `(runs, 16)`, NaN where a run is missing.
    """
    return [game for game, own in _by_game(scores) if len(own) > 1 and np.ptp(own) == 0]


def doubts(name: str, mode: str, scores: Scores) -> Iterator[str]:
    """Yield what is odd about a method's scores, a sentence each.

    Args:
        name: the method's.
        mode: "easy" or "hard".
        scores: `(runs, 16)`, NaN where a run is missing.
    """
    if same := copied(scores):
        yield f"{name}: all runs have the same score on {_listed(same)}: copies?"
    games = _by_game(scores)
    if beyond := [game for game, own in games if own.max() > most(game, mode)]:
        yield f"{name}: scores that no run can have on {_listed(beyond)}: percentages?"
    elif len(games) > 1 and all(own.min() >= 0 and own.max() <= 1 for _, own in games):
        yield f"{name}: all scores are from 0 to 1 on {len(games)} games: already normalized?"


def shared(a: Scores, b: Scores) -> list[str]:
    """Return the games on which two methods have the same scores, run by run."""
    other = dict(_by_game(b))
    return [
        game
        for game, own in _by_game(a)
        if game in other and np.array_equal(np.sort(own), np.sort(other[game]))
    ]


def _by_game(scores: Scores) -> list[tuple[str, Scores]]:
    known = ((game, own[~np.isnan(own)]) for game, own in zip(GAMES, scores.T, strict=True))
    return [(game, own) for game, own in known if len(own)]


def _listed(games: list[str]) -> str:
    return f"all {len(games)} games" if len(games) == len(GAMES) else ", ".join(games)
