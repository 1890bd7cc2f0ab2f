"""What runs did over time, as tables that figures are drawn from; each file is read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from augmentations import PAPER_ARMS
from benchmark.analysis.best_augmentation import chooses
from benchmark.analysis.caveats import contradictions, doubtful, why_each
from benchmark.analysis.comparable import split_label, variants
from benchmark.analysis.published_options import apart_from_published
from benchmark.scores.curves import CurveSet
from benchmark.store.many_files import RUN, read_many
from drac import methods
from drac.config.quantities import number_of, shortened
from drac.games import RANGED_MODES
from drac.runs import logs
from drac.runs.logs import SPLITS

LOSSES = {
    "entropy": "entropy (nats)",
    "policy_loss": "policy loss",
    "value_loss": "value loss",
    "aug_policy_loss": "policy consistency",
    "aug_value_loss": "value consistency",
    "approx_kl": "KL to old policy (nats)",
    "clip_fraction": "ratios clipped (share)",
    "grad_norm": "gradient norm",
}
"""Columns of progress.csv that figures show, and what they are called there."""

_PROGRESS = ("step", "update", "train_return", "envs_ended", *LOSSES)
_ARMS = ("update", "arm", "score", "selected")


@dataclass(frozen=True)
class Histories:
    """Runs, and what they did over time. All tables have a column `run`, the index of `runs`.

    Attributes:
        runs: one row per run that can be drawn, as `Store.load` returns them, with its `label`
            (the method, and settings that not all runs share) and whether it is `complete`.
        progress: `step, update, train_return` (NaN before the first episode ends), `envs_ended`
            (NaN in runs of earlier versions) and `LOSSES`.
        evaluations: `step, split, return` (the mean of the episodes) and `episodes`.
        levels: the last evaluation's episodes: `split, level_seed, return`.
        arms: `step, arm, score, selected` (0 or 1) of methods that choose among several.
        missing: what to say of runs that are not there, damaged, in progress, or double.
        imported: curves of other people's runs, no further than ours of the same game and mode:
            `run` (a number of its own), `label, game, split, step, value`.
        sources: what is to be said of them.
        noted: whether there are `notes`, which may stand elsewhere.
    """

    runs: pd.DataFrame
    progress: pd.DataFrame
    evaluations: pd.DataFrame
    levels: pd.DataFrame
    arms: pd.DataFrame
    missing: tuple[str, ...]
    imported: pd.DataFrame
    sources: tuple[str, ...] = ()
    noted: bool = True

    def where(self, chosen: Iterable[bool]) -> Histories:
        """Return some of the runs with what they did; `missing` stays."""
        runs = self.runs.loc[list(chosen)]
        tables = {
            name: table[table[RUN].isin(runs.index)]
            for name in ("progress", "evaluations", "levels", "arms")
            for table in [getattr(self, name)]
        }
        imported = self.imported[self.imported["game"].isin(runs["game"])]
        return replace(self, runs=runs, imported=imported, **tables)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What must be said of a figure of all these runs: doubts, and what is missing."""
        return self.notes_of(self.runs.index)

    def notes_of(self, drawn: Iterable[int]) -> tuple[str, ...]:
        """Return what must be said of a figure of some of the runs, by their index."""
        if not self.noted:
            return ()
        own = self.runs.loc[list(drawn)]
        own = own[own["complete"]]
        return (*apart_from_published(own), *doubtful(own), *self.missing)

    @property
    def with_ranges(self) -> Histories:
        """The runs whose mode has published score ranges."""
        return self.where(own.get("mode", "easy") in RANGED_MODES for own in self.runs["settings"])

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of `drac.methods`, augmentations in the paper's."""
        return ordered(self.runs["label"])

    @property
    def lengths(self) -> str:
        """The steps that the complete runs were given, in words; "" if there is none."""
        return lengths(self.runs[self.runs["complete"]])

    @property
    def games(self) -> list[str]:
        """The games, in alphabetical order."""
        return sorted(set(self.runs["game"]))


def ordered(labels: Iterable[str]) -> list[str]:
    """Return each label once, in the order of `drac.methods`, augmentations in the paper's."""
    return sorted(set(labels), key=_order)


def lengths(runs: pd.DataFrame) -> str:
    """Return the steps that runs were given, in words; "" if there is none."""
    steps = sorted({settings["steps"] for settings in runs["settings"]})
    return f"Runs of {' or '.join(f'{number:,}' for number in steps)} steps." if steps else ""


def load(runs: pd.DataFrame, curves: Iterable[CurveSet] = ()) -> Histories:
    """Read the files of runs.

    Complete runs are drawn, each seed of a label and game once. Where such a cell has no complete
    run, those in progress are, as far as they are. A run with a damaged file counts as missing.

    Args:
        runs: as `Store.load` returns them.
        curves: of other people's runs, to be drawn beside them.
    """
    runs = runs.reset_index(drop=True)
    runs["complete"] = runs["problems"].map(len) == 0
    runs["label"] = _labels(runs)
    paths = dict(zip(runs.index, runs["folder"], strict=True))
    problems: dict[int, str] = {}
    progress = _table(read_many(_files(paths, "progress.csv"), _PROGRESS, problems), _PROGRESS)
    episodes = read_many(_files(paths, "eval.csv"), logs.EVAL_COLUMNS[:-1], problems)
    evaluations, levels = _evaluations(episodes)
    bandits = {run: path for run, path in paths.items() if chooses(str(runs["method"][run]))}
    arms = _table(read_many(_files(bandits, "arms.csv"), _ARMS, problems), _ARMS)
    arms = arms.merge(progress[[RUN, "update", "step"]], on=[RUN, "update"])
    drawn = _drawn(runs, set(progress[RUN]), problems)
    kept = set(drawn.index)
    progress, evaluations, levels, arms = (
        table[table[RUN].isin(kept)].reset_index(drop=True)
        for table in (progress, evaluations, levels, arms)
    )
    notes = tuple(_notes(runs, drawn, problems))
    found = Histories(drawn, progress, evaluations, levels, arms, notes, _NO_CURVES)
    return _beside(found, curves)


_NO_CURVES = pd.DataFrame(columns=[RUN, "label", "game", "split", "step", "value"])


def _beside(own: Histories, curves: Iterable[CurveSet]) -> Histories:
    """Add other people's curves of the games and modes that are drawn, as far as ours go."""
    curves = list(curves)
    if not curves or own.runs.empty:
        return own
    modes = {settings.get("mode", "easy") for settings in own.runs["settings"]}
    ends = own.progress.join(own.runs["game"], on=RUN).groupby("game")["step"].max()
    parts, sources = [], []
    for one in curves:
        rows = one.rows[one.rows["mode"].isin(modes)].rename(
            columns={"steps": "step", "mean_return": "value"}
        )
        rows = rows[rows["step"] <= rows["game"].map(ends).fillna(-1)]
        if rows.empty:
            continue
        labels = rows["method"] + " (imported)"
        parts.append(rows.assign(label=labels))
        named = ", ".join(dict.fromkeys(labels))
        sources.append(
            f"{named}: from {one.source}, as far as our runs go; protocol and smoothing are theirs"
        )
    if not parts:
        return own
    rows = pd.concat(parts, ignore_index=True)
    rows[RUN] = rows.groupby(["label", "game", "mode", "run"]).ngroup()
    return replace(own, imported=rows[[*_NO_CURVES]], sources=tuple(f"{s}." for s in sources))


def _labels(runs: pd.DataFrame) -> pd.Series[str]:
    """Label complete runs as tables do, and others likewise where their settings are the same."""
    complete = runs[runs["complete"]]
    known = dict(zip(_alike(complete), variants(complete), strict=True))
    labels = [
        known.get(key, label) for key, label in zip(_alike(runs), variants(runs), strict=True)
    ]
    return pd.Series(labels, index=runs.index, dtype="object")


def _alike(runs: pd.DataFrame) -> Iterator[tuple[str, int]]:
    """Yield what runs of one label share; `Store.load` gives equal settings one dict."""
    return zip(runs["method"], runs["settings"].map(id), strict=True)


def _files(paths: Mapping[int, Path], name: str) -> dict[int, Path]:
    return {run: path / name for run, path in paths.items()}


def _table(parts: Iterable[pd.DataFrame], columns: Iterable[str]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=[RUN, *columns])


def _evaluations(parts: Iterable[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the means of all evaluations, and the episodes of each run's last one.

    The episodes of a large store are many: each part is reduced before the next is read.
    """
    means, last = [], []
    for part in parts:
        part = part[part["split"].isin(SPLITS)].copy()
        part["split"] = part["split"].astype(pd.CategoricalDtype(list(SPLITS)))
        grouped = part.groupby([RUN, "step", "split"], observed=True)["return"]
        means.append(grouped.agg(["mean", "size"]).reset_index())
        last.append(part[part["step"] == part.groupby(RUN)["step"].transform("max")])
    table = _table(means, ("step", "split", "mean", "size"))
    table = table.rename(columns={"mean": "return", "size": "episodes"})
    levels = _table(last, ("step", "split", "level_seed", "return"))
    return table, levels.drop(columns="step")


def _order(label: str) -> tuple[int, int, str]:
    method = split_label(label)[0]
    names = list(methods.METHODS)
    found = methods.find(method)
    if found is None:
        return len(names), 0, label
    augmentation = method.removeprefix(f"{found.name}-")
    place = PAPER_ARMS.index(augmentation) if augmentation in PAPER_ARMS else len(PAPER_ARMS)
    return names.index(found.name), place, label


def _drawn(runs: pd.DataFrame, begun: set[int], problems: Mapping[int, str]) -> pd.DataFrame:
    """Return the complete runs, each once, and of cells without any those in progress."""
    runs = runs[runs.index.isin(begun - {*problems})]
    runs = runs.sort_values("complete", ascending=False, kind="stable")
    runs = runs.drop_duplicates(["label", "game", "seed"]).sort_index()
    has_complete = runs.groupby(["label", "game"])["complete"].transform("any")
    return runs[runs["complete"] | ~has_complete.astype(bool)]


def _notes(runs: pd.DataFrame, drawn: pd.DataFrame, problems: Mapping[int, str]) -> Iterator[str]:
    """Say which runs are not in a figure, and which are there only in part."""
    damaged = runs.loc[sorted(problems)]
    partly = drawn[~drawn["complete"]]
    absent = runs[~runs["complete"] & ~runs.index.isin([*partly.index, *problems])]
    if problems:
        said = why_each(damaged, (problems[run] for run in damaged.index))
        yield f"Missing, for a file is damaged: {said}."
    if len(absent):
        said = why_each(absent, absent["problems"].map("; ".join))
        yield f"Missing: {len(absent)} of {number_of(len(runs), 'planned run')}: {said}."
    if len(partly):
        which = zip(partly["shown"], partly["game"], partly["seed"], strict=True)
        yield (
            f"In progress, in curves as far as they are: {len(partly)} of {len(runs)} planned runs:"
            f" {shortened(f'{method}/{game}/seed{seed}' for method, game, seed in which)}."
        )
    if doubles := len(runs) - len(drawn) - len(absent) - len({*problems}):
        yield f"In several experiments and drawn once: {number_of(doubles, 'run')}."
        yield from contradictions(runs)
