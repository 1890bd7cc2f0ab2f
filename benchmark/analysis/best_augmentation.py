"""Which augmentation is best for a game: by the sweep of fixed ones, and by the bandit."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import pandas as pd

from augmentations import PAPER_ARMS
from augmentations.specs import short, slug
from benchmark.analysis.comparable import counted, differing
from drac import methods
from drac.config.quantities import shortened

NO_RUNS = "no runs"
NOT_COMPARABLE = "not comparable: settings differ"

SHOWN_TIES = 3
"""Of several that are equally good as many are named in a cell; the data has all."""

BEST_FROM = "best-from.csv"
"""The file of `sweep_choices`, for `--best-from`."""

_NUMBERS = ("test_mean", "compared", "equal", "runs")
_FAMILY, _PREFIX = "drac", "drac-"
BANDIT = "ucb-drac"


def sweep_choices(runs: pd.DataFrame) -> pd.DataFrame:
    """The best fixed augmentation of each game, for `--best-from`.

    Of several with the same mean test return it is the first of the paper's eight, in its order,
    else of the alphabet. Games are left out in which settings differ.

    Args:
        runs: as `Store.load` returns them.

    Returns:
        Columns `game`, `augmentation`, `test_mean`, `compared` (augmentations), `equal` (of them
        with this mean: if more than one, the choice among these is none) and `runs`.
    """
    rows: list[dict[str, Any]] = []
    for game, own in fixed(counted(runs)).groupby("game"):
        if differing(own):
            continue
        ties, mean, compared = _best(own, "augmentation")
        best = next((arm for arm in PAPER_ARMS if arm in ties), ties[0])
        number = {"test_mean": mean, "compared": compared, "equal": len(ties), "runs": len(own)}
        rows.append({"game": game, "augmentation": best, **number})
    return pd.DataFrame(rows, columns=["game", "augmentation", *_NUMBERS])


def fixed(complete: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of DrAC with a fixed augmentation: drac-crop, but not drac-best."""
    return complete[complete["method"].isin(list(filter(is_fixed, set(complete["method"]))))]


def is_fixed(method: str) -> bool:
    """Whether a method is DrAC with one fixed augmentation; False for one that is unknown."""
    found = methods.find(method)
    return found is not None and found.name == _FAMILY


def chooses(method: str) -> bool:
    """Whether a method chooses among several augmentations; False for one that is unknown."""
    found = methods.find(method)
    return found is not None and found.augmentations == "several"


def _best(runs: pd.DataFrame, by: str) -> tuple[list[str], float, int]:
    """Return the names in a column with the best mean test return, that mean, and of how many."""
    means = runs.groupby(by)["test"].mean()
    top = float(means.max())
    return [str(name) for name in means.index[means >= top - 1e-9]], top, len(means)


def _no_choice(runs: pd.DataFrame) -> str:
    """Say why nothing can be chosen by these runs of one game, or ""."""
    return NO_RUNS if runs.empty else NOT_COMPARABLE if differing(runs) else ""


def sweep_choice(runs: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """Return the cell and the data: the augmentation(s) with the best mean test return."""
    if why := _no_choice(runs):
        return why, {"sweep": "", "sweep_test_mean": float("nan"), "sweep_compared": 0}
    ties, top, compared = _best(runs, "shown")
    best = " = ".join(name.removeprefix(_PREFIX) for name in ties)
    found = {"sweep": best, "sweep_test_mean": top, "sweep_compared": compared}
    if len(ties) > SHOWN_TIES:
        return f"{len(ties)} are equal ({top:.2f}, best of {compared})", found
    how = "the only one run" if compared == 1 else f"{top:.2f}, best of {compared}"
    return f"{best} ({how})", found


def bandit_choice(runs: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """Return the cell and the data: the most selected arm(s), and their share of all updates."""
    if why := _no_choice(runs):
        return why, {"bandit": "", "bandit_share": float("nan"), "bandit_seeds": 0}
    counts: Counter[str] = Counter()
    for arms in runs["arms"]:
        counts.update({_as_method(arm): count for arm, count in arms.items()})
    most = max(counts.values())
    best = [arm for arm, count in counts.items() if count == most]
    share = most / counts.total()
    each = " each" if len(best) > 1 else ""
    found = {"bandit": " = ".join(best), "bandit_share": share, "bandit_seeds": len(runs)}
    return f"{' = '.join(best)} ({share:.0%}{each})", found


@functools.lru_cache(maxsize=1024)  # there are many runs of few arms
def _as_method(arm: str) -> str:
    """Return what the method of a fixed augmentation has behind "drac-", to be compared with it."""
    try:
        return short(slug(arm))
    except ValueError:  # a run from elsewhere may say anything
        return arm


def not_run(fixed: pd.DataFrame) -> list[str]:
    """Say which of the paper's eight augmentations were not compared, and on which games."""
    games: dict[tuple[str, ...], list[str]] = {}
    for game, runs in fixed.groupby("game"):
        tried = set(runs["method"])
        lacking = tuple(arm for arm in PAPER_ARMS if _PREFIX + arm not in tried)
        games.setdefault(lacking, []).append(str(game))
    games.pop((), None)
    return [
        f"The sweep lacks {', '.join(arms)} on {shortened(where)}: the best of the others need not"
        f" be the best of the paper's eight."
        for arms, where in games.items()
    ]


def unequal(fixed: pd.DataFrame) -> list[str]:
    """Say where the compared augmentations have different numbers of seeds."""
    said = []
    for game, runs in fixed.groupby("game"):
        seeds = [frozenset(own["seed"]) for _, own in runs.groupby("method")]
        if len(set(seeds)) > 1:
            sizes = [len(own) for own in seeds]
            said.append(f"{game} ({min(sizes)} to {max(sizes)})")
    if not said:
        return []
    return [f"The augmentations compared have different seeds on {shortened(said)}."]
