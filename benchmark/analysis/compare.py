"""Is A better than B, by how much, how sure: two methods compared over the games they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark.analysis import plausible
from benchmark.analysis.caveats import changed_code
from benchmark.analysis.comparable import PROTOCOL
from benchmark.analysis.contestants import Contestant
from benchmark.analysis.published_options import apart_from_published
from benchmark.statistics import aggregate, bootstrap, normalize, significance
from benchmark.statistics.aggregate import Scores, Summary, summarize
from benchmark.statistics.bootstrap import NO_INTERVAL, Interval
from drac.config.fidelity import PRESETS
from drac.config.quantities import shortened
from drac.errors import ConfigError
from drac.games import GAMES, RANGED_MODES, games_text

STATISTICS = {"IQM": aggregate.iqm, "median": aggregate.median, "mean": aggregate.mean}
FEW_RUNS = 5
"""Fewer runs a game than this get a caution beside their intervals."""


@dataclass(frozen=True)
class GameRow:
    """Raw returns on one game; `p` is Welch's p-value after Holm's correction, NaN for none."""

    game: str
    a: Summary
    b: Summary
    p: float

    @property
    def stars(self) -> str:
        """Return "***" for p < 0.001, "**" for p < 0.01, "*" for p < 0.05, else ""."""
        return "*" * sum(self.p < level for level in (significance.LEVEL, 0.01, 0.001))

    @property
    def difference(self) -> float:
        """The mean of a less that of b."""
        return self.a.mean - self.b.mean


@dataclass(frozen=True)
class Aggregate:
    """A statistic of normalized scores over the common games, and of their difference a - b."""

    name: str
    a: float
    b: float
    interval: Interval

    @property
    def difference(self) -> float:
        """The value of a less that of b."""
        return self.a - self.b


@dataclass(frozen=True)
class Comparison:
    """What can be said of two methods.

    Attributes:
        a, b: the two.
        split: "train" or "test".
        ranges: of the min-max normalization: a key of `drac.games.RANGE_SOURCES`.
        games: one row for every game that either has.
        common: the games that both have, over which everything below is computed.
        aggregates: see `STATISTICS`.
        improvement: probability that a run of a beats one of b, and its interval.
        wilcoxon: p-value over the common games.
    """

    a: Contestant
    b: Contestant
    split: str
    ranges: str
    games: tuple[GameRow, ...]
    common: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]
    improvement: tuple[float, Interval]
    wilcoxon: float

    @property
    def cautions(self) -> tuple[str, ...]:
        """What weakens the verdict."""
        return tuple(_cautions(self))

    @property
    def origins(self) -> tuple[str, ...]:
        """Where imported scores are from."""
        files = dict.fromkeys(c.origin for c in (self.a, self.b) if c.origin)
        return tuple(
            f"{' and '.join(c.name for c in (self.a, self.b) if c.origin == file)} imported from"
            f" {file}; nobody checked how those runs were trained and evaluated."
            for file in files
        )

    @property
    def label(self) -> str:
        """Over which games: "16 games", or "15 common games only, without heist"."""
        without = [row.game for row in self.games if row.game not in self.common]
        if not without:
            return games_text(self.common)
        several = len(self.common) > 1
        common = f"{len(self.common)} common games" if several else self.common[0]
        return f"{common} only, without {', '.join(without)}"


def compare(
    a: Contestant,
    b: Contestant,
    *,
    split: str,
    ranges: str = "default",
    resamples: int | None = None,
    generator: np.random.Generator,
    on_part: Callable[[str], None] = lambda name: None,
) -> Comparison:
    """Compare two methods.

    Args:
        a: the one asked about.
        b: the one it is held against.
        split: of their scores, "train" or "test".
        ranges: of the min-max normalization: a key of `drac.games.RANGE_SOURCES`.
        resamples: of the bootstrap; None for `bootstrap.enough`.
        generator: source of randomness.
        on_part: called with a name before each of the `NUM_PARTS` parts of the work.

    Raises:
        ConfigError: if they are the same, of different modes or of one without published score
            ranges, or have no game in common.
    """
    if a.address == b.address:
        raise ConfigError(f"{a.name} cannot be compared with itself: give two methods")
    if a.mode != b.mode:
        raise ConfigError(f"{a.name} is of {a.mode} mode and {b.name} of {b.mode}: no comparison")
    if a.mode not in RANGED_MODES:
        raise ConfigError(
            f"{a.mode} mode has no published score ranges, which put games on one scale;"
            f" drac-bench tables --table per-game has the returns of each game"
        )
    both = aggregate.common_games(a.scores, b.scores)
    common = tuple(game for game, there in zip(GAMES, both, strict=True) if there)
    if not common:
        raise ConfigError(f"{a.name} and {b.name} have no game in common")
    x, y = (normalize.min_max(c.scores[:, both], common, a.mode, ranges) for c in (a, b))
    resamples = resamples or bootstrap.enough(max(len(x), len(y)))
    aggregates = []
    for name, statistic in STATISTICS.items():
        on_part(name)
        between = bootstrap.interval_between(
            x, y, bootstrap.difference(statistic), resamples=resamples, generator=generator
        )
        aggregates.append(Aggregate(name, float(statistic(x)), float(statistic(y)), between))
    on_part("probability of improvement")
    likely = bootstrap.interval_between(
        *aggregate.ranks(x, y),
        aggregate.improvement_of_ranks,
        resamples=resamples,
        generator=generator,
    )
    if any(bootstrap.without_spread(values) for values in (x, y)):
        aggregates = [replace(one, interval=NO_INTERVAL) for one in aggregates]
        likely = NO_INTERVAL
    return Comparison(
        a=a,
        b=b,
        split=split,
        ranges=ranges,
        games=tuple(_games(a.scores, b.scores)),
        common=common,
        aggregates=tuple(aggregates),
        improvement=(float(aggregate.probability_of_improvement(x, y)), likely),
        wilcoxon=significance.wilcoxon(x, y),
    )


NUM_PARTS = len(STATISTICS) + 1


def _games(a: Scores, b: Scores) -> Iterator[GameRow]:
    """Yield the games that either has; tests are corrected for how many could be made."""
    p_values = significance.holm(significance.welch(a, b))
    for game, x, y, p in zip(GAMES, a.T, b.T, p_values, strict=True):
        here = [summarize(values[~np.isnan(values)]) for values in (x, y)]
        if here[0].n or here[1].n:
            yield GameRow(game, here[0], here[1], float(p))


def verdict(found: Comparison) -> str:
    """Say in plain words whether a is better, by how much, and how sure that is.

    "Better" needs both intervals, of the difference of the IQMs and of the probability of
    improvement, to exclude what would be no difference.
    """
    return _verdict(found) + (" Mind the cautions below." if found.cautions else "")


def _verdict(found: Comparison) -> str:
    a, b, iqm = found.a.name, found.b.name, found.aggregates[0]
    chance, likely = found.improvement
    size = f"{abs(iqm.difference):.3f}"
    more = f"{size} {'higher' if iqm.difference > 0 else 'lower'}" if float(size) else "equal"
    by = f"the IQM of its normalized {found.split} return is {more}"
    differences = [row.difference for row in found.games if row.game in found.common]
    ahead, equal = sum(one > 0 for one in differences), differences.count(0.0)
    on = f"on {ahead} of the {len(differences)} games its mean is higher"
    on += f", on {equal} equal" if equal else ""
    if len(differences) == 1:
        on = f"its mean return is {'higher' if ahead else 'equal' if equal else 'lower'}"
    unlike = [
        f"{name} ({_said(found.a.settings[name])} and {_said(found.b.settings[name])})"
        for name in PROTOCOL
        if name in _unlike(found.a, found.b)
    ]
    if unlike:
        return (
            f"Whether {a} is better than {b} cannot be said: their runs differ in"
            f" {', '.join(unlike)}. As they are, for {a} {by}, and {on}."
        )
    for one in (found.a, found.b):
        scores = one.scores[:, [game in found.common for game in GAMES]]
        if bootstrap.without_spread(scores):
            same = _share(bootstrap.equal_runs(scores).tolist(), found.common)
            return (
                f"Whether {a} is better than {b} cannot be said: all runs of {one.name} have the"
                f" same score on {same}, as copies have, so that there is no interval. As they are,"
                f" for {a} {by}, and {on}."
            )
    if not iqm.interval.known:
        return (
            f"Whether {a} is better than {b} cannot be said: a game with a single run allows no"
            f" interval. For {a} {by}, and {on}."
        )
    said = (
        f"{by} (95 % interval of the difference {iqm.interval.low:+.3f} to"
        f" {iqm.interval.high:+.3f}), and a run of {a} beats one of {b} with probability"
        f" {chance:.2f} ({likely.low:.2f} to {likely.high:.2f})."
    )
    signs = _side(iqm.interval, 0.0), _side(likely, 0.5)
    if signs == (0, 0):
        return f"No difference between {a} and {b} is shown: for {a} {said}"
    if signs[0] * signs[1] < 0:
        return f"It depends on the measure whether {a} is better than {b}: for {a} {said}"
    word = "better" if sum(signs) > 0 else "worse"
    if 0 in signs:
        return f"{a} is perhaps {word} than {b}, for one of two intervals only says so: {said}"
    return f"{a} is {word} than {b}: {said}"


def _share(which: Sequence[bool], games: Sequence[str]) -> str:
    """Return "3 of 16 games", or the name of a game that is alone."""
    return f"{sum(which)} of {len(games)} games" if len(games) > 1 else games[0]


def _unlike(a: Contestant, b: Contestant) -> list[str]:
    """Return the settings that both have and in which they differ."""
    both = (name for name in a.settings if name in b.settings)
    return [name for name in both if a.settings[name] != b.settings[name]]


def _side(interval: Interval, neutral: float) -> int:
    return int(interval.low > neutral) - int(interval.high < neutral)


def _cautions(found: Comparison) -> Iterator[str]:
    a, b = found.a, found.b
    for one, other in ((a, b), (b, a)):
        lacking = [r.game for r in found.games if not (r.a if one is a else r.b).n]
        if lacking:
            yield (
                f"{one.name} has no run on {', '.join(lacking)}: aggregates, probability and"
                f" Wilcoxon are over the common games only, though {other.name} has more."
            )
    for one in (a, b):
        counts = {r.game: (r.a if one is a else r.b).n for r in found.games}
        counts = {game: counts[game] for game in found.common}
        yield from _run_counts(one.name, counts, found.improvement[1].known)
    yield from plausible.cautions([_scored(one, found.split) for one in (a, b)])
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
        alone = _share([count == 1 for count in counts.values()], [*counts])
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
    for name in _unlike(a, b):
        presets = [PRESETS.get(c.settings.get("fidelity", ""), {}) for c in (a, b)]
        if all(p.get(name) == c.settings[name] for p, c in zip(presets, (a, b), strict=True)):
            continue
        differing.append(f"{name} {_said(a.settings[name])} / {_said(b.settings[name])}")
    if differing:
        yield f"Unequal settings ({a.name} / {b.name}): {shortened(differing)}."
    for one, other in ((a, b), (b, a)):
        if "steps" in one.settings and "steps" not in other.settings:
            steps = _said(one.settings["steps"])
            yield f"Perhaps unequal steps: {one.name} has {steps}; {other.name}'s are unknown."


def _said(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
