"""Level by level: which training levels an agent solves, and which test levels it fails."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted
from benchmark.store.run_files import Columns
from benchmark.tables.per_game import OVERLAP
from benchmark.tables.table import Block, Table
from drac.games import GAMES, RANGED_MODES, UNSOLVABLE, score_range, unsolvable

SOLVED = 0.5
"""Min-max normalized return from which an episode counts as solved."""

NAMED = 4
"""How many levels a cell names."""

_KEYS = ["game", "variant", "split", "level_seed"]


def solved(returns: ArrayLike, game: str, mode: str = "easy") -> NDArray[np.bool_]:
    """Return which episodes were solved: at least half-way between the game's published scores.

    (R - R_min) / (R_max - R_min) >= 0.5 with the ranges of Cobbe et al. 2020. Where an episode
    pays 10 at its goal and nothing else (coinrun, heist, jumper, leaper, maze, ninja) that is the
    goal; Procgen gives the other games no common notion of success, and this is ours.

    Args:
        returns: raw returns, any shape.
        game: one of the 16.
        mode: "easy" or "hard".

    Raises:
        ValueError: for an unknown game or mode.
    """
    low, high = score_range(game, mode)
    reached: NDArray[np.bool_] = np.asarray(returns, np.float64) >= low + SOLVED * (high - low)
    return reached


def level_successes(complete: pd.DataFrame) -> pd.DataFrame:
    """Return one row a level: `game, variant, split, level_seed, episodes, solved, mean_return`.

    And a `note`: `UNSOLVABLE` or "".

    Args:
        complete: as `benchmark.analysis.comparable.counted` returns runs; episodes of their final
            evaluations are pooled over the seeds of a variant. Modes without published score
            ranges are left out.
    """
    return _together(_by_level(complete))


_Levels = dict[tuple[str, str, str], Columns]
"""(game, variant, split), sorted -> what `level_successes` returns of it."""


def _by_level(complete: pd.DataFrame) -> _Levels:
    found: _Levels = {}
    for (game, label), own in complete.groupby(["game", "label"]):
        mode = own["settings"].iloc[0]["mode"]
        if mode not in RANGED_MODES:
            continue
        splits, seeds, returns = (
            np.concatenate([record.episodes[name] for record in own["record"]])
            for name in ("split", "level_seed", "return")
        )
        for split in sorted({*splits}):
            here = splits == split
            levels, which = np.unique(seeds[here], return_inverse=True)
            success = solved(returns[here], str(game), mode)
            cannot = np.isin(levels, [*unsolvable(str(game), mode)])
            found[str(game), str(label), split] = {
                "level_seed": levels,
                "episodes": np.bincount(which),
                "solved": np.bincount(which[success], minlength=len(levels)),
                "mean_return": pd.Series(returns[here]).groupby(which).mean().to_numpy(),
                "note": np.where(cannot, UNSOLVABLE, "").astype(object),
            }
    return found


def _together(found: _Levels) -> pd.DataFrame:
    if not found:
        return pd.DataFrame(columns=[*_KEYS, "episodes", "solved", "mean_return", "note"])
    sizes = [len(own["level_seed"]) for own in found.values()]
    keys = zip(_KEYS, zip(*found, strict=True), strict=False)
    columns = {name: np.repeat(np.array(own, dtype=object), sizes) for name, own in keys}
    names = next(iter(found.values()))
    return pd.DataFrame(
        columns | {name: np.concatenate([own[name] for own in found.values()]) for name in names}
    )


def levels(runs: pd.DataFrame) -> Table:
    """Training levels solved and test levels failed, per game and method.

    Args:
        runs: as `Store.load` returns them.
    """
    complete = counted(runs)
    found = _by_level(complete)
    labels = list(dict.fromkeys(complete["label"]))
    blocks = []
    for split, heading in _HEADINGS.items():
        cells = [
            {"game": game, "method": label, **_counts(found[game, label, split])}
            for game in GAMES
            for label in labels
            if (game, label, split) in found
        ]
        nothing = [{"game": "-", "method": "no runs"}]
        blocks.append(Block(pd.DataFrame(cells or nothing), heading, keys=2))
    title = "Levels: solved in training, failed in testing"
    notes = with_caveats(runs, complete, _NOTES)
    return Table.of("levels", title, blocks, _together(found), notes)


_HEADINGS = {"train": "Training levels", "test": "Test levels: the full distribution"}


def _counts(own: Columns) -> dict[str, str]:
    """Return the cells of a method on a game; a level may have been played several times."""
    episodes, levels = own["episodes"], len(own["episodes"])
    never, always = own["solved"] == 0, own["solved"] == episodes
    return {
        "levels": f"{levels:,}",
        "episodes": f"{episodes.sum():,}",
        "episodes solved": _share(own["solved"].sum(), episodes.sum()),
        "levels always solved": f"{always.sum():,} ({_share(always.sum(), levels)})",
        "never solved": f"{never.sum():,} ({_share(never.sum(), levels)})",
        "never solved: seeds": _seeds({name: values[never] for name, values in own.items()}),
    }


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _seeds(failed: Columns) -> str:
    """Name the levels that were failed most often, the lowest seeds first among equals."""
    order = np.lexsort((failed["level_seed"], -failed["episodes"]))
    columns = (failed[name][order[:NAMED]] for name in ("level_seed", "episodes", "note"))
    said = ", ".join(
        f"{seed}" + (f" ({times}x)" if times > 1 else "") + (f" {note}" if note else "")
        for seed, times, note in zip(*columns, strict=True)
    )
    more = f" and {len(order) - NAMED} more" if len(order) > NAMED else ""
    return (said or "none") + more


_NOTES = (
    (
        f"Solved: a return at least half-way ({SOLVED:.0%}) between the game's published minimum"
        f" and maximum score (results/published/score_ranges.csv). On coinrun, heist, jumper,"
        f" leaper, maze and ninja that is reaching the goal; for other games it is a convention of"
        f" ours. Published shares: not available."
    ),
    (
        "Episodes of the final evaluations, pooled over seeds. Levels are drawn at random: 100"
        " episodes leave some 120 of 200 training levels unplayed, and most of the others were"
        " played once. (3x): played three times, never solved. All levels are in levels.csv."
    ),
    OVERLAP,
)
