"""What `drac-bench tables` shows first: one screen about the runs of some experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.best_augmentation import BANDIT, bandit_choice, fixed, sweep_choice
from benchmark.analysis.caveats import contradictions, doubtful, mixed, seeds_said
from benchmark.analysis.comparable import PROTOCOL, differing, distinct_settings, scores
from benchmark.analysis.published_options import (
    OPTIONS,
    apart_from_published,
    other_options,
    unpublished,
)
from benchmark.report.content import Content
from benchmark.report.results import of_split
from benchmark.scores import published
from benchmark.statistics import aggregate, bootstrap
from benchmark.tables.table import Block, Table, number
from drac.config.quantities import number_of, shortened
from drac.games import GAMES, games_text
from drac.runs.logs import SPLITS

MOST_CAVEATS = 3
"""The files have all of them."""

_ABSENT = "-"


def summary(content: Content, with_games: bool = True) -> Table:
    """Say what the runs are, what each method with complete runs reached, and how far to trust it.

    Args:
        content: the runs.
        with_games: whether there is a row for each game too.
    """
    complete, runs = content.complete, content.runs
    title = f"{' + '.join(content.experiments)}: {_counts(content)}"
    if complete.empty:
        where = f"drac-bench status --experiment {content.experiments[0]} shows how far they are."
        return Table("summary", title, pd.DataFrame(), pd.DataFrame(), (where,))
    cells, legend = _methods(content)
    blocks = [Block(cells)]
    if with_games:
        blocks += _games(content)
    apart = [note for note in apart_from_published(complete) if not note.startswith(OPTIONS)]
    lacking = runs[runs["problems"].map(bool)]
    fewest, most = _seeds(complete)
    if fewest < most:
        legend += seeds_said(complete)
    caveats = [
        *apart[:1],
        *_incomplete(lacking),
        *doubtful(complete),
        *mixed(complete)[:1],
        *contradictions(runs),
        *apart[1:],
    ]
    return Table.of("summary", title, blocks, cells, [*legend, *caveats[:MOST_CAVEATS]])


def _incomplete(lacking: pd.DataFrame) -> list[str]:
    """Say how many runs are not complete, and name the first."""
    if lacking.empty:
        return []
    first = lacking.iloc[0]
    more = f" and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
    name = f"{first['shown']}/{first['game']}/seed{first['seed']}"
    return [f"Not complete and not counted: {name}{more}."]


def _counts(content: Content) -> str:
    """Return "32 of 32 runs complete, 2 methods x 16 games x 1 seed, 50,000 steps"."""
    complete = content.complete
    planned = number_of(len(content.runs), "run")
    said = f"{sum(not problems for problems in content.runs['problems']):,} of {planned} complete"
    if complete.empty:
        return said
    columns = ("method", "game", "seed")
    sizes = " x ".join(number_of(complete[name].nunique(), name) for name in columns)
    fewest, most = _seeds(complete)
    if fewest < most:
        sizes = f"{sizes.rpartition(' x ')[0]} x {fewest}-{most} seeds"
    steps = sorted({values["steps"] for values in complete["settings"]})
    lengths = f"{steps[0]:,}" + (f" to {steps[-1]:,}" if len(steps) > 1 else "")
    return f"{said}, {sizes}, {lengths} steps"


def _seeds(complete: pd.DataFrame) -> tuple[int, int]:
    """Return the fewest and the most seeds of a method and game that have any."""
    counts = complete.groupby(["label", "game"]).size()
    return int(counts.min()), int(counts.max())


def _methods(content: Content) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each method with complete runs, and what its columns are."""
    complete, games = content.complete, content.games
    labels = [row for row in content.variants if row[0] in set(complete["label"])]
    own = {
        label: {s: scores(complete[complete["label"] == label], s, games) for s in SPLITS}
        for label, *_ in labels
    }
    common = aggregate.common_games(*(values["test"] for values in own.values()))
    data = {row["method"]: row for row in of_split(content, "test", common)}
    letters: dict[str, str] = {}
    rows = []
    for label, method, mode in labels:
        settings = distinct_settings(complete[complete["label"] == label])
        kept = common if common.any() else aggregate.num_runs(own[label]["test"]) > 0
        means = {s: float(aggregate.mean(values[:, kept])) for s, values in own[label].items()}
        rows.append(
            {
                "method": label,
                "games": _ABSENT if common.any() else str(int(kept.sum())),
                **_returns(means["train"], means["test"]),
                "PPO, %": number(100 * data[label]["ppo_normalized_mean"], ".1f", _ABSENT),
                "IQM, %": _interval(data[label]),
                "published": _published(method, mode, letters, settings),
            }
        )
    cells = pd.DataFrame(rows)
    cells = cells.loc[:, (cells != _ABSENT).any()]
    shared = [game for game, of_all in zip(games, common, strict=True) if of_all]
    where = f"over {games_text(shared)}, {'those' if len(shared) > 1 else 'that'} of all"
    explained = {
        "train": f"mean return {where if shared else 'over its games'}",
        "PPO, %": "test / PPO's",
        "IQM, %": "test, (x - min) / (max - min)" + (" [95 %]" if _any_interval(cells) else ""),
    }
    said = "; ".join(f"{name}: {text}" for name, text in explained.items() if name in cells)
    legend = [f"{said}.".replace("train:", "train, test:")]
    iqm = cells.get("IQM, %", pd.Series(dtype=str))
    bare = (iqm != _ABSENT) & ~iqm.str.contains("[", regex=False)
    if _seeds(complete)[1] > 1 and bare.any():
        names = shortened(cells["method"][bare])
        legend.append(f"No interval, of one seed or of equal scores: {names}.")
    if "published" in cells:
        where = ", all 16 games" if len(shared) < len(GAMES) else ""
        sources = "".join(f" [{letter}] {name}" for letter, name in letters.items())
        starred = cells["published"].str.contains("*", regex=False).any()
        unlike = f" * Ours: {other_options(complete)}." if starred else ""
        legend.append(f"published: % of PPO{where}.{sources}{unlike}")
    return cells, legend


def _any_interval(cells: pd.DataFrame) -> bool:
    return any("[" in cell for cell in cells.get("IQM, %", ()))


def _returns(train: float, test: float) -> dict[str, str]:
    values = {"train": train, "test": test, "gap": train - test}
    return {name: number(value, ".2f", _ABSENT) for name, value in values.items()}


def _interval(row: Mapping[Any, Any]) -> str:
    ends = bootstrap.Interval(100 * row["iqm_low"], 100 * row["iqm_high"])
    said = number(100 * row["iqm"], ".1f", _ABSENT)
    return f"{said} {ends.text(digits=1)}" if ends.known else said


def _published(
    method: str, mode: str, letters: dict[str, str], settings: Sequence[Mapping[str, Any]]
) -> str:
    """Return the first published number of a method and its letter, which is put into `letters`.

    With a star where the runs have other options than the published ones.
    """
    for letter, source in published.normalized_sources({mode}).items():
        rows = published.normalized("test", source.name)
        if (theirs := rows.get(published.NAMES.get(method, ""))) is not None:
            letters[letter] = source.name.partition(",")[0]
            return f"{theirs.mean:.1f} [{letter}]" + "*" * any(map(unpublished, settings))
    return _ABSENT


def _games(content: Content) -> list[Block]:
    """Return a row for each game: the method with the best mean test return, and augmentations.

    No method is the best where they were not run by the same protocol.
    """
    complete = content.complete
    runs = {"sweep": fixed(complete), "bandit": complete[complete["method"] == BANDIT]}
    comparable = not set(differing(complete)) & set(PROTOCOL)
    rows = []
    for game in content.games:
        means = complete[complete["game"] == game].groupby("label", sort=False)[[*SPLITS]].mean()
        top = means[np.isclose(means["test"], means["test"].max())]
        row = {"game": game}
        if comparable:
            train, test = (float(top[s].iloc[0]) if len(top) else np.nan for s in SPLITS)
            row["best on test"] = _one_of([str(label) for label in top.index])
            row |= _returns(train if len(top) == 1 else np.nan, test)
        for how, choice in (("sweep", sweep_choice), ("bandit", bandit_choice)):
            _, found = choice(runs[how][runs[how]["game"] == game])
            row[f"{how}'s best"] = _one_of([arm for arm in found[how].split(" = ") if arm])
        rows.append(row)
    cells = pd.DataFrame(rows)
    cells = cells.loc[:, (cells != _ABSENT).any()]
    if complete["label"].nunique() == 1:
        cells = cells.drop(columns="best on test")
    return [Block(cells)] if len(cells.columns) > 1 else []


def _one_of(names: Sequence[str]) -> str:
    """Return the name, or how many are equally good."""
    return names[0] if len(names) == 1 else f"{len(names)} are equal" if names else _ABSENT
