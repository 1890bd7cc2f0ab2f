"""Is A better than B, by how much, how sure: two methods compared over the games they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmark.analysis.contestants import Contestant
from benchmark.analysis.weaknesses import weaknesses
from benchmark.statistics import aggregate, bootstrap, normalize, significance
from benchmark.statistics.aggregate import Scores, Summary, summarize
from benchmark.statistics.bootstrap import NO_INTERVAL, Interval
from drac.errors import ConfigError
from drac.games import GAMES, RANGED_MODES, games_text

STATISTICS = {"IQM": aggregate.iqm, "median": aggregate.median, "mean": aggregate.mean}


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
        runs = {row.game: (row.a.n, row.b.n) for row in self.games}
        return tuple(weaknesses(self.a, self.b, self.split, runs, self.improvement[1].known))

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
