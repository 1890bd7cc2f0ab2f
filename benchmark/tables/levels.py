"""Level by level: which training levels an agent solves, and which test levels it fails."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.analysis.caveats import with_caveats
from benchmark.analysis.comparable import counted
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
    parts = []
    for (game, label), own in complete.groupby(["game", "label"], sort=False):
        columns = {
            name: np.concatenate([record.episodes[name] for record in own["record"]])
            for name in ("split", "level_seed", "return")
        }
        mode = own["settings"].iloc[0]["mode"]
        if mode not in RANGED_MODES:
            continue
        success = solved(columns["return"], str(game), mode)
        cannot = np.isin(columns["level_seed"], [*unsolvable(str(game), mode)])
        columns |= {"solved": success.astype(int), "note": np.where(cannot, UNSOLVABLE, "")}
        parts.append(pd.DataFrame({**columns, "game": game, "variant": label}))
    if not parts:
        return pd.DataFrame(columns=[*_KEYS, "episodes", "solved", "mean_return", "note"])
    episodes = pd.concat(parts, ignore_index=True)
    return (
        episodes.groupby(_KEYS, sort=False)
        .agg(
            episodes=("solved", "size"),
            solved=("solved", "sum"),
            mean_return=("return", "mean"),
            note=("note", "first"),
        )
        .reset_index()
        .sort_values(_KEYS, kind="stable", ignore_index=True)
    )


def levels(runs: pd.DataFrame) -> Table:
    """Training levels solved and test levels failed, per game and method.

    Args:
        runs: as `Store.load` returns them.
    """
    complete = counted(runs)
    table = level_successes(complete)
    labels = list(dict.fromkeys(complete["label"]))
    games = [game for game in GAMES if game in set(table["game"])]
    groups = dict(iter(table.groupby(["game", "variant", "split"], sort=False)))
    blocks = []
    for split, heading in _HEADINGS.items():
        cells = [
            {"game": game, "method": label, **_counts(groups[game, label, split])}
            for game in games
            for label in labels
            if (game, label, split) in groups
        ]
        nothing = [{"game": "-", "method": "no runs"}]
        blocks.append(Block(pd.DataFrame(cells or nothing), heading, keys=2))
    title = "Levels: solved in training, failed in testing"
    return Table.of("levels", title, blocks, table, with_caveats(runs, complete, _NOTES))


_HEADINGS = {"train": "Training levels", "test": "Test levels: the full distribution"}


def _counts(own: pd.DataFrame) -> dict[str, str]:
    """Return the cells of a method on a game; a level may have been played several times."""
    never, always = own["solved"] == 0, own["solved"] == own["episodes"]
    return {
        "levels": f"{len(own):,}",
        "episodes": f"{own['episodes'].sum():,}",
        "episodes solved": _share(own["solved"].sum(), own["episodes"].sum()),
        "levels always solved": f"{always.sum():,} ({_share(always.sum(), len(own))})",
        "never solved": f"{never.sum():,} ({_share(never.sum(), len(own))})",
        "never solved: seeds": _seeds(own[never]),
    }


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _seeds(failed: pd.DataFrame) -> str:
    """Name the levels that were failed most often, the lowest seeds first among equals."""
    order = failed.sort_values(["episodes", "level_seed"], ascending=[False, True], kind="stable")
    named = order[["level_seed", "episodes", "note"]][:NAMED].itertuples(index=False)
    said = ", ".join(
        f"{seed}" + (f" ({times}x)" if times > 1 else "") + (f" {note}" if note else "")
        for seed, times, note in named
    )
    return (said or "none") + (f" and {len(failed) - NAMED} more" if len(failed) > NAMED else "")


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
