"""Train and test return and the generalization gap, game by game, beside the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.caveats import beside_protocol, with_caveats
from benchmark.analysis.comparable import PROTOCOL, counted, differing, unequal_seeds
from benchmark.analysis.published_options import STARRED, unpublished
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

_HEADINGS = {
    "test": "Test return: the full distribution of levels",
    "train": "Training return: final evaluation on the training levels",
    "gap": "Generalization gap: training - test return",
}


@dataclass(frozen=True)
class _Column:
    """One variant of a method, as `comparable.variants` names it; options as `unpublished`."""

    label: str
    method: str
    mode: str
    options: tuple[str, ...] = ()

    @property
    def star(self) -> str:
        return "*" * bool(self.options)


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
    comparable = not set(differing(complete)) & set(PROTOCOL)
    rows = {(g, c.label): _numbers(g, c, scores, sources) for g in games for c in columns}
    for split in ("test", "train"):
        best = best_of_games(scores, split, games, columns) if comparable else {}
        for (game, label), row in rows.items():
            row[f"best_{split}"] = best.get(game) == label
    show_n = unequal_seeds(complete)
    return Table.of(
        "per-game",
        "Train and test return per game",
        [_block(what, games, columns, rows, sources, show_n) for what in _HEADINGS],
        pd.DataFrame(rows.values()),
        with_caveats(runs, complete, _notes(complete, columns, sources, comparable)),
    )


def variants_and_missing(runs: pd.DataFrame, complete: pd.DataFrame) -> list[_Column]:
    """Return every variant, and every method without a complete run.

    A run that never began has no config; it is taken to be of the others' mode.
    """
    first = complete.drop_duplicates("label")[["label", "method", "settings"]].to_numpy().tolist()
    columns = [
        _Column(label, method, own["mode"], (*unpublished(own),)) for label, method, own in first
    ]
    modes = [settings["mode"] for settings in runs["settings"] if settings] or ["easy"]
    for method, name, own in zip(runs["method"], runs["shown"], runs["settings"], strict=True):
        if method not in {column.method for column in columns}:
            columns.append(_Column(name, method, own.get("mode", modes[0])))
    return columns


Scores = Mapping[tuple[str, str], pd.DataFrame]
"""(game, label) -> one row a run: test, train, gap."""

_NO_RUN = pd.DataFrame(columns=["test", "train", "gap"])


def _scores(complete: pd.DataFrame) -> Scores:
    values = complete[["test", "train"]].assign(gap=complete["train"] - complete["test"])
    groups = values.groupby([complete["game"], complete["label"]], sort=False)
    return {(str(game), str(label)): own for (game, label), own in groups}


def _numbers(
    game: str, column: _Column, scores: Scores, sources: Mapping[str, Source]
) -> dict[str, Any]:
    """Return a row of the data: ours, and what papers have for this method, game and mode."""
    own = scores.get((game, column.label), _NO_RUN)
    ours = {what: summarize(own[what].to_numpy(float)) for what in ("train", "test", "gap")}
    row: dict[str, Any] = {"game": game, "method": column.method, "variant": column.label}
    row |= {"seeds": len(own), "other_options": ", ".join(column.options)}
    for what, summary in ours.items():
        row |= {f"{what}_mean": summary.mean, f"{what}_std": summary.std}
    for letter, source in sources.items():
        for split in ("test", "train"):
            known = published.per_game(column.method, split, column.mode, source.name)
            mean, std = known.get(game, (float("nan"), float("nan")))
            name = f"published_{split}_{letter}"
            row |= {f"{name}_mean": mean, f"{name}_std": std}
            row[f"difference_{split}_{letter}"] = published.standard_errors(
                ours[split], mean, std, source.seeds
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
    rows: Mapping[tuple[str, str], Mapping[str, Any]],
    sources: Mapping[str, Source],
    show_n: bool,
) -> Block:
    """Return the cells of one of `_HEADINGS`, of the rows of data by game and label."""
    cells, bold = [], set()
    for index, game in enumerate(games):
        line = {"game": game}
        for column in columns:
            row = rows[game, column.label]
            summary = Summary(row[f"{what}_mean"], row[f"{what}_std"], row["seeds"])
            line[column.label] = summary.text(show_n) or MISSING
            if row.get(f"best_{what}"):
                bold.add((index, column.label))
        for letter, source in sources.items():
            for column in columns:
                line |= _published(rows[game, column.label], column, what, letter, source)
        cells.append(line)
    return Block(pd.DataFrame(cells), _HEADINGS[what], frozenset(bold))


def _published(
    row: Mapping[str, Any], column: _Column, what: str, letter: str, source: Source
) -> dict[str, str]:
    """Return the cells of one source: its number, and ours less that; none if it has no such."""
    known = published.per_game(column.method, what, column.mode, source.name)
    if not known:
        return {}
    mean, std = (row[f"published_{what}_{letter}_{name}"] for name in ("mean", "std"))
    text = f"{mean:.1f}" if np.isnan(std) else f"{mean:.1f} ± {std:.1f}"
    name = f"published {published.NAMES[column.method]} [{letter}]"
    cells = {name: text + column.star if row["game"] in known else NOT_AVAILABLE}
    if not all(np.isnan(std) for _, std in known.values()):  # figures have no error to compare by
        errors = row[f"difference_{what}_{letter}"]
        difference = NOT_AVAILABLE if np.isnan(errors) else f"{errors:+.1f} SE{column.star}"
        cells[f"{column.label} - [{letter}]"] = difference
    return cells


def _notes(
    complete: pd.DataFrame,
    columns: Sequence[_Column],
    sources: Mapping[str, Source],
    comparable: bool,
) -> Iterator[str]:
    yield _bold_note(comparable)
    yield from beside_protocol(complete)
    for letter, source in sources.items():
        yield f"[{letter}] {source.text()}."
    if sources:
        yield DIFFERENCE
    if any(column.star for column in columns):
        yield STARRED
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


DIFFERENCE = (
    "Ours - published is in units of the pooled standard error s sqrt(1/n + 1/m), over our n and"
    " their m seeds, s the pooled standard deviation (one seed of ours takes theirs); not"
    " available where the source prints no standard deviation, or our seeds are equal. Of"
    " differences that are chance alone about one in twenty is beyond 2."
)


def _bold_note(comparable: bool) -> str:
    if not comparable:
        return "Nothing is in bold: the methods were not run with the same settings (see below)."
    return (
        "In bold: the highest mean, where Welch's t-test tells it from every other method of the"
        " game (p < 0.05, corrected by Holm for the number of others). Two seeds of each method"
        " are the least that can be tested."
    )
