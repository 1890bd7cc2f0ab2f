"""What the bandit chose: shares of updates, final means of the arms, and when it settled."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.best_augmentation import chooses
from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted
from benchmark.store.run_record import RunRecord
from benchmark.tables.table import Block, Table
from drac.config.quantities import number_of
from drac.games import GAMES
from drac.methods import spellings

SETTLED_SHARE = 0.9
"""Share of the remaining updates that one arm has had when a bandit is called settled."""

LEAST_REMAINING = 0.1
"""Share of all updates that must remain: the last update alone is no habit."""


def settled(choices: Sequence[str]) -> int | None:
    """Return the update with which a bandit settled, from 1; None if it never did.

    It is the first update that chose an arm which, from there to the end, was chosen in at least
    90 % of the updates, at least a tenth of all updates remaining. (Our definition: the paper
    has none.)

    Args:
        choices: the arm of each update.
    """
    arms = np.array([*choices], dtype=object)
    remaining = np.arange(len(arms), 0, -1)
    long_enough = remaining >= LEAST_REMAINING * len(arms) - 1e-9
    found = []
    for arm in dict.fromkeys(choices):
        own = arms == arm
        share = np.cumsum(own[::-1])[::-1] / remaining
        begins = np.flatnonzero(own & long_enough & (share >= SETTLED_SHARE - 1e-12))
        found += begins[:1].tolist()
    return min(found) + 1 if found else None


def bandit(runs: pd.DataFrame) -> Table:
    """Counts, final means and settling of every method that chooses its augmentation.

    Args:
        runs: as `Store.load` returns them.
    """
    own = runs[runs["method"].isin(list(filter(chooses, set(runs["method"]))))]
    complete = counted(own)
    data = [row for run in complete.to_dict("records") for row in _arms(run)]
    frame = pd.DataFrame(data, columns=[*_COLUMNS])
    called = spellings.arms(frame["arm"])
    read = frame.copy()  # the CSV file has all of a name
    for column in ("arm", "settled_arm"):
        read[column] = [called.get(arm, arm) for arm in frame[column]]
    groups = [
        (str(game), str(label), rows)
        for game in GAMES
        for label, rows in read[read["game"] == game].groupby("variant", sort=False)
    ]
    named = frame["variant"].nunique() > 1
    arms = list(dict.fromkeys(read["arm"]))
    keys = 2 if named else 1
    names = [{"game": g, "method": label} if named else {"game": g} for g, label, _ in groups]
    shares = [_shares(rows, arms) for *_, rows in groups]
    choice = [{**name, **_choice(rows)} for name, (*_, rows) in zip(names, groups, strict=True)]
    blocks = [
        Block(pd.DataFrame(choice or [{"game": "-", "bandit": "no runs"}]), "Choice", keys=keys),
        Block(_cells(names, shares, "{:.0%}"), "Share of updates of each arm", _most(shares), keys),
        Block(
            _cells(names, [_means(rows, arms) for *_, rows in groups], "{:.3f}"),
            "Mean reward of each arm, as the bandit saw it at the end of training",
            keys=keys,
        ),
    ]
    return Table.of(
        "bandit",
        "What chose the augmentation, and when it settled",
        blocks if groups else blocks[:1],
        frame,
        with_caveats(own, complete, _notes(complete, called)),
    )


_COLUMNS = (
    *("game", "method", "variant", "seed", "arm", "count", "share", "mean", "score"),
    *("updates", "settled_update", "settled_step", "settled_arm"),
)


def _arms(run: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row an arm of one run."""
    record: RunRecord = run["record"]
    choices, steps = record.updates["arm"].tolist(), record.updates["step"]
    update = settled(choices)
    about = {
        **{name: run[name] for name in ("game", "method", "seed")},
        "variant": run["label"],
        "updates": len(choices),
        "settled_update": math.nan if update is None else update,
        "settled_step": math.nan if update is None else int(steps[update - 1]),
        "settled_arm": "" if update is None else choices[update - 1],
    }
    total = int(record.arms["count"].sum())
    columns = (record.arms[name].tolist() for name in ("arm", "count", "mean", "score"))
    for arm, count, mean, score in zip(*columns, strict=True):
        share = count / total if total else math.nan
        yield {**about, "arm": arm, "count": count, "share": share, "mean": mean, "score": score}


def _shares(rows: pd.DataFrame, arms: Sequence[str]) -> pd.Series[float]:
    """Return each arm's share of the updates of all seeds; NaN for an arm these runs lack."""
    counts = rows.groupby("arm")["count"].sum()
    return (counts / counts.sum()).reindex([*arms])


def _means(rows: pd.DataFrame, arms: Sequence[str]) -> pd.Series[float]:
    """Return each arm's final mean, over the seeds that chose it; NaN if none did."""
    return rows[rows["count"] > 0].groupby("arm")["mean"].mean().reindex([*arms])


def _cells(
    names: Sequence[dict[str, str]], values: Sequence[pd.Series[float]], form: str
) -> pd.DataFrame:
    texts = [own.map(form.format, na_action="ignore").fillna("-").to_dict() for own in values]
    return pd.DataFrame([{**name, **own} for name, own in zip(names, texts, strict=True)])


def _most(shares: Sequence[pd.Series[float]]) -> frozenset[tuple[int, str]]:
    return frozenset(
        (row, str(arm)) for row, own in enumerate(shares) for arm in own.index[own == own.max()]
    )


def _choice(rows: pd.DataFrame) -> dict[str, str]:
    """Return the cells of one game: what was chosen most, and when seeds settled on what."""
    counts = rows.groupby("arm", sort=False)["count"].sum()
    most = " = ".join(counts.index[counts == counts.max()])
    each = rows.drop_duplicates("seed")
    done = each[each["settled_arm"] != ""]
    when = (done["settled_update"] - 1) / done["updates"]
    on = Counter(done["settled_arm"]).most_common()
    span = "-" if done.empty else f"{when.min():.0%}"
    if len(done) > 1:
        span = f"{when.median():.0%} ({when.min():.0%} to {when.max():.0%})"
    return {
        "seeds": f"{len(each)}",
        "updates": " / ".join(f"{n:,}" for n in dict.fromkeys(each["updates"])),
        "most chosen": f"{most} ({counts.max() / counts.sum():.0%})",
        "seeds that settled": f"{len(done)} of {len(each)}",
        "on": ", ".join(arm if len(done) == 1 else f"{arm} ({n})" for arm, n in on) or "-",
        "after this share of training": span,
    }


def _notes(complete: pd.DataFrame, called: Mapping[str, str]) -> Iterator[str]:
    yield (
        f"Settled: the first update that chose an arm which from there to the end was chosen in at"
        f" least {SETTLED_SHARE:.0%} of the updates, with at least {LEAST_REMAINING:.0%} of all"
        f" updates to go; the share of training before it is the median over the seeds that"
        f" settled, and their range. Our definition: the paper has none."
    )
    yield (
        "Means are those of arms.csv, over the seeds that chose the arm; '-': no seed did. UCB's is"
        " of its last window, discounted UCB's is discounted, others' is of all rewards. With the"
        " paper's constants a bandit can stay on its first arm (docs/fidelity.md), so settling"
        " proves no best arm."
    )
    if len(complete):
        firsts = Counter(r.updates["arm"][0] for r in complete["record"])
        said = ", ".join(
            f"{called.get(arm, arm)} ({number_of(count, 'run')})"
            for arm, count in firsts.most_common()
        )
        yield f"The first update's arm: {said}."
    yield "Published counts: not available; the paper's best augmentations: --table augmentations."


def lacking(runs: pd.DataFrame) -> str:
    """Say why these runs have nothing to say to the table, or ""."""
    if any(chooses(method) for method in set(runs["method"])):
        return ""
    return "no runs of a method that chooses its augmentation"
