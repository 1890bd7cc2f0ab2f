"""Train and test return and the generalization gap, game by game, beside the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.caveats import apart_from_published, beside_protocol, closing
from benchmark.analysis.comparable import PROTOCOL, counted, differing, unequal_seeds
from benchmark.scores import published
from benchmark.scores.published import Source
from benchmark.statistics import significance
from benchmark.statistics.aggregate import Summary, summarize
from benchmark.tables.table import NOT_AVAILABLE, Block, Table
from drac.games import GAMES

OVERLAP = (
    "Test levels come from the full distribution, which is not disjoint in content from the"
    " training levels: openai/procgen issue 100 reports duplicated easy levels between disjoint"
    " seed sets (CoinRun 24 %, Maze 20 %, Ninja 4 %)."
)
MISSING = "missing"

_WHAT = {"test": "test return", "train": "training return", "gap": "generalization gap"}
_HEADINGS = {
    "test": "Test return: the full distribution of levels",
    "train": "Training return: final evaluation on the training levels",
    "gap": "Generalization gap: training - test return",
}


@dataclass(frozen=True)
class _Column:
    """One variant of a method, as `benchmark.analysis.comparable.variants` names it."""

    label: str
    method: str
    mode: str


def per_game(runs: pd.DataFrame) -> Table:
    """Train and test return and the generalization gap, per game and method.

    Published numbers and the differences to them stand in columns of their own. The best method
    of a game is in bold where Welch's t-test, corrected by Holm, tells it from every other.

    Args:
        runs: as `Store.load` returns them.
    """
    complete = counted(runs)
    columns = variants_and_missing(runs, complete)
    sources = published.per_game_sources({column.mode for column in columns})
    scores = _scores(complete)
    games = [game for game in GAMES if game in set(runs["game"])]
    data = [_numbers(game, column, scores, sources) for game in games for column in columns]
    comparable = not set(differing(complete)) & set(PROTOCOL)
    best = {
        split: best_of_games(scores, split, games, columns) if comparable else {}
        for split in ("test", "train")
    }
    for row in data:
        for split, winners in best.items():
            row[f"best_{split}"] = winners.get(row["game"]) == row["variant"]
    show_n = unequal_seeds(complete)
    first, *more = (
        _block(what, games, columns, scores, sources, best.get(what, {}), show_n) for what in _WHAT
    )
    return Table(
        "per-game",
        "Train and test return per game",
        first.cells,
        pd.DataFrame(data),
        tuple(_notes(runs, complete, columns, sources, comparable)),
        heading=first.heading,
        bold=first.bold,
        more=tuple(more),
    )


def variants_and_missing(runs: pd.DataFrame, complete: pd.DataFrame) -> list[_Column]:
    """Return every variant, and every method without a complete run.

    A run that never began has no config; it is taken to be of the others' mode.
    """
    settings = complete["settings"]
    first = complete.assign(mode=[own["mode"] for own in settings]).drop_duplicates("label")
    columns = [
        _Column(*map(str, row)) for row in first[["label", "method", "mode"]].to_numpy().tolist()
    ]
    modes = [settings["mode"] for settings in runs["settings"] if settings] or ["easy"]
    for method, own in zip(runs["method"], runs["settings"], strict=True):
        if method not in {column.method for column in columns}:
            columns.append(_Column(method, method, own.get("mode", modes[0])))
    return columns


Scores = Mapping[tuple[str, str], pd.DataFrame]
"""(game, label) -> one row a run: test, train, gap."""


def _scores(complete: pd.DataFrame) -> Scores:
    values = complete[["test", "train"]].assign(gap=complete["train"] - complete["test"])
    groups = values.groupby([complete["game"], complete["label"]], sort=False)
    return {(str(game), str(label)): own for (game, label), own in groups}


def _summary(scores: Scores, game: str, label: str, what: str) -> Summary:
    own = scores.get((game, label))
    return summarize([] if own is None else own[what].to_numpy())


def _numbers(
    game: str, column: _Column, scores: Scores, sources: Mapping[str, Source]
) -> dict[str, Any]:
    """Return a row of the data: ours, and what papers have for this method, game and mode."""
    row: dict[str, Any] = {"game": game, "method": column.method, "variant": column.label}
    row["seeds"] = _summary(scores, game, column.label, "test").n
    for what in ("train", "test", "gap"):
        summary = _summary(scores, game, column.label, what)
        row |= {f"{what}_mean": summary.mean, f"{what}_std": summary.std}
    for letter, source in sources.items():
        for split in ("test", "train"):
            known = published.per_game(column.method, split, column.mode, source.name)
            mean, std = known.get(game, (float("nan"), float("nan")))
            ours = _summary(scores, game, column.label, split)
            name = f"published_{split}_{letter}"
            row |= {f"{name}_mean": mean, f"{name}_std": std}
            row[f"difference_{split}_{letter}"] = published.standard_errors(
                ours, mean, std, source.seeds
            )
    return row


def best_of_games(
    scores: Scores, split: str, games: Sequence[str], columns: Sequence[_Column]
) -> dict[str, str]:
    """Return game -> label of the method that is better than every other, where one is.

    The method with the highest mean is compared with each of the others by Welch's t-test;
    p-values are corrected by Holm for the number of others, and all must be below 0.05.
    """
    best = {}
    for game in games:
        runs = {
            column.label: scores[game, column.label][split].to_numpy()[:, None]
            for column in columns
            if (game, column.label) in scores
        }
        top = max(runs, key=lambda label: float(runs[label].mean()), default="")
        others = [own for label, own in runs.items() if label != top]
        p_values = [float(significance.welch(runs[top], own)[0]) for own in others]
        if p_values and (significance.holm(p_values) < significance.LEVEL).all():
            best[game] = top
    return best


def _block(
    what: str,
    games: Sequence[str],
    columns: Sequence[_Column],
    scores: Scores,
    sources: Mapping[str, Source],
    best: Mapping[str, str],
    show_n: bool,
) -> Block:
    rows: list[dict[str, str]] = []
    for game in games:
        row = {"game": game}
        summaries = {c: _summary(scores, game, c.label, what) for c in columns}
        row |= {c.label: summary.text(show_n) or MISSING for c, summary in summaries.items()}
        for letter, source in sources.items():
            for column, summary in summaries.items():
                row |= _published(game, column, what, letter, source, summary)
        rows.append(row)
    bold = frozenset((index, best[game]) for index, game in enumerate(games) if game in best)
    return Block(pd.DataFrame(rows), _HEADINGS[what], bold)


def _published(
    game: str, column: _Column, split: str, letter: str, source: Source, ours: Summary
) -> dict[str, str]:
    """Return the cells of one source: its number, and ours less that; none if it has no such."""
    known = published.per_game(column.method, split, column.mode, source.name)
    if not known:
        return {}
    cells = {}
    mean, std = known.get(game, (float("nan"), float("nan")))
    text = f"{mean:.1f}" if np.isnan(std) else f"{mean:.1f} ± {std:.1f}"
    name = f"published {published.NAMES[column.method]} [{letter}]"
    cells[name] = text if game in known else NOT_AVAILABLE
    if not all(np.isnan(std) for _, std in known.values()):  # figures have no error to compare by
        errors = published.standard_errors(ours, mean, std, source.seeds)
        difference = NOT_AVAILABLE if np.isnan(errors) else f"{errors:+.1f} SE"
        cells[f"{column.label} - [{letter}]"] = difference
    return cells


def _notes(
    runs: pd.DataFrame,
    complete: pd.DataFrame,
    columns: Sequence[_Column],
    sources: Mapping[str, Source],
    comparable: bool,
) -> Iterator[str]:
    yield from apart_from_published(complete)
    yield _bold_note(comparable)
    yield from beside_protocol(complete)
    for letter, source in sources.items():
        yield f"[{letter}] {source.text()}."
    if sources:
        yield DIFFERENCE
    for split in ("test", "train"):
        modes = {column.method: column.mode for column in columns}
        unpublished = [
            method
            for method, mode in modes.items()
            if not any(published.per_game(method, split, mode, s.name) for s in sources.values())
        ]
        if unpublished:
            names = ", ".join(unpublished)
            yield (
                f"Published per-game {split} returns of {names}: {NOT_AVAILABLE} in these sources"
                f" (results/published/per_game.csv has those of more)."
            )
    yield "gap = train - test."
    yield OVERLAP
    yield from closing(runs, complete)


DIFFERENCE = (
    "Ours - published is in units of the pooled standard error s sqrt(1/n + 1/m), over our n and"
    " their m seeds, s the pooled standard deviation (one seed of ours takes theirs); not"
    " available where the source prints no standard deviation. Of differences that are"
    " chance alone about one in twenty is beyond 2."
)


def _bold_note(comparable: bool) -> str:
    if not comparable:
        return "Nothing is in bold: the methods were not run with the same settings (see below)."
    return (
        "In bold: the highest mean, where Welch's t-test tells it from every other method of the"
        " game (p < 0.05, corrected by Holm for the number of others). Two seeds of each method"
        " are the least that can be tested."
    )
