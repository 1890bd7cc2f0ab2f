"""The paper's Table 1: PPO-normalized return on training and test levels, over the games."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmark.analysis.caveats import beside_protocol, with_caveats
from benchmark.analysis.comparable import BASELINE, baseline, counted, scores
from benchmark.analysis.ppo_normalized import Aggregate, difference, ppo_normalized
from benchmark.analysis.published_options import STARRED, star, unpublished
from benchmark.scores import published
from benchmark.scores.published import Normalized, Source
from benchmark.statistics import normalize
from benchmark.tables.table import NOT_AVAILABLE, Block, Table, number
from drac.config.quantities import shortened
from drac.games import GAMES

NO_RUNS = "no runs"
_SPLITS = {"train": "Training levels", "test": "Test levels"}
_OURS = ("median", "mean", "std", "seed_std")
_THEIRS = ("median", "mean", "std")


@dataclass(frozen=True)
class _Variant:
    """A variant of a method, its runs, and those of PPO that it is normalized by."""

    label: str
    method: str
    mode: str
    runs: pd.DataFrame
    ppo: pd.DataFrame

    @cached_property
    def both(self) -> tuple[str, ...]:
        """Games on which it and PPO have runs."""
        have = set(self.runs["game"]) & set(self.ppo["game"])
        return tuple(game for game in GAMES if game in have)

    @cached_property
    def games(self) -> tuple[str, ...]:
        """Those of `both` on which PPO's means are positive."""
        bad = {game for games in self._without.values() for game in games}
        return tuple(game for game in self.both if game not in bad)

    @cached_property
    def _without(self) -> dict[str, tuple[str, ...]]:
        """Split -> the games of `both` on which PPO's mean is not positive."""
        games = self.both
        return {
            split: normalize.without_ppo(scores(self.ppo, split, games), games) if games else ()
            for split in _SPLITS
        }

    @property
    def not_positive(self) -> str:
        """The splits of these, as "test" or "train and test"."""
        return " and ".join(split for split, games in self._without.items() if games)


def table1(runs: pd.DataFrame) -> Table:
    """PPO-normalized return, median, mean and std, beside the paper's Table 1 and PLR's Table 2.

    Aggregates of methods are over the games that all of them have; where some have more, a
    further block has each method over its own, which are then no comparison of methods.

    Args:
        runs: as `Store.load` returns them.
    """
    complete = counted(runs)
    variants = _variants(complete)
    sources = published.normalized_sources({v.mode for v in variants} or {"easy"})
    games = [set(variant.games) for variant in variants if variant.games]
    common = tuple(game for game in GAMES if games and game in set.intersection(*games))
    lacking = [m for m in dict.fromkeys(runs["shown"]) if m not in set(complete["shown"])]
    shared = {variant.label: common if variant.games else () for variant in variants}
    blocks, data = [], []
    for split, heading in _SPLITS.items():
        lines = list(_lines(variants, lacking, split, shared, sources))
        blocks.append(_block(f"{heading}, {_games_text(common)}; [...]: published", lines))
        data += [line.numbers("common", split) for line in lines]
    if any(own != set(common) for own in games):
        for split, heading in _SPLITS.items():
            own_games = {variant.label: variant.games for variant in variants}
            lines = list(_lines(variants, [], split, own_games, {}))
            where = f"{heading}, each method over its own games: no comparison"
            blocks.append(_block(where, lines))
            data += [line.numbers("own", split) for line in lines]
    notes = _notes(complete, variants, common, sources)
    return Table.of(
        "table1",
        "PPO-normalized return (%)",
        blocks,
        pd.DataFrame(data),
        with_caveats(runs, complete, notes),
    )


def _games_text(games: Sequence[str]) -> str:
    if len(games) == len(GAMES):
        return "all 16 games"
    if not games:
        return "no game in common"
    if len(games) == 1:
        return f"{games[0]} alone, which all methods have"
    return f"{len(games)} of 16 games, those that all methods have"


def _variants(complete: pd.DataFrame) -> list[_Variant]:
    """Return every variant; PPO first."""
    found = []
    for label, own in complete.groupby("label", sort=False):
        method, settings = str(own["method"].iloc[0]), own["settings"].iloc[0]
        ppo = own if method == BASELINE else baseline(complete, settings, BASELINE)
        found.append(_Variant(str(label), method, settings["mode"], own, ppo))
    return sorted(found, key=lambda variant: variant.method != BASELINE)


@dataclass(frozen=True)
class _Line:
    """One method on one split: ours, None where `why_not` says why, and what is published.

    `theirs` has every source of the split's numbers, by its letter; None where it lacks the method.
    `settings` are those of our runs.
    """

    label: str
    method: str
    ours: Aggregate | None
    why_not: str
    theirs: Mapping[str, Normalized | None]
    sources: Mapping[str, Source]
    settings: Mapping[str, Any]

    def difference(self) -> float | str:
        """Our mean less that of [a] in standard errors, or why there is no such number."""
        theirs = self.theirs["a"]
        if self.ours is None or theirs is None:
            return NOT_AVAILABLE
        if self.method == BASELINE:
            return "100 by definition"
        if len(self.ours.games) < len(GAMES):
            return "other games"
        if self.ours.equal:
            return "equal seeds"
        return difference(self.ours, theirs, self.sources["a"])

    def cells(self) -> dict[str, str]:
        """Return what is shown."""
        names = ("games", "seeds", "median", "mean", "std", "std of mean")
        cells = {"method": self.label, **dict.fromkeys(names, "-"), "games": self.why_not}
        if (ours := self.ours) is not None:
            fewest, most = int(ours.seeds.min()), int(ours.seeds.max())
            seeds = f"{most}" if fewest == most else f"{fewest}-{most}"
            values = (number(getattr(ours, name), ".1f", "-") for name in _OURS)
            cells |= zip(names, (f"{len(ours.games)}", seeds, *values), strict=True)
        for letter, theirs in self.theirs.items():
            # The PLR paper prints no median.
            for name in _THEIRS if letter == "a" else _THEIRS[1:]:
                value = getattr(theirs, name, math.nan)
                mark = star(self.settings) if name == "mean" and theirs else ""
                cells[f"[{letter}] {name}"] = number(value, ".1f") + mark
            if letter == "a":
                units = self.difference()
                said = units if isinstance(units, str) else f"{units:+.1f} SE{star(self.settings)}"
                cells["mean - [a]"] = said
        return cells

    def numbers(self, scope: str, split: str) -> dict[str, Any]:
        """Return the same for programs."""
        row: dict[str, Any] = {"scope": scope, "split": split}
        row |= {"method": self.method, "variant": self.label}
        row["games"] = 0 if self.ours is None else len(self.ours.games)
        row |= {name: getattr(self.ours, name, math.nan) for name in _OURS}
        for letter, theirs in self.theirs.items():
            for name in _THEIRS:
                row[f"published_{name}_{letter}"] = getattr(theirs, name, math.nan)
            if letter == "a":
                units = self.difference()
                row["difference_a"] = math.nan if isinstance(units, str) else units
        return row | {"other_options": ", ".join(unpublished(self.settings))}


def _block(heading: str, lines: Sequence[_Line]) -> Block:
    return Block(pd.DataFrame([line.cells() for line in lines]), heading)


def _lines(
    variants: Sequence[_Variant],
    lacking: Sequence[str],
    split: str,
    games: Mapping[str, Sequence[str]],
    sources: Mapping[str, Source],
) -> Iterator[_Line]:
    """Yield the lines of one split; those of published methods that we lack come last."""
    known = {letter: published.normalized(split, s.name) for letter, s in sources.items()}
    known = {letter: rows for letter, rows in known.items() if rows}
    for variant in variants:
        ours = None
        if games[variant.label]:
            ours = ppo_normalized(variant.runs, variant.ppo, split, games[variant.label])
        name = published.NAMES.get(variant.method, "")
        theirs = {
            letter: rows.get(name) if sources[letter].mode == variant.mode else None
            for letter, rows in known.items()
        }
        why = "no PPO to compare with" if not variant.both else "no game in common"
        if variant.both and not variant.games:
            why = f"PPO's {variant.not_positive} return is not above 0"
        settings = variant.runs["settings"].iloc[0]
        yield _Line(variant.label, variant.method, ours, why, theirs, sources, settings)
    ran = {published.NAMES.get(variant.method, "") for variant in variants}
    rest = [(published.NAMES.get(method, method), method) for method in lacking]
    rest += [(name, name) for rows in known.values() for name in rows]
    for name, shown in rest:
        if name not in ran:
            ran.add(name)
            theirs = {letter: rows.get(name) for letter, rows in known.items()}
            yield _Line(shown, shown, None, NO_RUNS, theirs, sources, {})


def _notes(
    complete: pd.DataFrame,
    variants: Sequence[_Variant],
    common: Sequence[str],
    sources: Mapping[str, Source],
) -> Iterator[str]:
    yield (
        "Each run's score over PPO's mean of that game and split; median and mean over games of"
        " the mean over seeds. std: mean over games of the std over seeds; std of mean: std over"
        " seeds of the mean over games. The paper does not say which of the two it prints, the PLR"
        " paper prints the second (docs/fidelity.md)."
    )
    if variants and len(common) < len(GAMES):
        names = shortened(common) or "none"
        yield f"WARNING: over {len(common)} of 16 games ({names}), not over all."
    negative: dict[str, None] = {}
    for variant in variants:
        own, ppo = set(variant.runs["game"]), set(variant.ppo["game"])
        negative |= dict.fromkeys(game for game in variant.both if game not in variant.games)
        if not ppo:
            yield f"{variant.label}: no PPO runs of the same settings to normalize by."
            continue
        if lost := [game for game in GAMES if game not in own]:
            yield f"{variant.label} lacks {shortened(lost)}."
        if lost := [game for game in GAMES if game in own - ppo]:
            yield f"PPO, by which {variant.label} is normalized, lacks {shortened(lost)}."
    yield from beside_protocol(complete)
    if negative:
        splits = " or ".join(dict.fromkeys(v.not_positive for v in variants if v.not_positive))
        yield f"Left out: {shortened(negative)}, where PPO's {splits} return is not above 0."
    for letter, source in sources.items():
        only = "" if published.normalized("train", source.name) else " Test levels only."
        yield f"[{letter}] {source.text()}.{only}"
    if "a" in sources:
        yield (
            "mean - [a]: in units of the pooled standard error of the mean over games, the"
            " published std taken for that of the mean; were it the mean of the games' own, it"
            " would be more units, up to four times as many. One seed of ours takes the published"
            " std; seeds that are equal on most games have no error to compare by. Each paper"
            " normalizes by its own PPO, whose error is not in it."
        )
    if any(star(settings) for settings in complete["settings"]):
        yield STARRED
