"""What a report is about: the runs of some experiments, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmark.analysis import histories
from benchmark.analysis.comparable import counted
from benchmark.analysis.histories import Histories
from benchmark.scores import curves
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from drac.games import GAMES


@dataclass(frozen=True)
class Content:
    """The runs of a report.

    Attributes:
        store: where they lie.
        experiments: what they belong to.
        runs: as `Store.load` returns them.
    """

    store: Store
    experiments: tuple[str, ...]
    runs: pd.DataFrame

    @cached_property
    def complete(self) -> pd.DataFrame:
        """The runs that count; see `benchmark.analysis.comparable.counted`."""
        return counted(self.runs)

    @cached_property
    def histories(self) -> Histories:
        """What the runs did over time."""
        return histories.load(self.runs, curves.every(self.store.root))

    @cached_property
    def games(self) -> list[str]:
        """The games of the runs, in the order of `GAMES`."""
        found = set(self.runs["game"])
        return [game for game in GAMES if game in found]

    @cached_property
    def variants(self) -> list[tuple[str, str, str]]:
        """(label, method, mode) of every variant, and of methods without a complete run."""
        first = self.complete.drop_duplicates("label").to_dict("records")
        found = {row["label"]: (row["method"], str(row["settings"]["mode"])) for row in first}
        modes = [mode for _, mode in found.values()] or ["easy"]
        counting = {method for method, _ in found.values()}
        lacking = [method for method in self.methods if method not in counting]
        found |= {self.shown[method]: (method, modes[0]) for method in lacking}
        order = {method: number for number, method in enumerate(self.methods)}
        names = sorted(found, key=lambda name: (order[found[name][0]], name))
        return [(label, *found[label]) for label in names]

    @cached_property
    def shown(self) -> dict[str, str]:
        """What each method is called."""
        return dict(zip(self.runs["method"], self.runs["shown"], strict=True))

    @cached_property
    def methods(self) -> list[str]:
        """The methods of the runs, the baseline first."""
        return sorted(set(self.runs["method"]), key=lambda name: (name != "ppo", name))


def spec(row: Mapping[Any, Any]) -> RunSpec:
    """Return which run a row of `Content.runs` is."""
    return RunSpec(row["experiment"], row["method"], row["game"], row["seed"])


def gather(store: Store, experiments: Sequence[str]) -> Content:
    """Read the runs of some experiments.

    Raises:
        ConfigError: if an experiment's plan cannot be read.
    """
    runs = store.load(spec for name in experiments for spec in store.specs(name))
    return Content(store, tuple(experiments), runs)
