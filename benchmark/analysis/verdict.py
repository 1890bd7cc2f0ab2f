"""Whether one method is better than another, in plain words."""

from __future__ import annotations

from benchmark.analysis.comparable import PROTOCOL
from benchmark.analysis.compare import Comparison
from benchmark.analysis.weaknesses import share, unequal, written
from benchmark.statistics import bootstrap
from benchmark.statistics.bootstrap import Interval
from drac.games import GAMES


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
        f"{name} ({written(found.a.settings[name])} and {written(found.b.settings[name])})"
        for name in PROTOCOL
        if name in unequal(found.a, found.b)
    ]
    if unlike:
        return (
            f"Whether {a} is better than {b} cannot be said: their runs differ in"
            f" {', '.join(unlike)}. As they are, for {a} {by}, and {on}."
        )
    for one in (found.a, found.b):
        scores = one.scores[:, [game in found.common for game in GAMES]]
        if bootstrap.without_spread(scores):
            same = share(bootstrap.equal_runs(scores).tolist(), found.common)
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


def _side(interval: Interval, neutral: float) -> int:
    return int(interval.low > neutral) - int(interval.high < neutral)
