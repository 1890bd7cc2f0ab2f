"""Numbers from papers. Each row of the CSV files in results/published names its source."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import pandas as pd

from benchmark.statistics.aggregate import Summary
from drac.games import PUBLISHED

FOLDER = PUBLISHED

NAMES = {
    "ppo": "PPO",
    "ucb-drac": "UCB-DrAC",
    "rl2-drac": "RL2-DrAC",
    "meta-drac": "Meta-DrAC",
    "rand-drac": "Rand-DrAC",
    "drac-crop": "Crop-DrAC",
    "drac-best": "DrAC (Best)",
    "rad-best": "RAD (Best)",
    "ucb-rad": "UCB-RAD",
    "rand-fm": "Rand-FM",
    "ibac-sni": "IBAC-SNI",
    "mixreg": "Mixreg",
    "plr": "PLR",
    "ucb-drac+plr": "UCB-DrAC+PLR",
    "daac": "DAAC",
    "idaac": "IDAAC",
    "ppg": "PPG",
}
"""What our methods are called in the files; a method that is absent has no published rows."""

PER_GAME_SOURCES = (
    "Jiang et al., Prioritized Level Replay, ICML 2021, Table 2",
    "github.com/rraileanu/auto-drac README figures, 2020",
    "Jiang et al., Prioritized Level Replay, ICML 2021, Table 4",
)
"""The sources shown in per-game tables: printed tables with 100 test episodes a run (easy mode,
and hard mode), and the authors' own curves. Others, which disagree, are in per_game.csv."""


NORMALIZED_SOURCES = (
    (
        "Raileanu et al., Automatic Data Augmentation for Generalization in RL,"
        " ICLR 2021 submission, Table 1"
    ),
    "Jiang et al., Prioritized Level Replay, ICML 2021, Table 2",
    "Jiang et al., Prioritized Level Replay, ICML 2021, Table 4",
)
"""The sources of PPO-normalized aggregates; each normalizes by its own PPO."""


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


@cache
def per_game(method: str, split: str, mode: str, source: str) -> Mapping[str, tuple[float, float]]:
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
    found = {game: (mean, std) for game, mean, std in zip(*columns, strict=True)}
    return MappingProxyType(found)


def source(name: str, file: str = "per_game.csv") -> Source:
    """Return what a file of published numbers says of a source.

    Raises:
        ValueError: if it has none of that name, or rows of several kinds, modes or lengths.
    """
    rows = _read(file)
    rows = rows[rows["source"] == name]
    facts = rows[["kind", "mode", "steps", "n_runs"]].drop_duplicates()
    if len(facts) != 1:
        raise ValueError(f"{file} describes {name!r} in {len(facts)} ways, not in one")
    kind, mode, steps, seeds = facts.iloc[0]
    notes = tuple(rows["note"].dropna().unique())
    return Source(name, kind, mode, int(steps), None if pd.isna(seeds) else int(seeds), notes)


def per_game_sources(modes: Collection[str]) -> dict[str, Source]:
    """Return the sources with numbers of these modes, by the letter that tables call them."""
    return _by_letter(PER_GAME_SOURCES, "per_game.csv", modes)


def _by_letter(names: Sequence[str], file: str, modes: Collection[str]) -> dict[str, Source]:
    found = zip("abc", (source(name, file) for name in names), strict=True)
    return {letter: described for letter, described in found if described.mode in modes}


def standard_errors(ours: Summary, mean: float, std: float, seeds: int | None) -> float:
    """Return (our mean - theirs) in units of the pooled standard error s sqrt(1/n + 1/m).

    s is Student's: s^2 = ((n-1) s_ours^2 + (m-1) std^2) / (n + m - 2). One seed of ours has no
    spread of its own, and takes theirs.

    Args:
        ours: over our n seeds.
        mean: as published, in the same unit.
        std: likewise.
        seeds: their m; None where nobody says.

    Returns:
        NaN where a number is missing or there is no spread: several equal seeds show no chance.
    """
    if seeds is None or seeds < 2 or ours.n == 0 or math.isnan(mean) or math.isnan(std):
        return float("nan")
    if ours.std == 0:
        return float("nan")
    error = pooled_error(ours.std, ours.n, std, seeds)
    return (ours.mean - mean) / error if error > 0 else float("nan")


def pooled_error(std: float, n: int, other_std: float, m: int) -> float:
    """Return the standard error of the difference of two means, by the pooled variance."""
    own = 0.0 if n == 1 else (n - 1) * std**2
    return math.sqrt((own + (m - 1) * other_std**2) / (n + m - 2) * (1 / n + 1 / m))


@dataclass(frozen=True)
class Normalized:
    """A published PPO-normalized return in percent: over games; NaN where it was not printed."""

    median: float
    mean: float
    std: float


def normalized(split: str, source: str) -> dict[str, Normalized]:
    """Return method, as the source calls it -> its PPO-normalized return on a split.

    Args:
        split: "train" or "test".
        source: one of `NORMALIZED_SOURCES`.
    """
    rows = _read("ppo_normalized.csv")
    rows = rows[(rows["split"] == split) & (rows["source"] == source)]
    columns = (rows[name].tolist() for name in ("method", "median", "mean", "std"))
    return {name: Normalized(*values) for name, *values in zip(*columns, strict=True)}


def normalized_sources(modes: Collection[str]) -> dict[str, Source]:
    """Return the sources of normalized returns of these modes, by their letters in tables."""
    return _by_letter(NORMALIZED_SOURCES, "ppo_normalized.csv", modes)


def robustness() -> tuple[dict[tuple[str, str, str], float], str]:
    """Return (method as published, metric, "mean" or "median") -> value; and the source."""
    rows = _read("robustness.csv")
    keys = zip(rows["method"], rows["metric"], rows["statistic"], strict=True)
    return dict(zip(keys, rows["value"].tolist(), strict=True)), str(rows["source"].iloc[0])


def best_augmentation() -> tuple[dict[str, str], str]:
    """Return the paper's best augmentation per game, and the source."""
    rows = _read("best_augmentation.csv")
    return dict(zip(rows["game"], rows["augmentation"], strict=True)), str(rows["source"].iloc[0])


def released_augmentation_speed() -> tuple[dict[str, float], str]:
    """Return images per second of the released code by augmentation, and how they were had."""
    rows = _read("released_augmentation_speed.csv")
    speeds = dict(zip(rows["augmentation"], rows["images_per_s"].astype(float), strict=True))
    return speeds, str(rows["source"].iloc[0])
