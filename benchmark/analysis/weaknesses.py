"""What weakens a comparison of two methods: missing games, few runs, unequal settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmark.analysis import plausible
from benchmark.analysis.caveats import changed_code
from benchmark.analysis.contestants import Contestant
from benchmark.analysis.published_options import apart_from_published
from drac.config.fidelity import PRESETS
from drac.config.quantities import shortened

FEW_RUNS = 5
"""Fewer runs a game than this get a caution beside their intervals."""


def weaknesses(
    a: Contestant,
    b: Contestant,
    split: str,
    runs: Mapping[str, tuple[int, int]],
    interval: bool,
) -> Iterator[str]:
    """Say what weakens a comparison.

    Args:
        a: the one asked about.
        b: the one it is held against.
        split: of their scores.
        runs: game -> how many a has there and b, of every game that either has.
        interval: whether there are intervals.
    """
    for one, other, place in ((a, b, 0), (b, a, 1)):
        if lacking := [game for game, numbers in runs.items() if not numbers[place]]:
            yield (
                f"{one.name} has no run on {', '.join(lacking)}: aggregates, probability and"
                f" Wilcoxon are over the common games only, though {other.name} has more."
            )
    for one, place in ((a, 0), (b, 1)):
        counts = {game: numbers[place] for game, numbers in runs.items() if all(numbers)}
        yield from _run_counts(one.name, counts, interval)
    yield from plausible.cautions([_scored(one, split) for one in (a, b)])
    if stored := [one.runs for one in (a, b) if one.runs is not None]:
        yield from changed_code(pd.concat(stored))
    yield from _unequal_settings(a, b)
    ours = [dict(c.settings) for c in (a, b) if "levels" in c.settings]
    if ours:
        yield from apart_from_published(pd.DataFrame({"settings": ours}))
    yield from (*a.cautions, *b.cautions)


def _scored(one: Contestant, split: str) -> plausible.Scored:
    if one.runs is None:
        return plausible.Scored(one.name, one.mode, one.scores)
    return plausible.of_runs(one.name, one.runs, (split,))[0]


def _run_counts(name: str, counts: Mapping[str, int], interval: bool) -> Iterator[str]:
    """Say what a method's runs a game mean for an interval, if there is one."""
    least, most = min(counts.values()), max(counts.values())
    if least != most:
        yield f"{name}: {least} to {most} runs a game; every game counts the same."
    if least == 1:
        alone = share([count == 1 for count in counts.values()], [*counts])
        yield f"{name}: one run only on {alone}, so there is no interval."
    elif least < FEW_RUNS and interval:
        short = 1 - np.sqrt((least - 1) / least)
        yield (
            f"{name}: {least} runs a game are few; a bootstrap interval of a mean is then about"
            f" {short:.0%} too narrow."
        )


def _unequal_settings(a: Contestant, b: Contestant) -> Iterator[str]:
    """Say which settings that both have differ; of a preset's, only where they depart from it."""
    differing = []
    for name in unequal(a, b):
        presets = [PRESETS.get(c.settings.get("fidelity", ""), {}) for c in (a, b)]
        if all(p.get(name) == c.settings[name] for p, c in zip(presets, (a, b), strict=True)):
            continue
        differing.append(f"{name} {written(a.settings[name])} / {written(b.settings[name])}")
    if differing:
        yield f"Unequal settings ({a.name} / {b.name}): {shortened(differing)}."
    for one, other in ((a, b), (b, a)):
        if "steps" in one.settings and "steps" not in other.settings:
            steps = written(one.settings["steps"])
            yield f"Perhaps unequal steps: {one.name} has {steps}; {other.name}'s are unknown."


def unequal(a: Contestant, b: Contestant) -> list[str]:
    """Return the settings that both have and in which they differ."""
    both = (name for name in a.settings if name in b.settings)
    return [name for name in both if a.settings[name] != b.settings[name]]


def share(which: Sequence[bool], games: Sequence[str]) -> str:
    """Return "3 of 16 games", or the name of a game that is alone."""
    return f"{sum(which)} of {len(games)} games" if len(games) > 1 else games[0]


def written(value: object) -> str:
    """Return a setting's value as sentences have it."""
    return f"{value:,}" if isinstance(value, int) else str(value)
