"""Which augmentation is best for a game: by the sweep, by the bandit, by the paper."""

from __future__ import annotations

from typing import Any

import pandas as pd

from augmentations import PAPER_ARMS
from benchmark import published
from benchmark.comparable import apart_from_published, common_settings, counted, missing, shortened
from benchmark.table import NOT_AVAILABLE, Table
from drac import methods
from drac.games import GAMES

NO_RUNS = "no runs"
NOT_COMPARABLE = "not comparable: settings differ"

BEST_FROM = "best-from.csv"
"""The file of `sweep_choices`, for `--best-from`."""

_FAMILY, _PREFIX, _BANDIT = "drac", "drac-", "ucb-drac"
_HOW_CHOSEN = (
    "By the sweep: highest mean test return over seeds among runs of fixed augmentations"
    " (drac-<augmentation>). By the bandit: the arm selected in most updates, over all seeds."
    " Arms with equal values are joined by '='. The two need not agree: with the paper's"
    " constants the bandit can lock on to one arm (docs/fidelity.md)."
)


def best_augmentations(runs: pd.DataFrame) -> Table:
    """The best augmentation per game, in three columns.

    The sweep's best has the highest mean test return among the fixed augmentations, as in the
    paper; the bandit's is the arm it selected most, over all seeds. Neither pools runs whose
    settings differ.

    Args:
        runs: as `Store.load` returns them.
    """
    complete = counted(runs)
    fixed = _fixed(complete)
    bandit = complete[complete["method"] == _BANDIT]
    paper, source = published.best_augmentation()
    cells: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    for game in [game for game in GAMES if game in set(runs["game"])]:
        sweep_text, sweep = _sweep_choice(fixed[fixed["game"] == game])
        bandit_text, chosen = _bandit_choice(bandit[bandit["game"] == game])
        cells.append(
            {
                "game": game,
                "by the sweep (test return)": sweep_text,
                "by the bandit (share of updates)": bandit_text,
                "by the paper": paper.get(game, NOT_AVAILABLE),
            }
        )
        data.append({"game": game, **sweep, **chosen, "paper": paper.get(game, "")})
    short = apart_from_published(complete) if len(complete) else []
    settings = [common_settings(complete)] if len(complete) else []
    lacking = [*_not_run(fixed), *_unequal(fixed)]
    notes = [*short, *missing(runs), *lacking, *settings, _HOW_CHOSEN, f"By the paper: {source}."]
    title = "Best augmentation per game"
    return Table("best-augmentation", title, pd.DataFrame(cells), pd.DataFrame(data), tuple(notes))


def sweep_choices(runs: pd.DataFrame) -> pd.DataFrame:
    """The best fixed augmentation of each game, as `drac.best` reads it; for `--best-from`.

    Of several with the same mean test return it is the first of the paper's eight, in its order,
    else of the alphabet. Games are left out in which settings differ.

    Args:
        runs: as `Store.load` returns them.

    Returns:
        Columns `game`, `augmentation`, `test_mean`, `compared` (augmentations) and `runs`.
    """
    rows: list[dict[str, Any]] = []
    for game, own in _fixed(counted(runs)).groupby("game"):
        if _differ(own):
            continue
        means = own.groupby("augmentation")["test"].mean()
        ties = [str(name) for name in means.index[means >= means.max() - 1e-9]]
        best = next((arm for arm in PAPER_ARMS if arm in ties), ties[0])
        number = {"test_mean": means.max(), "compared": len(means), "runs": len(own)}
        rows.append({"game": game, "augmentation": best, **number})
    return pd.DataFrame(rows, columns=["game", "augmentation", "test_mean", "compared", "runs"])


def _fixed(complete: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of DrAC with a fixed augmentation: drac-crop, but not drac-best."""
    return complete[[methods.family(name).name == _FAMILY for name in complete["method"]]]


def _sweep_choice(runs: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """Return the cell and the data: the augmentation(s) with the best mean test return."""
    nothing = {"sweep": "", "sweep_test_mean": float("nan"), "sweep_compared": 0}
    if runs.empty:
        return NO_RUNS, nothing
    if _differ(runs):
        return NOT_COMPARABLE, nothing
    means = runs.groupby("method")["test"].mean()
    top = float(means.max())
    best = " = ".join(n.removeprefix(_PREFIX) for n in means.index[means >= top - 1e-9])
    found = {"sweep": best, "sweep_test_mean": top, "sweep_compared": len(means)}
    if len(means) == 1:
        return f"{best} (the only one run)", found
    return f"{best} ({top:.2f}, best of {len(means)})", found


def _differ(runs: pd.DataFrame) -> bool:
    """Whether the runs' settings differ."""
    return len({repr(sorted(values.items())) for values in runs["settings"]}) > 1


def _bandit_choice(runs: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """Return the cell and the data: the most selected arm(s), and their share of all updates."""
    nothing = {"bandit": "", "bandit_share": float("nan"), "bandit_seeds": 0}
    if runs.empty:
        return NO_RUNS, nothing
    if _differ(runs):
        return NOT_COMPARABLE, nothing
    counts: dict[str, int] = {}
    for arms in runs["arms"]:
        for arm, count in arms.items():
            counts[arm] = counts.get(arm, 0) + count
    most, total = max(counts.values()), sum(counts.values())
    best = [arm for arm, count in counts.items() if count == most]
    share = most / total
    each = " each" if len(best) > 1 else ""
    found = {"bandit": " = ".join(best), "bandit_share": share, "bandit_seeds": len(runs)}
    return f"{' = '.join(best)} ({share:.0%}{each})", found


def _not_run(fixed: pd.DataFrame) -> list[str]:
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


def _unequal(fixed: pd.DataFrame) -> list[str]:
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
