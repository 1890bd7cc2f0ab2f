"""What figures there are: read by `drac-bench figures` and the report. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.analysis.histories import Histories
    from benchmark.figures.drawing import Drawing, Style


@dataclass(frozen=True)
class Entry:
    """A kind of figure: called with the runs' histories and a style, it draws.

    Attributes:
        title: what it shows, for the help.
        drawn_by: "package.module:function" of histories and style.
    """

    title: str
    drawn_by: str

    def __call__(self, histories: Histories, style: Style) -> list[Drawing]:
        """Draw; nothing where the runs have nothing of the kind."""
        drawings: list[Drawing] = resolve_name(self.drawn_by)(histories, style)
        return drawings


FIGURES: Mapping[str, Entry] = MappingProxyType(
    {
        "train-curves": Entry(
            "return on the training levels, game by game", "benchmark.figures.curves:train_curves"
        ),
        "test-curves": Entry(
            "return on unseen levels, game by game", "benchmark.figures.curves:test_curves"
        ),
        "gap": Entry("training minus test return", "benchmark.figures.curves:gap_curves"),
        "aggregate": Entry(
            "normalized return over all games", "benchmark.figures.aggregates:aggregate_curves"
        ),
        "intervals": Entry(
            "median, IQM, mean, optimality gap with intervals",
            "benchmark.figures.aggregates:intervals",
        ),
        "profiles": Entry(
            "share of runs above a normalized return", "benchmark.figures.aggregates:profiles"
        ),
        "bandit-shares": Entry(
            "how often each augmentation was chosen", "benchmark.figures.bandit:bandit_shares"
        ),
        "bandit-scores": Entry(
            "the augmentations' scores over time", "benchmark.figures.bandit:bandit_scores"
        ),
        "entropy": Entry("entropy of the policy", "benchmark.figures.curves:entropy_curves"),
        "losses": Entry("losses over all games", "benchmark.figures.losses:losses"),
        "levels-train": Entry(
            "returns of single training levels", "benchmark.figures.levels:train_levels"
        ),
        "levels-test": Entry(
            "returns of single unseen levels", "benchmark.figures.levels:test_levels"
        ),
        "heatmap": Entry(
            "test return of each fixed augmentation, game by game",
            "benchmark.figures.heatmap:heatmap",
        ),
    }
)
"""Name -> figure, in the order in which `drac-bench figures` draws them."""
