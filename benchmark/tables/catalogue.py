"""What tables there are: read by `drac-bench tables` and the report. Imports nothing heavy."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING

from augmentations import plugins

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.tables.table import Table


KIND = plugins.Kind("procgen_drac.tables", "table")
"""Entry points of other packages; each is an `Entry`."""


@dataclass(frozen=True)
class Entry:
    """A table: called with the runs, as `Store.load` returns them, it makes the `Table`.

    Attributes:
        title: what it shows, for the help.
        made_by: "package.module:function" of the runs.
        lacking: "package.module:function" that says why these runs have nothing to say to it, or
            ""; "" if all runs have.
    """

    title: str
    made_by: str
    lacking: str = ""

    def __call__(self, runs: pd.DataFrame) -> Table:
        """Make the table."""
        table: Table = resolve_name(self.made_by)(runs)
        return table

    def missing(self, runs: pd.DataFrame) -> str:
        """Say why these runs have nothing to say to the table, or ""."""
        reason: str = resolve_name(self.lacking)(runs) if self.lacking else ""
        return reason


TABLES: Mapping[str, Entry] = MappingProxyType(
    {
        "table1": Entry(
            "PPO-normalized return, train and test: median, mean, std over the games",
            "benchmark.tables.normalized:table1",
        ),
        "per-game": Entry(
            "train and test return and the gap, game by game", "benchmark.tables.per_game:per_game"
        ),
        "augmentations": Entry(
            "drac with each augmentation; the best of each game by sweep, bandit and paper",
            "benchmark.tables.augmentations:augmentations",
            "benchmark.tables.augmentations:lacking",
        ),
        "bandit": Entry(
            "what the bandit chose, the arms' means, when it settled",
            "benchmark.tables.bandit:bandit",
            "benchmark.tables.bandit:lacking",
        ),
        "robustness": Entry(
            "policy and features under another background (drac evaluate --robustness)",
            "benchmark.tables.robustness:robustness",
            "benchmark.tables.robustness:lacking",
        ),
        "levels": Entry(
            "training levels solved, test levels failed", "benchmark.tables.levels:levels"
        ),
        "transfer": Entry(
            "learning from trained weights on other levels (drac train --init-from)",
            "benchmark.tables.transfer:transfer",
            "benchmark.tables.transfer:lacking",
        ),
        "trials": Entry(
            "return by episode within a trial (drac train --method rl2-ppo)",
            "benchmark.tables.trials:trials",
            "benchmark.tables.trials:lacking",
        ),
        "curves": Entry(
            "returns at the same steps as those of other people's curves (import-curves)",
            "benchmark.tables.beside_curves:beside_curves",
            "benchmark.tables.beside_curves:lacking",
        ),
    }
)
"""Name -> table, in the order in which they are shown. All are made of runs."""

RECOMPUTED = "recomputed"
"""The one table that needs no runs: `benchmark.tables.recomputed`."""


@functools.cache
def known() -> Mapping[str, Entry]:
    """Return TABLES and the tables that installed packages offer, which are imported now."""
    return plugins.united(TABLES, KIND, Entry)


def not_applicable(runs: pd.DataFrame) -> dict[str, str]:
    """Return the tables to which these runs have nothing to say, each with the reason."""
    reasons = {name: _reason(name, table, runs) for name, table in known().items()}
    return {name: reason for name, reason in reasons.items() if reason}


def _reason(name: str, table: Entry, runs: pd.DataFrame) -> str:
    try:
        return plugins.called(KIND, name, functools.partial(table.missing, runs))
    except plugins.PluginError as error:
        return str(error)
