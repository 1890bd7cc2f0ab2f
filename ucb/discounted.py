"""Discounted UCB: an upper confidence bound that forgets, for rewards that change over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ucb.selector import BaseSelector


class DiscountedUCB(BaseSelector):
    """Selects the arm with the highest score, the first of `arms` among equals.

        score_f = X_f + c sqrt(ln n / N_f),      n = sum_f N_f,
        N_f = sum_s g^(t-s) [arm_s = f],         X_f = (1/N_f) sum_s g^(t-s) r_s [arm_s = f]

    - s = 1..t: the credits so far, of all arms; an arm selected but not yet credited counts later.
    - g: `discount`. A reward's weight halves every ln 2 / (1 - g) credits (69 at 0.99), and an arm
      left alone is forgotten, so that its bonus grows until it is tried again.
    - c: `exploration`; the source's is c = 2 B sqrt(xi), with rewards in [0, B] and xi > 1/2.
    - An arm without credit has the score infinity: the first selections try every arm in order.

    The source's discount for T selections and one change of the best arm is 1 - 1 / (4 B sqrt T):
    0.9936 for the 1,525 updates of a run. The defaults, 0.99 and UCB-DrAC's c = 0.1 (B = 0.07 at
    xi = 1/2: the differences between arms, not the returns themselves), are ours.

    Source: Garivier and Moulines 2008, "On Upper-Confidence Bound Policies for Non-Stationary
    Bandit Problems", section 2 (D-UCB); first in Kocsis and Szepesvari 2006.

    Args:
        arms: distinct names; the order breaks ties.
        discount: g, 0 < g <= 1; at 1 this is UCB1 with the constant c.
        exploration: c, finite and >= 0, in units of the reward.

    Raises:
        ValueError: for an impossible argument, with the value and what is allowed.
    """

    def __init__(
        self, arms: Sequence[str], discount: float = 0.99, exploration: float = 0.1
    ) -> None:
        super().__init__(arms)
        if not 0 < discount <= 1:
            raise ValueError(f"discount must be a number above 0 and at most 1, got {discount!r}")
        if not (math.isfinite(exploration) and exploration >= 0):
            raise ValueError(f"exploration must be a finite number >= 0, got {exploration!r}")
        self.discount = float(discount)
        self.exploration = float(exploration)
        self._weights = dict.fromkeys(self.arms, 0.0)
        self._means = dict.fromkeys(self.arms, 0.0)

    def means(self) -> dict[str, float]:
        """X_f: each arm's discounted mean reward; 0.0 before any credit."""
        return dict(self._means)

    def scores(self) -> dict[str, float]:
        """X_f + c sqrt(ln n / N_f); `math.inf` where N_f is 0."""
        total = math.fsum(self._weights.values())
        return {arm: self._score(arm, total) for arm in self.arms}

    def _score(self, arm: str, total: float) -> float:
        weight = self._weights[arm]
        if weight == 0:
            return math.inf
        # The newest credit has weight 1, so total >= 1; fsum may round just below.
        return self._means[arm] + self.exploration * math.sqrt(max(0, math.log(total)) / weight)

    def _choose(self) -> str:
        scores = self.scores()
        return max(self.arms, key=scores.__getitem__)  # max returns the first of equals

    def _credit(self, arm: str, reward: float) -> None:
        # A mean's numerator and denominator fade alike: only the credited arm's mean moves.
        for name in self.arms:
            self._weights[name] *= self.discount
        self._weights[arm] += 1
        self._means[arm] += (reward - self._means[arm]) / self._weights[arm]

    def _settings(self) -> dict[str, Any]:
        return {"discount": self.discount, "exploration": self.exploration}

    def _learned(self) -> dict[str, Any]:
        return {"weights": list(self._weights.values()), "means": list(self._means.values())}

    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        weights, means = learned["weights"], learned["means"]
        if len(weights) != len(self.arms) or not all(0 <= w < math.inf for w in weights):
            raise ValueError(f"state needs {len(self.arms)} finite weights >= 0, got {weights!r}")
        if len(means) != len(self.arms) or not all(map(math.isfinite, means)):
            raise ValueError(f"state needs {len(self.arms)} finite means, got {means!r}")
        self._weights = dict(zip(self.arms, map(float, weights), strict=True))
        self._means = dict(zip(self.arms, map(float, means), strict=True))
