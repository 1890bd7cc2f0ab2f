"""Returns of different games on one scale, over the games that the compared methods share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis.comparable import protocol, scores
from benchmark.analysis.histories import Histories, lengths, ordered
from benchmark.store.many_files import RUN
from drac.config.quantities import shortened
from drac.games import score_range
from drac.runs.logs import SPLITS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """How returns are normalized, and what of the runs can be compared.

    Attributes:
        name: "PPO-normalized return" or "min-max-normalized return".
        labels: what is compared.
        games: those on which all of them have runs.
        divisors: (low, high) by run and split; a return R becomes (R - low) / (high - low).
        notes: why this scale, and what was left out.
        lengths: the steps of the complete runs that are compared, in words.
    """

    name: str
    labels: tuple[str, ...]
    games: tuple[str, ...]
    divisors: pd.DataFrame
    notes: tuple[str, ...]
    lengths: str

    @property
    def compared(self) -> pd.Index[int]:
        """The runs that are compared."""
        return self.divisors.index[self.divisors["compared"].to_numpy(bool)]

    def apply(self, values: pd.DataFrame, split: str) -> pd.DataFrame:
        """Normalize the column `value` of a table with a column `run`; other games are left out."""
        own = self.divisors.loc[values[RUN]]
        low, high = (own[f"{split}_{end}"].to_numpy(float) for end in ("low", "high"))
        normalized = values.assign(value=(values["value"].to_numpy(float) - low) / (high - low))
        return normalized[own["compared"].to_numpy(bool)]


def choose(histories: Histories) -> Scale:
    """Return PPO-normalization if there is a PPO to normalize by, else min-max.

    By PPO as in Raileanu et al. 2021, Table 1: over PPO's mean final return on that game and split.
    It needs exactly one setting of PPO among the runs, complete and with a positive mean on every
    game; runs of another protocol than PPO's are left out. Min-max as in Cobbe et al. 2020, section
    2.2, with the default ranges of `drac.games`; runs of modes without such ranges are left out.
    """
    runs = histories.runs
    histories, other = _like_ppo(histories)
    labels, games, notes = shared(histories)
    notes += other
    compared = runs.index.isin(comparable(histories).index)
    compared &= runs["label"].isin(labels) & runs["game"].isin(games)
    length = lengths(runs[compared & runs["complete"]])
    reference, why = _ppo(histories.runs, games)
    divisors = pd.DataFrame({"compared": compared}, index=runs.index)
    if reference is None:
        if len(histories.with_ranges.runs) < len(runs):
            return choose(histories.with_ranges)
        modes = [values.get("mode", "easy") for values in runs["settings"]]
        pairs = zip(runs["game"], modes, strict=True)
        ranges = np.array([score_range(*pair) for pair in pairs]).reshape(-1, 2)
        for split in SPLITS:
            divisors[[f"{split}_low", f"{split}_high"]] = ranges
        how = f"Normalized as (R - R_min) / (R_max - R_min) with published ranges, for {why}."
        return Scale("min-max-normalized return", labels, games, divisors, (how, *notes), length)
    for split in SPLITS:
        divisors[f"{split}_low"] = 0.0
        divisors[f"{split}_high"] = runs["game"].map(reference[split])
    how = (
        "Divided by PPO's mean final return on the same game and split, whose own error is in no"
        " interval."
    )
    return Scale("PPO-normalized return", labels, games, divisors, (how, *notes), length)


def comparable(histories: Histories) -> pd.DataFrame:
    """Return the runs that aggregates are over: the complete ones, or all while there are none."""
    runs = histories.runs
    return runs[runs["complete"]] if runs["complete"].any() else runs


def shared(histories: Histories) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Return labels, the games that all of them have, and what is to be said of the choice.

    Where no game is common to all, labels with the fewest games are left out until one is.
    """
    runs = comparable(histories)
    own = {label: set(runs["game"][runs["label"] == label]) for label in histories.labels}
    kept = {label: games for label, games in own.items() if games}
    left_out: list[str] = []
    while len(kept) > 1 and not set.intersection(*kept.values()):
        left_out.append(min(kept, key=lambda label: len(kept[label])))
        del kept[left_out[-1]]
    games = set.intersection(*kept.values()) if kept else set()
    missing = [game for game in histories.games if game not in games]
    named = ", ".join(sorted(games))
    note = f"Over all {len(games)} games." if len(games) > 1 else f"Over {named or 'no game'}."
    if missing:
        common = f"the {len(games)} games that all of these methods have ({named})"
        if len(games) == 1:
            common = f"{named}, the one game that all of these methods have"
        note = f"WARNING: over {common}, not over {', '.join(missing)}."
    notes = [note]
    if unfinished := [label for label in own if not own[label]]:
        notes.append(f"Left out, having no complete run: {', '.join(unfinished)}.")
    if left_out:
        notes.append(f"Left out, having no game in common: {', '.join(left_out)}.")
    return tuple(kept), tuple(sorted(games)), notes


def _like_ppo(histories: Histories) -> tuple[Histories, list[str]]:
    """Leave out runs of another protocol than PPO's, if PPO has one and others share it."""
    runs = histories.runs
    known = {protocol(settings) for settings in runs["settings"][_is_ppo(runs)]}
    alike = np.array([protocol(settings) in known for settings in runs["settings"]], dtype=bool)
    if len(known) != 1 or alike.all() or runs["label"][alike].nunique() < 2:
        return histories, []
    others = shortened(ordered(runs["label"][~alike]))
    note = f"Left out, for PPO's steps or other settings that matter differ from theirs: {others}."
    return replace(histories, runs=runs[alike]), [note]


def _is_ppo(runs: pd.DataFrame) -> NDArray[np.bool_]:
    return ((runs["method"] == "ppo") & runs["complete"]).to_numpy(bool)


def _ppo(runs: pd.DataFrame, games: tuple[str, ...]) -> tuple[pd.DataFrame | None, str]:
    """Return PPO's mean final return by game and split, or None and the reason."""
    ppo = runs[_is_ppo(runs)]
    if ppo.empty:
        return None, "there is no complete run of PPO to divide by"
    if ppo["label"].nunique() > 1:
        return None, f"PPO was run with several settings ({shortened(ppo['label'].unique())})"
    if len({protocol(settings) for settings in runs["settings"]}) > 1:
        return None, "PPO's steps or other settings that matter differ from the others'"
    means = ppo.groupby("game")[list(SPLITS)].mean().reindex(list(games))
    if absent := [str(game) for game in means.index[means.isna().any(axis=1)]]:
        return None, f"PPO has no complete run on {shortened(absent)}"
    low = means <= 0
    if bad := [str(game) for game in means.index[low.any(axis=1)]]:
        splits = " and ".join(str(split) for split in SPLITS if low[split].any())
        return None, f"PPO's {splits} return is not above 0 on {shortened(bad)}"
    return means, ""


def final_scores(histories: Histories, scale: Scale, label: str, split: str) -> Array:
    """Return the final scores of a label's complete runs, `(runs, games)`; NaN is missing."""
    runs = histories.runs
    own = runs[(runs["label"] == label) & runs["complete"]]
    values = pd.DataFrame({RUN: own.index, "value": own[split].to_numpy(float)})
    values = scale.apply(values, split)
    values = values.join(own[["game", "seed"]], on=RUN)
    return scores(values, "value", scale.games)
