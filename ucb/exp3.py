"""EXP3: exponential weights, for rewards about which nothing is assumed but their range."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ucb import generators
from ucb.moments import RunningMoments
from ucb.selector import BaseSelector


class EXP3(BaseSelector):
    """Draws the arm from exponential weights mixed with the uniform distribution.

        p_f = (1 - g) w_f / sum w + g / K,          w_f = 1 at the start,
        w_f <- w_f exp(g x / (p_f K))               for the credited arm f alone

    - K: number of arms.
    - g: `exploration`. The source's choice for T selections is min(1, sqrt(K ln K / ((e-1) T)))
      (corollary 3.2 with rewards of at most 1): 0.08 for 8 arms and the 1,525 updates of a run.
    - p_f: the probability that f had when it was last selected; 1/K if it never was.
    - x: the reward scaled into [0, 1] by the **running range**, lowest to highest of the last
      `range_window` rewards credited to any arm, this one among them:

          x = (r - low) / (high - low),     and 1/2 where all of them are equal.

    The source takes rewards in [0, 1] for granted; returns have no bounds that are known before.
    Over a window and not the whole run, because returns rise by many times the difference between
    arms, which a range that includes the first ones would shrink to nothing.

    Source: Auer, Cesa-Bianchi, Freund and Schapire 2002, "The Nonstochastic Multiarmed Bandit
    Problem", figure 1.

    Args:
        arms: distinct names.
        rng: draws the arms, one number a selection; used as it is, not copied.
        exploration: g, 0 < g <= 1; at 1 every arm is equally likely for ever.
        range_window: rewards that the running range covers, an integer >= 2.

    Raises:
        ValueError: for an impossible argument, with the value and what is allowed.
    """

    def __init__(
        self,
        arms: Sequence[str],
        rng: np.random.Generator,
        exploration: float = 0.08,
        range_window: int = 100,
    ) -> None:
        super().__init__(arms)
        if not 0 < exploration <= 1:
            raise ValueError(
                f"exploration must be a number above 0 and at most 1, got {exploration!r}"
            )
        if type(range_window) is not int or range_window < 2:
            raise ValueError(f"range_window must be an integer >= 2, got {range_window!r}")
        self.exploration = float(exploration)
        self.range_window = range_window
        self._rng = rng
        self._log_weights = dict.fromkeys(self.arms, 0.0)  # in logs: the weights would overflow
        self._drawn_with = dict.fromkeys(self.arms, 1.0 / len(self.arms))
        self._recent: deque[float] = deque(maxlen=range_window)
        self._moments = {arm: RunningMoments() for arm in self.arms}

    def means(self) -> dict[str, float]:
        """Each arm's mean over all rewards credited to it, unscaled; 0.0 before the first."""
        return {arm: moments.mean for arm, moments in self._moments.items()}

    def scores(self) -> dict[str, float]:
        """The probability p_f of each arm."""
        highest = max(self._log_weights.values())
        weights = {arm: math.exp(log - highest) for arm, log in self._log_weights.items()}
        total, uniform = math.fsum(weights.values()), self.exploration / len(self.arms)
        return {arm: (1 - self.exploration) * w / total + uniform for arm, w in weights.items()}

    def _choose(self) -> str:
        probabilities = self.scores()
        threshold, passed = self._rng.random(), 0.0
        chosen = self.arms[-1]  # where the probabilities add up to a little less than 1
        for arm in self.arms:
            passed += probabilities[arm]
            if threshold < passed:
                chosen = arm
                break
        self._drawn_with[chosen] = probabilities[chosen]
        return chosen

    def _credit(self, arm: str, reward: float) -> None:
        self._moments[arm].add(reward)
        self._recent.append(reward)
        low, high = min(self._recent), max(self._recent)
        scaled = (reward - low) / (high - low) if high > low else 0.5
        gain = scaled / self._drawn_with[arm]
        self._log_weights[arm] += self.exploration * gain / len(self.arms)

    def _settings(self) -> dict[str, Any]:
        return {
            "exploration": self.exploration,
            "range_window": self.range_window,
            "bit_generator": generators.kind(self._rng),
        }

    def _learned(self) -> dict[str, Any]:
        return {
            "log_weights": list(self._log_weights.values()),
            "drawn_with": list(self._drawn_with.values()),
            "recent": list(self._recent),
            "moments": [moments.to_list() for moments in self._moments.values()],
            "rng": generators.get_state(self._rng),
        }

    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        size = len(self.arms)
        logs, drawn, recent = (learned[k] for k in ("log_weights", "drawn_with", "recent"))
        if len(logs) != size or not all(map(math.isfinite, logs)):
            raise ValueError(f"state needs {size} finite log_weights, got {logs!r}")
        if len(drawn) != size or not all(0 < p <= 1 for p in drawn):
            raise ValueError(f"state needs {size} probabilities in drawn_with, got {drawn!r}")
        if len(recent) > self.range_window or not all(map(math.isfinite, recent)):
            raise ValueError(
                f"state needs at most {self.range_window} finite recent rewards, got {recent!r}"
            )
        moments = [RunningMoments.from_list(numbers) for numbers in learned["moments"]]
        if len(moments) != size:
            raise ValueError(f"state needs {size} moments, got {len(moments)}")
        generators.set_state(self._rng, learned["rng"])  # the last that may be refused
        self._log_weights = dict(zip(self.arms, map(float, logs), strict=True))
        self._drawn_with = dict(zip(self.arms, map(float, drawn), strict=True))
        self._recent = deque(map(float, recent), maxlen=self.range_window)
        self._moments = dict(zip(self.arms, moments, strict=True))
