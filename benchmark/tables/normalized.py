"""The paper's Table 1: PPO-normalized return on training and test levels, over the games."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmark.analysis.caveats import apart_from_published, beside_protocol, closing, shortened
from benchmark.analysis.comparable import BASELINE, baseline, counted, scores
from benchmark.analysis.ppo_normalized import Aggregate, difference, ppo_normalized
from benchmark.scores import published
from benchmark.scores.published import Normalized, Source
from benchmark.statistics import normalize
from benchmark.tables.table import NOT_AVAILABLE, Block, Table
from drac.games import GAMES

NO_RUNS = "no runs"
_SPLITS = {"train": "Training levels", "test": "Test levels"}
_NOTHING = Normalized(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class _Variant:
    """A variant of a method, its runs, and those of PPO that it is normalized by."""

    label: str
    method: str
    mode: str
    runs: pd.DataFrame
    ppo: pd.DataFrame

    @property
    def both(self) -> tuple[str, ...]:
        """Games on which it and PPO have runs."""
        have = set(self.runs["game"]) & set(self.ppo["game"])
        return tuple(game for game in GAMES if game in have)

    @cached_property
    def games(self) -> tuple[str, ...]:
        """Those of `both` on which PPO's means are positive."""
        games = self.both
        for split in _SPLITS:
            bad = normalize.without_ppo(scores(self.ppo, split, games), games) if games else ()
            games = tuple(game for game in games if game not in bad)
        return games


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
    lacking = [m for m in dict.fromkeys(runs["method"]) if m not in set(complete["method"])]
    shared = {variant.label: common if variant.games else () for variant in variants}
    blocks, data = [], []
    for split, heading in _SPLITS.items():
        where = f"{heading}, {_games_text(common)}; [...]: published"
        block, rows = _block(variants, lacking, split, shared, sources)
        blocks.append(Block(block, where))
        data += rows
    if any(own != set(common) for own in games):
        for split, heading in _SPLITS.items():
            own_games = {variant.label: variant.games for variant in variants}
            block, rows = _block(variants, [], split, own_games, {})
            blocks.append(Block(block, f"{heading}, each method over its own games: no comparison"))
            data += [{**row, "scope": "own"} for row in rows]
    return Table(
        "table1",
        "PPO-normalized return (%)",
        blocks[0].cells,
        pd.DataFrame(data),
        tuple(_notes(runs, complete, variants, common, sources)),
        heading=blocks[0].heading,
        more=tuple(blocks[1:]),
    )


def _games_text(games: Sequence[str]) -> str:
    if len(games) == len(GAMES):
        return "all 16 games"
    if not games:
        return "no game in common"
    return f"{len(games)} of 16 games, those that all methods have"


def _variants(complete: pd.DataFrame) -> list[_Variant]:
    """Return every variant; PPO first."""
    found = []
    for label, own in complete.groupby("label", sort=False):
        method, settings = str(own["method"].iloc[0]), own["settings"].iloc[0]
        ppo = own if method == BASELINE else baseline(complete, settings, BASELINE)
        found.append(_Variant(str(label), method, settings["mode"], own, ppo))
    return sorted(found, key=lambda variant: variant.method != BASELINE)


def _block(
    variants: Sequence[_Variant],
    lacking: Sequence[str],
    split: str,
    games: Mapping[str, Sequence[str]],
    sources: Mapping[str, Source],
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return cells and data of one split; the rows of published methods we lack come last."""
    cells, data = [], []
    known = {letter: published.normalized(split, s.name) for letter, s in sources.items()}
    sources = {letter: source for letter, source in sources.items() if known[letter]}
    for variant in variants:
        ours = None
        if games[variant.label]:
            ours = ppo_normalized(variant.runs, variant.ppo, split, games[variant.label])
        name = published.NAMES.get(variant.method, "")
        theirs = {
            letter: known[letter][name]
            for letter, source in sources.items()
            if name in known[letter] and source.mode == variant.mode
        }
        why = "no PPO to compare with" if not variant.games else "no game in common"
        cells.append(
            {
                "method": variant.label,
                **_our_cells(ours, why),
                **_cells(theirs, sources, variant, ours),
            }
        )
        data.append(_numbers(variant.label, variant.method, split, ours, theirs, sources))
    ran = {published.NAMES.get(variant.method, "") for variant in variants}
    rest = [(published.NAMES.get(method, method), method) for method in lacking]
    rest += [(name, name) for rows in known.values() for name in rows]
    for name, shown in rest:
        if name not in ran:
            ran.add(name)
            theirs = {letter: rows[name] for letter, rows in known.items() if name in rows}
            cells.append({"method": shown, **_our_cells(None, NO_RUNS), **_cells(theirs, sources)})
            data.append(_numbers(shown, shown, split, None, theirs, sources))
    return pd.DataFrame(cells), data


def _our_cells(ours: Aggregate | None, why_not: str) -> dict[str, str]:
    names = ("games", "seeds", "median", "mean", "std", "std of mean")
    if ours is None:
        return {**dict.fromkeys(names, "-"), "games": why_not}
    fewest, most = int(ours.seeds.min()), int(ours.seeds.max())
    seeds = f"{most}" if fewest == most else f"{fewest}-{most}"
    values = map(_percent, (ours.median, ours.mean, ours.std, ours.seed_std))
    return dict(zip(names, (f"{len(ours.games)}", seeds, *values), strict=True))


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def _cells(
    theirs: Mapping[str, Normalized],
    sources: Mapping[str, Source],
    variant: _Variant | None = None,
    ours: Aggregate | None = None,
) -> dict[str, str]:
    """Return the published cells, and the difference to [a]."""
    cells: dict[str, str] = {}
    for letter, source in sources.items():
        row = theirs.get(letter)
        for name in ("median", "mean", "std"):
            if name == "median" and letter != "a":  # the PLR paper prints none
                continue
            value = math.nan if row is None else getattr(row, name)
            text = NOT_AVAILABLE if math.isnan(value) else f"{value:.1f}"
            cells[f"[{letter}] {name}"] = text
        if letter == "a":
            cells["mean - [a]"] = _difference_text(variant, ours, row, source)
    return cells


def _difference_text(
    variant: _Variant | None, ours: Aggregate | None, theirs: Normalized | None, source: Source
) -> str:
    if variant is None or ours is None or theirs is None:
        return NOT_AVAILABLE
    if variant.method == BASELINE:
        return "100 by definition"
    if len(ours.games) < len(GAMES):
        return "other games"
    return f"{difference(ours, theirs, source):+.1f} SE"


def _numbers(
    label: str,
    method: str,
    split: str,
    ours: Aggregate | None,
    theirs: Mapping[str, Normalized],
    sources: Mapping[str, Source],
) -> dict[str, Any]:
    row: dict[str, Any] = {"scope": "common", "split": split, "method": method, "variant": label}
    row["games"] = 0 if ours is None else len(ours.games)
    for name in ("median", "mean", "std", "seed_std"):
        row[name] = math.nan if ours is None else getattr(ours, name)
    for letter, source in sources.items():
        known = theirs.get(letter, _NOTHING)
        for name in ("median", "mean", "std"):
            row[f"published_{name}_{letter}"] = getattr(known, name)
        if letter == "a":
            full = ours is not None and len(ours.games) == len(GAMES) and method != BASELINE
            row["difference_a"] = difference(ours, known, source) if ours and full else math.nan
    return row


def _notes(
    runs: pd.DataFrame,
    complete: pd.DataFrame,
    variants: Sequence[_Variant],
    common: Sequence[str],
    sources: Mapping[str, Source],
) -> Iterator[str]:
    yield from apart_from_published(complete)
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
        lost = [game for game in GAMES if game not in variant.both]
        negative |= dict.fromkeys(game for game in variant.both if game not in variant.games)
        if lost and len(lost) < len(GAMES):
            yield f"{variant.label} lacks {shortened(lost)}, or PPO does."
        elif lost:
            yield f"{variant.label}: no PPO runs of the same settings to normalize by."
    yield from beside_protocol(complete)
    if negative:
        yield f"Left out: {shortened(negative)}, where PPO's mean return is not positive."
    for letter, source in sources.items():
        only = "" if published.normalized("train", source.name) else " Test levels only."
        yield f"[{letter}] {source.text()}.{only}"
    if "a" in sources:
        yield (
            "mean - [a]: in units of the pooled standard error of the mean over games, the"
            " published std taken for that of the mean; were it the mean of the games' own, it"
            " would be more units, up to four times as many. Each paper normalizes by its own PPO,"
            " whose error is not in it."
        )
    yield from closing(runs, complete)
