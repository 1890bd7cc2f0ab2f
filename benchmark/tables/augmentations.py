"""DrAC with each augmentation, and which is best for a game: by sweep, by bandit, by the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from augmentations import PAPER_ARMS
from benchmark.analysis.best_augmentation import (
    BANDIT,
    bandit_choice,
    fixed,
    is_fixed,
    not_run,
    sweep_choice,
    unequal,
)
from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted, split_label, unequal_seeds, variants
from benchmark.scores import published
from benchmark.statistics.aggregate import Summary, summarize
from benchmark.tables.table import NOT_AVAILABLE, Block, Table
from drac.games import GAMES

_HOW_CHOSEN = (
    "By the sweep: highest mean test return over seeds among runs of fixed augmentations"
    " (drac-<augmentation>), in bold above. By the bandit: the arm selected in most updates, over"
    " all seeds. Arms with equal values are joined by '=', or counted if they are many. The two"
    " need not agree: with the paper's constants the bandit can lock on to one arm"
    " (docs/fidelity.md)."
)
_HOW_AGREED = (
    "Choices agree where they share an arm; among equals each counts for its part. By chance:"
    " what choices as frequent as these would share on average, if games were shuffled."
)
_PREFIX = "drac-"
_BY = {"sweep": "the sweep", "bandit": "the bandit", "paper": "the paper"}


@dataclass(frozen=True)
class Agreement:
    """On how many games columns chose the same augmentation.

    Attributes:
        games: on which all chose.
        agree: on which they share an arm; of k equals each counts 1/k.
        by_chance: expected of `agree` if the games of the columns were shuffled.
    """

    games: int
    agree: float
    by_chance: float


def agreement(*columns: Mapping[str, str]) -> Agreement:
    """Compare columns of choices.

    Args:
        columns: game -> augmentation, or several joined by " = "; "" where nothing was chosen.
    """
    games = [game for game in columns[0] if all(column.get(game) for column in columns)]
    chosen = [[_weights(column[game]) for game in games] for column in columns]
    arms = sorted({arm for own in chosen for weights in own for arm in weights})
    if not games:
        return Agreement(0, 0.0, 0.0)
    # (columns, games, arms)
    shares = np.array([[[w.get(arm, 0.0) for arm in arms] for w in own] for own in chosen])
    by_chance = shares.mean(axis=1).prod(axis=0).sum() * len(games)
    return Agreement(len(games), float(shares.prod(axis=0).sum()), float(by_chance))


def _weights(choice: str) -> dict[str, float]:
    arms = choice.split(" = ")
    return dict.fromkeys(arms, 1 / len(arms))


def augmentations(runs: pd.DataFrame) -> Table:
    """Test return of DrAC with each fixed augmentation, and the best of each game, three ways.

    The sweep's best has the highest mean test return among the fixed augmentations, as in the
    paper; the bandit's is the arm it selected most, over all seeds. Neither pools runs whose
    settings differ.

    Args:
        runs: as `Store.load` returns them.
    """
    complete = counted(runs)
    sweep, bandit = fixed(complete).copy(), complete[complete["method"] == BANDIT]
    sweep["label"] = variants(sweep)  # the bandit's runs may be of other lengths
    games = [game for game in GAMES if game in set(runs["game"])]
    paper, source = published.best_augmentation()
    cells: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    for game in games:
        sweep_text, found = sweep_choice(sweep[sweep["game"] == game])
        bandit_text, chosen = bandit_choice(bandit[bandit["game"] == game])
        texts = (sweep_text, bandit_text, paper.get(game, NOT_AVAILABLE))
        headers = ("by the sweep (test return)", "by the bandit (share of updates)", "by the paper")
        cells.append({"game": game, **dict(zip(headers, texts, strict=True))})
        data.append({"game": game, **found, **chosen, "paper": paper.get(game, "")})
    best = pd.DataFrame(data)
    summaries = _summaries(sweep)
    for label in dict.fromkeys(label for _, label in summaries):
        name = label.removeprefix(_PREFIX)
        own = [summaries.get((game, label), summarize([])) for game in games]
        best[f"test_mean_{name}"] = [summary.mean for summary in own]
        best[f"test_std_{name}"] = [summary.std for summary in own]
    own_runs = fixed_or_bandit(runs)
    notes = (
        _HOW_CHOSEN,
        _HOW_AGREED,
        f"By the paper: {source}.",
        f"The paper's own scores of single augmentations: {NOT_AVAILABLE}.",
        *not_run(sweep),
        *unequal(sweep),
    )
    return Table.of(
        "augmentations",
        "Augmentations: the sweep of fixed ones, and the best of each game",
        [
            _matrix(_planned(runs), summaries, best, unequal_seeds(sweep)),
            Block(pd.DataFrame(cells), "Best augmentation of each game"),
            Block(pd.DataFrame(_agreements(best)), "Do the three agree?"),
        ],
        best,
        with_caveats(own_runs, counted(own_runs), notes),
    )


def fixed_or_bandit(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs that are in this table: of DrAC with a fixed augmentation, of the bandit."""
    own = [name for name in set(runs["method"]) if name == BANDIT or is_fixed(name)]
    return runs[runs["method"].isin(own)]


def _planned(runs: pd.DataFrame) -> list[str]:
    """Return the games of which the store has, or should have, runs of fixed augmentations."""
    own = set(fixed(runs)["game"])
    return [game for game in GAMES if game in own]


def _summaries(sweep: pd.DataFrame) -> dict[tuple[str, str], Summary]:
    """Return (game, label) -> test return; labels in the order of the paper's augmentations."""
    groups = sweep.groupby(["game", "label"], sort=False)["test"]
    found = {(str(game), str(label)): summarize(own) for (game, label), own in groups}
    order = {f"{_PREFIX}{name}": number for number, name in enumerate(PAPER_ARMS)}
    methods_of = {label: split_label(label)[0] for _, label in found}
    return dict(
        sorted(found.items(), key=lambda item: order.get(methods_of[item[0][1]], len(order)))
    )


def _matrix(
    games: Sequence[str],
    summaries: Mapping[tuple[str, str], Summary],
    best: pd.DataFrame,
    show_n: bool,
) -> Block:
    """Return games x augmentations, the sweep's best of each game in bold."""
    labels = list(dict.fromkeys(label for _, label in summaries))
    cells, bold = [], set()
    choices = dict(zip(best["game"], best["sweep"], strict=True))
    for index, game in enumerate(games):
        row = {"game": game}
        for label in labels:
            summary, arm = summaries.get((game, label)), label.removeprefix(_PREFIX)
            row[arm] = summary.text(show_n) if summary else "missing"
            if summary and arm in choices[game].split(" = "):
                bold.add((index, arm))
        cells.append(row)
    nothing = [{"game": "-", "augmentations": "no runs"}]
    heading = "Mean test return of DrAC with each augmentation"
    return Block(pd.DataFrame(cells if labels else nothing), heading, frozenset(bold))


def _agreements(best: pd.DataFrame) -> Iterator[dict[str, str]]:
    columns = {name: dict(zip(best["game"], best[name], strict=True)) for name in _BY}
    for names in (*combinations(_BY, 2), tuple(_BY)):
        found = agreement(*(columns[name] for name in names))
        every = len(names) == len(_BY)
        yield {
            "between": "all three" if every else " and ".join(_BY[name] for name in names),
            "games": f"{found.games}",
            "agree on": f"{found.agree:.3g}" if found.games else NOT_AVAILABLE,
            "by chance": f"{found.by_chance:.1f}" if found.games else NOT_AVAILABLE,
        }


def lacking(runs: pd.DataFrame) -> str:
    """Say why these runs have nothing to say to the table, or ""."""
    return "no runs of drac-<augmentation> or ucb-drac" if fixed_or_bandit(runs).empty else ""
