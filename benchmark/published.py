"""Numbers from papers. Each row of the CSV files in results/published names its source."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parent.parent / "results" / "published"

NAMES = {"ppo": "PPO", "ucb-drac": "UCB-DrAC", "rl2-drac": "RL2-DrAC", "meta-drac": "Meta-DrAC"}
"""What our methods are called in the files; a method that is absent has no published rows."""

PER_GAME_SOURCES = (
    "Jiang et al., Prioritized Level Replay, ICML 2021, Table 2",
    "github.com/rraileanu/auto-drac README figures, 2020",
)
"""The sources shown in per-game tables: a printed table with 100 test episodes a run, and the
authors' own curves. Other sources, which disagree with these, are in per_game.csv."""


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name)


def per_game(method: str, split: str, mode: str, source: str) -> dict[str, tuple[float, float]]:
    """Return game -> (mean, std) as published for one of our methods; empty if it was not.

    Args:
        method: our name, e.g. "ucb-drac".
        split: "train" or "test".
        mode: "easy" or "hard".
        source: as in the file, e.g. one of `PER_GAME_SOURCES`.
    """
    rows = _read("per_game.csv")
    chosen = rows[
        (rows["method"] == NAMES.get(method, ""))
        & (rows["split"] == split)
        & (rows["mode"] == mode)
        & (rows["source"] == source)
    ]
    columns = (chosen[name].tolist() for name in ("game", "mean", "std"))
    return {game: (mean, std) for game, mean, std in zip(*columns, strict=True)}


def kind(source: str) -> str:
    """Return how a source's per-game numbers were had: "printed", "computed" or "digitised"."""
    rows = _read("per_game.csv")
    return str(rows.loc[rows["source"] == source, "kind"].iloc[0])


def best_augmentation() -> tuple[dict[str, str], str]:
    """Return the paper's best augmentation per game, and the source."""
    rows = _read("best_augmentation.csv")
    return dict(zip(rows["game"], rows["augmentation"], strict=True)), str(rows["source"].iloc[0])
