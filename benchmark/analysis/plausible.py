"""Scores that hardly are what they are said to be: copies, percentages, normalized or mistaken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.analysis import comparable
from benchmark.statistics.aggregate import Scores
from drac.games import GAMES, RANGE_SOURCES, RANGED_MODES, score_range

ONE_GOAL = ("coinrun", "heist", "jumper", "leaper", "maze", "ninja")
"""Games whose every episode returns 0 or 10."""

_ROOM = 1.5
"""Times the highest published score of another game; an episode can return more than that has."""


SHOWN = 8
"""Sentences at once."""


class Scored(NamedTuple):
    """A method's scores on one split.

    Attributes:
        name: the method's.
        mode: "easy" or "hard".
        scores: `(runs, 16)`, NaN where a run is missing.
        played: likewise, a number for the run's last evaluation: equal numbers are equal episodes,
            levels, returns and lengths. Every seed draws other levels. NaN where these are too
            few, or return all the same; None where unknown.
        best: likewise, the highest return of these episodes; NaN where they are too few.
        stayed: game -> the one augmentation that all updates of all its runs had.
        chosen: whether these were chosen, among several.
        short: whether its runs are so short that policies hardly differ yet.
    """

    name: str
    mode: str
    scores: Scores
    played: Scores | None = None
    best: Scores | None = None
    stayed: Mapping[str, str] = MappingProxyType({})
    chosen: bool = False
    short: bool = False


def most(game: str, mode: str) -> float:
    """Return a score that no mean over episodes of a game exceeds; infinite where unknown."""
    if game in ONE_GOAL:
        return 10.0
    if mode not in RANGED_MODES:
        return math.inf
    return _ROOM * max(score_range(game, mode, source)[1] for source in RANGE_SOURCES)


TELLING = 5
"""Episodes of a run, of both splits, that are no coincidence if another run has the same."""


SHORT = 65_536
"""Steps before which two runs of one seed may play the same: both policies are nearly uniform."""

WITH_PENALTIES = ("fruitbot", "plunder")
"""Games in which an episode can return less than 0."""


def least(game: str) -> float:
    """Return a score that no mean over episodes of a game falls below."""
    return -math.inf if game in WITH_PENALTIES else 0.0


def copied(scores: Scores) -> list[str]:
    """Return the games on which all runs, two at least, have the same score, which is not 0.

    Args:
        scores: `(runs, 16)`, NaN where a run is missing.
    """
    return [g for g, own in _by_game(scores) if len(own) > 1 and np.ptp(own) == 0 != own[0]]


def of_runs(name: str, runs: pd.DataFrame, splits: Sequence[str]) -> list[Scored]:
    """Return the scores of a method's runs on each split.

    Args:
        name: the method's.
        runs: as `comparable.counted` returns them, of one label.
        splits: "train", "test".
    """
    finals = [record.final for record in runs["record"]]
    best, number = (np.array([getattr(own, name) for own in finals]) for name in ("best", "number"))
    unlike = ~np.isclose(best, [min(own.train, own.test) for own in finals])
    episodes = 2 * np.array([values["eval_episodes"] for values in runs["settings"]])
    runs = runs.assign(
        played=np.where((episodes >= TELLING) & unlike, number, np.nan),
        best=np.where(episodes >= TELLING, best, np.nan),
    )
    played, best = (comparable.scores(runs, column, GAMES) for column in ("played", "best"))
    mode = runs["settings"].iloc[0]["mode"]
    short = max(values["steps"] for values in runs["settings"]) < SHORT
    scores = (comparable.scores(runs, split, GAMES) for split in splits)
    chosen = any(len(counts) > 1 for counts in runs["arms"])
    return [Scored(name, mode, own, played, best, _stayed(runs), chosen, short) for own in scores]


def _stayed(runs: pd.DataFrame) -> dict[str, str]:
    """Return the only augmentation of each game that has but one."""
    had = {
        game: {arm for counts in own for arm, count in counts.items() if count}
        for game, own in runs.groupby("game")["arms"]
    }
    return {str(game): arms.pop() for game, arms in had.items() if len(arms) == 1}


def cautions(methods: Sequence[Scored]) -> list[str]:
    """Say in a few sentences what is odd about scores, of one method alone or of two together."""
    found = [said for one in methods for said in _doubts(one)]
    scored = [dict(_by_game(one.scores)) for one in methods]
    played = [None if one.played is None else dict(_by_game(one.played)) for one in methods]
    for a, b in combinations(range(len(methods)), 2):
        own, other = played[a], played[b]
        if own is None or other is None:
            own, other = scored[a], scored[b]
        same = [g for g in own if g in other and _same(own[g], other[g])]
        found += _equal(methods[a], methods[b], same)
    more = [f"{len(found) - SHOWN} more doubts of these kinds."] if len(found) > SHOWN else []
    return found[:SHOWN] + more


def _equal(one: Scored, other: Scored, games: Sequence[str]) -> Iterator[str]:
    """Say why two methods have equal scores, if a bandit that stays with one arm explains it."""
    explained: dict[str, list[str]] = {}
    unclear = "copies, or too short to differ?" if one.short and other.short else "copies?"
    for game in games:
        arm = one.stayed.get(game)
        known = arm is not None and arm == other.stayed.get(game) and (one.chosen or other.chosen)
        why = f"every update of both had {arm}." if known else unclear
        explained.setdefault(why, []).append(game)
    for why, own in explained.items():
        both = f"{one.name} and {other.name} have the same scores, run by run"
        yield f"{both}, on {_listed(own)}: {why}"


def _doubts(one: Scored) -> Iterator[str]:
    name, games = one.name, _by_game(one.scores)
    if one.played is None:
        if same := copied(one.scores):
            yield f"{name}: all runs have the same score on {_listed(same)}: copies?"
    elif same := [game for game, own in _by_game(one.played) if len({*own}) < len(own)]:
        yield f"{name}: runs have the very same episodes on {_listed(same)}: copies?"
    if beyond := [
        game for game, own in games if own.max() > most(game, one.mode) or own.min() < least(game)
    ]:
        yield f"{name}: scores that no run can have on {_listed(beyond)}: percentages or mistaken?"
    elif len(games) > 1 and _normalized(one.scores if one.best is None else one.best):
        yield f"{name}: all scores are from 0 to 1 on {len(games)} games: already normalized?"


def _same(one: Scores, other: Scores) -> bool:
    """Whether scores are the same, run by run, and not all 0: whoever learns nothing has these."""
    return bool(np.array_equal(one, other) and one.any())


def _normalized(scores: Scores) -> bool:
    known = scores[~np.isnan(scores)]
    return bool(len(known) and known.min() >= 0 and 0 < known.max() <= 1)


def _by_game(scores: Scores, games: Sequence[str] = GAMES) -> list[tuple[str, Scores]]:
    """Return the games that have runs, with the scores of these, sorted."""
    known = {game: own[~np.isnan(own)] for game, own in zip(games, scores.T, strict=True)}
    return [(game, np.sort(own)) for game, own in known.items() if len(own)]


def _listed(games: list[str]) -> str:
    return f"all {len(games)} games" if len(games) == len(GAMES) else ", ".join(games)
