"""What figures there are: read by `drac-bench figures` and the report. Imports nothing heavy."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING

from augmentations import plugins

if TYPE_CHECKING:
    from benchmark.analysis.histories import Histories
    from benchmark.figures.drawing import Drawing, Style


KIND = plugins.Kind("procgen_drac.figures", "figure")
"""Entry points of other packages; each is an `Entry`."""


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
        name: Entry(title, f"benchmark.figures.{place}")
        for name, title, place in (
            ("train-curves", "return on the training levels, game by game", "curves:train_curves"),
            ("test-curves", "return on unseen levels, game by game", "curves:test_curves"),
            ("gap", "training minus test return", "curves:gap_curves"),
            (
                "transfer",
                "test return while trained weights go on learning",
                "curves:transfer_curves",
            ),
            ("aggregate", "normalized return over all games", "aggregates:aggregate_curves"),
            (
                "intervals",
                "median, IQM, mean, optimality gap with intervals",
                "aggregates:intervals",
            ),
            ("profiles", "share of runs above a normalized return", "aggregates:profiles"),
            ("bandit-shares", "how often each augmentation was chosen", "bandit:bandit_shares"),
            ("bandit-scores", "the augmentations' scores over time", "bandit:bandit_scores"),
            (
                "bandit-regret",
                "what choosing cost against the best fixed augmentation",
                "regret:bandit_regret",
            ),
            ("entropy", "entropy of the policy", "curves:entropy_curves"),
            ("losses", "losses over all games", "losses:losses"),
            ("levels-train", "returns of single training levels", "levels:train_levels"),
            ("levels-test", "returns of single unseen levels", "levels:test_levels"),
            ("heatmap", "test return of each fixed augmentation, game by game", "heatmap:heatmap"),
            ("trials", "return by episode within a trial", "trials:trial_returns"),
        )
    }
)
"""Name -> figure, in the order in which `drac-bench figures` draws them."""


@functools.cache
def known() -> Mapping[str, Entry]:
    """Return FIGURES and the figures that installed packages offer, which are imported now."""
    return plugins.united(FIGURES, KIND, Entry)
