"""The tables that only the report has: one game's, one method's, the bandit's, the headline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.caveats import doubtful
from benchmark.analysis.comparable import BASELINE, baseline, scores
from benchmark.analysis.published_options import other_options, star
from benchmark.report.content import Content
from benchmark.scores import published
from benchmark.statistics import aggregate, bootstrap, normalize
from benchmark.statistics.aggregate import Scores, summarize
from benchmark.tables.table import NOT_AVAILABLE, Block, Table
from drac.games import RANGED_MODES, games_text
from drac.methods import spellings
from drac.runs.logs import SPLITS

RESAMPLES = 10_000
"""Of the headline's intervals; `drac-bench compare` takes 50,000."""


def game_results(content: Content, game: str) -> Table:
    """What every method reached on one game, one row a method."""
    rows = [
        ({"method": label}, label, method, mode, game) for label, method, mode in content.variants
    ]
    return _results(content, f"game-{game}", f"Returns on {game}", rows)


def method_results(content: Content, method: str) -> Table:
    """What one method reached on every game, one row a game and variant."""
    own = [row for row in content.variants if row[1] == method]
    rows = [
        ({"game": game} | ({"variant": label} if len(own) > 1 else {}), label, method, mode, game)
        for game in content.games
        for label, _, mode in own
    ]
    return _results(
        content, f"method-{method}", f"Returns of {content.shown[method]} per game", rows
    )


def _results(
    content: Content,
    name: str,
    title: str,
    rows: Iterable[tuple[dict[str, str], str, str, str, str]],
) -> Table:
    cells: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    listed = list(rows)
    sources = published.per_game_sources({mode for *_, mode, _ in listed})
    complete = content.complete
    for head, label, method, mode, game in listed:
        runs = complete[(complete["label"] == label) & (complete["game"] == game)]
        values = {split: runs[split].to_numpy(float) for split in SPLITS}
        values["gap"] = values["train"] - values["test"]
        summaries = {what: summarize(scores) for what, scores in values.items()}
        shown = {what: summary.text() or "missing" for what, summary in summaries.items()}
        numbers: dict[str, Any] = {"seeds": len(runs)}
        for what, summary in summaries.items():
            numbers |= {f"{what}_mean": summary.mean, f"{what}_std": summary.std}
        theirs: dict[str, str] = {}
        mark = star(runs["settings"].iloc[0]) if len(runs) else ""
        for letter, source in sources.items():
            known = published.per_game(method, "test", mode, source.name).get(game)
            mean, std = known or (float("nan"), float("nan"))
            text = f"{mean:.1f}" if np.isnan(std) else f"{mean:.1f} ± {std:.1f}"
            theirs[f"published test [{letter}]"] = text + mark if known else NOT_AVAILABLE
            numbers |= {f"published_test_{letter}_mean": mean, f"published_test_{letter}_std": std}
        cells.append({**head, "seeds": str(len(runs)), **shown, **theirs})
        data.append({"game": game, "method": method, "variant": label, **numbers})
    notes = [f"[{letter}] {source.text()}." for letter, source in sources.items()]
    notes.append("Mean over seeds ± sample standard deviation; gap = train − test.")
    shown_runs = {(label, game) for _, label, _, _, game in listed}
    own = [pair in shown_runs for pair in zip(complete["label"], complete["game"], strict=True)]
    notes += doubtful(complete[np.array(own, bool)])
    if options := other_options(complete[np.array(own, bool)]) if sources else "":
        notes.append(f"* Ours: {options}.")
    return Table(name, title, pd.DataFrame(cells), pd.DataFrame(data), tuple(notes))


def bandit(content: Content, game: str) -> Table | None:
    """How often each arm was chosen on one game; None if nothing chose."""
    complete = content.complete
    runs = complete[(complete["game"] == game) & (complete["arms"].map(len) > 1)]
    if runs.empty:
        return None
    data = [
        {"arm": arm, "method": label, "seeds": len(own), "updates": count, "share": count / total}
        for label, own in runs.groupby("label", sort=True)
        for counts in [pd.DataFrame(own["arms"].tolist()).fillna(0).sum()]
        for total in [max(counts.sum(), 1)]
        for arm, count in counts.astype(int).items()
    ]
    frame = pd.DataFrame(data)
    wide = frame.pivot(index="arm", columns="method", values="share")
    cells = pd.DataFrame({"arm": spellings.arms(wide.index).values()})
    for label in wide:
        cells[f"{label}, share of updates"] = [
            "-" if pd.isna(share) else f"{share:.1%}" for share in wide[label]
        ]
    seeds = ", ".join(f"{label} {len(own)}" for label, own in runs.groupby("label", sort=True))
    notes = (f"Over all updates of all complete seeds: {seeds}.",)
    title = f"Augmentations chosen on {game}"
    return Table(f"bandit-{game}", title, cells, frame, notes)


def headline(content: Content) -> Table:
    """Aggregates over games, on test and training levels, with 95 % confidence intervals.

    Over the games that every method has a complete run of. Intervals are stratified bootstrap;
    scores are min-max-normalized, and the last columns compare with PPO.
    """
    every = [scores(own, "test", content.games) for _, own in content.complete.groupby("label")]
    common = aggregate.common_games(*every) if every else np.zeros(len(content.games), bool)
    games = [game for game, kept in zip(content.games, common, strict=True) if kept]
    blocks, data = [], []
    for split, heading in (("test", "test levels"), ("train", "training levels")):
        heading = f"{heading}; IQM, mean, median and gap are min-max-normalized"
        rows = of_split(content, split, common)
        blocks.append(Block(_cells(rows), heading))
        data += rows
    over = games_text(games)
    if len(games) < len(content.games):
        over = f"{len(games)} of {len(content.games)} games"
    first, *more = blocks
    return Table(
        "headline",
        f"Aggregates over {over}",
        first.cells,
        pd.DataFrame(data),
        _headline_notes(content, games, data),
        heading=first.heading,
        more=tuple(more),
    )


def of_split(
    content: Content, split: str, common: np.ndarray[Any, np.dtype[np.bool_]]
) -> list[dict[str, Any]]:
    """Return the rows of `headline`'s data of one split, over the games that are `common`."""
    complete = content.complete
    every = {
        label: scores(complete[complete["label"] == label], split, content.games)[:, common]
        for label, *_ in content.variants
    }
    games = [game for game, kept in zip(content.games, common, strict=True) if kept]
    rows = []
    for label, _, mode in content.variants:
        ppo = _ppo(complete, label)
        row = _aggregates(label, mode, split, every[label], games)
        rows.append(row | _against(every[label], every.get(ppo), label == ppo))
    return rows


def _ppo(complete: pd.DataFrame, label: str) -> str:
    """Return the label of the PPO runs that a variant may be compared with; "" if there is none."""
    own = complete[complete["label"] == label]
    if own.empty or own["method"].iloc[0] == BASELINE:
        return "" if own.empty else label
    found = baseline(complete, own["settings"].iloc[0], BASELINE)
    return str(found["label"].iloc[0]) if len(found) else ""


def _cells(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": [row["method"] for row in rows],
            "runs": [str(row["runs"]) for row in rows],
            "IQM, %": [_with_interval(row) for row in rows],
            "mean, %": [_text(100 * row["mean"], 1) for row in rows],
            "median, %": [_text(100 * row["median"], 1) for row in rows],
            "optimality gap, %": [_text(100 * row["optimality_gap"], 1) for row in rows],
            "mean / PPO, %": [_text(100 * row["ppo_normalized_mean"], 1) for row in rows],
            "P(improvement)": [_text(row["better_than_ppo"]) for row in rows],
        }
    )


def _aggregates(label: str, mode: str, split: str, raw: Scores, games: list[str]) -> dict[str, Any]:
    """Return the aggregates of one variant; NaN where it has no runs."""
    nan = float("nan")
    names = ("iqm", "mean", "median", "optimality_gap")
    runs = int(np.isfinite(raw).sum())
    row: dict[str, Any] = {"method": label, "split": split, "runs": runs, "games": len(games)}
    row |= dict.fromkeys([*names, "iqm_low", "iqm_high"], nan)
    if not runs or mode not in RANGED_MODES:
        return row
    own = normalize.min_max(raw, games, mode)
    for name in names:
        row[name] = float(getattr(aggregate, name)(own))
    if bootstrap.without_spread(raw):
        return row
    generator = np.random.default_rng(0)
    ends = bootstrap.interval(own, aggregate.iqm, resamples=RESAMPLES, generator=generator)
    return row | {"iqm_low": ends.low, "iqm_high": ends.high}


def _against(raw: Scores, ppo: Scores | None, itself: bool) -> dict[str, float]:
    """Return how scores compare with PPO's; NaN where there is nothing to compare."""
    found = {"ppo_normalized_mean": float("nan"), "better_than_ppo": float("nan")}
    if ppo is None or not np.isfinite(raw).any() or not np.isfinite(ppo).any():
        return found
    positive = aggregate.game_means(ppo) > 0  # of others PPO's mean is no measure
    if positive.any():
        normalized = normalize.by_ppo(raw[:, positive], ppo[:, positive])
        found["ppo_normalized_mean"] = float(aggregate.mean(normalized))
    if not itself:
        found["better_than_ppo"] = float(aggregate.probability_of_improvement(raw, ppo))
    return found


def _text(value: float, digits: int = 2) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def _with_interval(row: dict[str, Any]) -> str:
    if np.isnan(row["iqm"]):
        return "-" if row["runs"] else "missing"
    ends = bootstrap.Interval(100 * row["iqm_low"], 100 * row["iqm_high"])
    return f"{100 * row['iqm']:.1f} {ends.text(digits=1) if ends.known else '(no interval)'}"


def _headline_notes(
    content: Content, games: list[str], rows: list[dict[str, Any]]
) -> tuple[str, ...]:
    notes = []
    if len(games) < len(content.games):
        left = [game for game in content.games if game not in games]
        notes.append(
            f"Warning: only the games count that every method has a complete run of; left out:"
            f" {', '.join(left)}."
        )
    if any(np.isnan(row["iqm_low"]) and not np.isnan(row["iqm"]) for row in rows):
        notes.append(
            "Where a game has one run only, or all runs of most games have the same score, there"
            " is no confidence interval."
        )
    notes.append(
        f"Min-max-normalized returns in %, in the file as shares. IQM: interquartile mean, with its"
        f" 95 % interval (stratified bootstrap over runs, {RESAMPLES:,} resamples; Agarwal et al."
        f" 2021). P(improvement): how likely one run beats one of PPO on a game, averaged over"
        f" games; of PPO with the same steps and other settings that matter, or '-'. mean / PPO:"
        f" over games on which PPO's mean return is positive."
    )
    return tuple(notes)
