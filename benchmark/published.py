"""Numbers from papers. Each row of the CSV files in results/published names its source."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parent.parent / "results" / "published"

NAMES = {"ppo": "PPO", "ucb-drac": "UCB-DrAC", "rl2-drac": "RL2-DrAC", "meta-drac": "Meta-DrAC"}
"""What our methods are called in the files; a method that is absent has no published rows."""

PER_GAME_SOURCES = (
    "Jiang et al., Prioritized Level Replay, ICML 2021, Table 2",
    "github.com/rraileanu/auto-drac README figures, 2020",
    "Jiang et al., Prioritized Level Replay, ICML 2021, Table 4",
)
"""The sources shown in per-game tables: printed tables with 100 test episodes a run (easy mode,
and hard mode), and the authors' own curves. Others, which disagree, are in per_game.csv."""


@dataclass(frozen=True)
class Source:
    """Where per-game numbers come from.

    Attributes:
        name: as in the file, e.g. one of `PER_GAME_SOURCES`.
        kind: how they were had: "printed", "computed" or "digitised".
        mode: "easy" or "hard".
        steps: environment steps of each run.
        seeds: runs per game; None where nobody says.
        notes: remarks of the file.
    """

    name: str
    kind: str
    mode: str
    steps: int
    seeds: int | None
    notes: tuple[str, ...]

    def text(self) -> str:
        """Describe the source in one line."""
        seeds = "seeds not stated" if self.seeds is None else f"{self.seeds} seeds"
        facts = (self.kind, f"{self.mode} mode", f"{self.steps / 1e6:g}M steps", seeds, *self.notes)
        return f"{self.name} ({'; '.join(facts)})"


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name)


def per_game(method: str, split: str, mode: str, source: str) -> dict[str, tuple[float, float]]:
    """Return game -> (mean, std) as published for one of our methods; empty if it was not.

    `std` is NaN where the source has none.

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


def source(name: str) -> Source:
    """Return what per_game.csv says of a source.

    Raises:
        ValueError: if it has none of that name, or rows of several kinds, modes or lengths.
    """
    rows = _read("per_game.csv")
    rows = rows[rows["source"] == name]
    facts = rows[["kind", "mode", "steps", "n_runs"]].drop_duplicates()
    if len(facts) != 1:
        raise ValueError(f"per_game.csv describes {name!r} in {len(facts)} ways, not in one")
    kind, mode, steps, seeds = facts.iloc[0]
    notes = tuple(rows["note"].dropna().unique())
    return Source(name, kind, mode, int(steps), None if pd.isna(seeds) else int(seeds), notes)


def per_game_sources(modes: Collection[str]) -> dict[str, Source]:
    """Return the sources with numbers of these modes, by the letter that tables call them."""
    found = {chr(97 + i): source(name) for i, name in enumerate(PER_GAME_SOURCES)}
    return {letter: described for letter, described in found.items() if described.mode in modes}


def best_augmentation() -> tuple[dict[str, str], str]:
    """Return the paper's best augmentation per game, and the source."""
    rows = _read("best_augmentation.csv")
    return dict(zip(rows["game"], rows["augmentation"], strict=True)), str(rows["source"].iloc[0])


def released_augmentation_speed() -> tuple[dict[str, float], str]:
    """Return images per second of the released code by augmentation, and how they were had."""
    rows = _read("released_augmentation_speed.csv")
    speeds = dict(zip(rows["augmentation"], rows["images_per_s"].astype(float), strict=True))
    return speeds, str(rows["source"].iloc[0])
