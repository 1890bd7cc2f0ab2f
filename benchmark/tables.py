"""Tables of finished runs beside the published numbers, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark import published
from benchmark.aggregate import summarize
from benchmark.best_augmentation import best_augmentations
from benchmark.comparable import (
    apart_from_published,
    common_settings,
    counted,
    missing,
    unequal_seeds,
)
from benchmark.published import Source
from benchmark.table import NOT_AVAILABLE, Table
from drac.games import GAMES

OVERLAP = (
    "Test levels come from the full distribution, which is not disjoint in content from the"
    " training levels: openai/procgen issue 100 reports duplicated easy levels between disjoint"
    " seed sets (CoinRun 24 %, Maze 20 %, Ninja 4 %)."
)


def per_game(runs: pd.DataFrame) -> Table:
    """Train and test return and the generalization gap, per game and method.

    Args:
        runs: as `Store.load` returns them.
    """
    complete = counted(runs)
    columns = _columns(runs, complete)
    sources = published.per_game_sources({mode for _, mode in columns.values()})
    show_n = unequal_seeds(complete)
    cells: list[dict[str, str]] = []
    data: list[dict[str, Any]] = []
    for game in [game for game in GAMES if game in set(runs["game"])]:
        here = complete[complete["game"] == game]
        ours: dict[str, str] = {}
        theirs: dict[str, str] = {}
        for label, (method, mode) in columns.items():
            shown, numbers = _scores(here[here["label"] == label], show_n)
            ours |= {f"{label} {name}": text for name, text in shown.items()}
            texts, values = _published(game, method, mode, sources)
            theirs |= texts
            data.append({"game": game, "method": method, "variant": label, **numbers, **values})
        cells.append({"game": game, **ours, **theirs})
    title = "Train and test return per game"
    notes = tuple(_notes(runs, complete, sources))
    return Table("per-game", title, pd.DataFrame(cells), pd.DataFrame(data), notes)


def _columns(runs: pd.DataFrame, complete: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return label -> (method, mode): every variant, and every method without a complete run.

    A run that never began has no config; it is taken to be of the others' mode.
    """
    columns = {
        row["label"]: (str(row["method"]), str(row["settings"]["mode"]))
        for row in complete.to_dict("records")
    }
    modes = [settings["mode"] for settings in runs["settings"] if settings] or ["easy"]
    for method, settings in zip(runs["method"], runs["settings"], strict=True):
        if method not in {known for known, _ in columns.values()}:
            columns[method] = (method, settings.get("mode", modes[0]))
    return columns


def _scores(runs: pd.DataFrame, show_n: bool) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the cells and the numbers of one variant on one game; the gap is train - test."""
    values = {"train": runs["train"], "test": runs["test"], "gap": runs["train"] - runs["test"]}
    summaries = {name: summarize(scores) for name, scores in values.items()}
    cells = {name: summary.text(show_n) or "missing" for name, summary in summaries.items()}
    numbers: dict[str, Any] = {"seeds": len(runs)}
    for name, summary in summaries.items():
        numbers |= {f"{name}_mean": summary.mean, f"{name}_std": summary.std}
    return cells, numbers


def _published(
    game: str, method: str, mode: str, sources: Mapping[str, Source]
) -> tuple[dict[str, str], dict[str, float]]:
    """Return the cells and the numbers of papers for one method on one game, in one mode."""
    cells: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for letter, source in sources.items():
        values = published.per_game(method, "test", mode, source.name)
        mean, std = values.get(game, (float("nan"), float("nan")))
        numbers |= {f"published_test_{letter}_mean": mean, f"published_test_{letter}_std": std}
        if method in published.NAMES and source.mode == mode:
            text = f"{mean:.1f}" if np.isnan(std) else f"{mean:.1f} ± {std:.1f}"
            known = text if game in values else NOT_AVAILABLE
            cells[f"published {published.NAMES[method]} test [{letter}]"] = known
    return cells, numbers


def _notes(
    runs: pd.DataFrame, complete: pd.DataFrame, sources: Mapping[str, Source]
) -> Iterable[str]:
    if len(complete):
        yield from apart_from_published(complete)
    yield from missing(runs)
    if len(complete):
        yield common_settings(complete)
    for letter, source in sources.items():
        yield f"[{letter}] {source.text()}."
    unpublished = [m for m in dict.fromkeys(runs["method"]) if m not in published.NAMES]
    if unpublished:
        yield f"Published per-game test returns of {', '.join(unpublished)}: {NOT_AVAILABLE}."
    yield "gap = train - test."
    yield OVERLAP


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per planned run for a CSV file: scores, settings, and what it lacks."""
    settings = pd.DataFrame(list(runs["settings"]), index=runs.index)
    problems = runs["problems"].map("; ".join)
    own = ["experiment", "method", "game", "seed", "train", "test"]
    return pd.concat([runs[own], problems, settings], axis="columns")


ALL: Sequence[Any] = (per_game, best_augmentations)
"""What `drac-bench tables` makes."""
