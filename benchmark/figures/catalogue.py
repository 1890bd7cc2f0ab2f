"""What figures there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmark.figures import aggregates, bandit, curves, heatmap, levels, losses
from benchmark.figures.drawing import Drawing, Style
from benchmark.histories import Histories

Draw = Callable[[Histories, Style], list[Drawing]]
"""Draws what a name stands for: nothing where the runs have nothing of the kind."""

FIGURES: Mapping[str, Draw] = {
    "train-curves": curves.train_curves,
    "test-curves": curves.test_curves,
    "gap": curves.gap_curves,
    "aggregate": aggregates.aggregate_curves,
    "intervals": aggregates.intervals,
    "profiles": aggregates.profiles,
    "bandit-shares": bandit.bandit_shares,
    "bandit-scores": bandit.bandit_scores,
    "entropy": curves.entropy_curves,
    "losses": losses.losses,
    "levels-train": levels.train_levels,
    "levels-test": levels.test_levels,
    "heatmap": heatmap.heatmap,
}
"""Name -> what draws it, in the order in which `drac-bench figures` does."""
