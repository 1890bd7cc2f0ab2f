"""What a report is about: the runs of some experiments, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.comparable import counted
from benchmark.store import Store
from benchmark.suites import RunSpec
from drac import logs
from drac.games import GAMES


@dataclass(frozen=True)
class Content:
    """The runs of a report.

    Attributes:
        store: where they lie.
        experiments: what they belong to.
        runs: as `Store.load` returns them.
        metas: meta.json of each row of `runs`; empty where there is none.
    """

    store: Store
    experiments: tuple[str, ...]
    runs: pd.DataFrame
    metas: tuple[dict[str, Any], ...]

    @cached_property
    def complete(self) -> pd.DataFrame:
        """The runs that count; see `benchmark.comparable.counted`."""
        return counted(self.runs)

    @property
    def games(self) -> list[str]:
        """The games of the runs, in the order of `GAMES`."""
        return [game for game in GAMES if game in set(self.runs["game"])]

    @property
    def methods(self) -> list[str]:
        """The methods of the runs, the baseline first."""
        return sorted(set(self.runs["method"]), key=lambda name: (name != "ppo", name))

    @property
    def title(self) -> str:
        """The experiments' names."""
        return " + ".join(self.experiments)

    def of(self, **chosen: str) -> pd.DataFrame:
        """Return the rows of `runs` with these values, e.g. game="maze"."""
        rows = self.runs
        for column, value in chosen.items():
            rows = rows[rows[column] == value]
        return rows

    def run_dir(self, row: Mapping[Any, Any]) -> Path:
        """Return the folder of a row of `runs`."""
        return self.store.run_dir(spec(row))

    def config(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        """Return the config of a run as its file has it; empty if it cannot be read."""
        try:
            text = (self.run_dir(row) / "config.json").read_text(encoding="utf-8")
            config = json.loads(text)
        except (OSError, ValueError):
            return {}
        return config if isinstance(config, dict) else {}


def spec(row: Mapping[Any, Any]) -> RunSpec:
    """Return which run a row of `Content.runs` is."""
    return RunSpec(row["experiment"], row["method"], row["game"], row["seed"])


def gather(store: Store, experiments: Sequence[str]) -> Content:
    """Read the runs of some experiments.

    Raises:
        ConfigError: if an experiment's plan cannot be read.
    """
    runs = store.load(found for name in experiments for found in store.specs(name))
    metas = tuple(logs.read_meta(store.run_dir(spec(row))) for row in runs.to_dict("records"))
    return Content(store, tuple(experiments), runs, metas)
