"""The bandit of UCB-DrAC: an upper confidence bound over a sliding window of rewards."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from ucb.moments import RunningMoments
from ucb.selector import BaseSelector

Initial = Literal["prior", "try-each-once"]
RewardUnit = Literal["raw", "standardized"]


class SlidingWindowUCB(BaseSelector):
    """Selects the arm with the highest score, the first of `arms` among equals.

        score_f = Q_f + c * sqrt(ln t / N_f)

    - Q_f: mean of the last `window` rewards credited to arm f; 0 before its first.
    - t: number of the coming selection, 1 for the first, so that its bonuses are all 0.
    - N_f: times f was selected, plus 1 under `initial="prior"`.
    - c: `exploration`.

    Source: Raileanu et al. 2021, "Automatic Data Augmentation for Generalization in Deep RL",
    the UCB equation of UCB-DrAC, with the constants of the released code; the bound is UCB1's,
    Auer, Cesa-Bianchi and Fischer 2002, "Finite-time Analysis of the Multiarmed Bandit Problem".

    **How rewards are standardized.** The windows always keep raw rewards. With
    `reward="standardized"`, Q_f is put into units at scoring time,

        Q_f = (mean of f's window - m) / s,     and 0 if s = 0 or f has no reward yet,

    where m and s are the mean and population standard deviation of every reward credited so far,
    to any arm. So an arm that has no reward yet counts as average, whatever the level of the
    returns, and the arms compare as in the raw rule with the exploration c * s.

    The alternative, to standardize each reward once, when it is credited, freezes the first rewards
    in units of a std over two or three numbers; an arm with an unlucky first draw may never be
    tried again. Simulated with 8 arms, 1,525 selections, one arm paying 0.40 and the others 0.30:
    at noise 0.02 both always find the better arm (95 % of the selections or more in each of 400
    runs); at noise 0.10 it gets 80 % of them in 96 % of 200 runs, against 86 % for the alternative.
    The price: where the level falls by 0.50 over the run, or the better arm changes halfway, the
    alternative gets 98 % against 88 % (noise 0.02). Where the level rises by many times the gap
    between arms, "prior" often locks on to a wrong arm with either; "try-each-once" helps there.

    Args:
        arms: distinct names; the order breaks ties.
        exploration: c, finite and >= 0, in units of the reward.
        window: rewards of an arm that its mean covers, an integer >= 1.
        initial: "prior" starts every N_f at 1 (both presets, `docs/fidelity.md`, row "UCB");
            "try-each-once" starts them at 0, where the bonus is infinite, so that the first
            len(arms) selections go through the arms in order and the rule follows.
        reward: "raw" (both presets) or "standardized".

    Raises:
        ValueError: for an impossible argument, with the value and what is allowed.
    """

    def __init__(
        self,
        arms: Sequence[str],
        exploration: float = 0.1,
        window: int = 10,
        initial: Initial = "prior",
        reward: RewardUnit = "raw",
    ) -> None:
        super().__init__(arms)
        if not (math.isfinite(exploration) and exploration >= 0):
            raise ValueError(f"exploration must be a finite number >= 0, got {exploration!r}")
        if type(window) is not int or window < 1:
            raise ValueError(f"window must be an integer >= 1, got {window!r}")
        if initial not in get_args(Initial):
            raise ValueError(f"initial must be one of {get_args(Initial)}, got {initial!r}")
        if reward not in get_args(RewardUnit):
            raise ValueError(f"reward must be one of {get_args(RewardUnit)}, got {reward!r}")
        self.exploration = float(exploration)
        self.window = window
        self.initial = initial
        self.reward = reward
        self._windows: dict[str, deque[float]] = {arm: deque(maxlen=window) for arm in self.arms}
        self._all_rewards = RunningMoments()

    def means(self) -> dict[str, float]:
        """Q_f: the mean of each arm's window, in the unit of the rule; 0.0 before any credit.

        The unit is the reward's own with `reward="raw"`, and standard deviations above the mean
        of all rewards with `reward="standardized"`.
        """
        return {arm: self._mean(rewards) for arm, rewards in self._windows.items()}

    def scores(self) -> dict[str, float]:
        """Q_f + c * sqrt(ln t / N_f) for the coming selection; `math.inf` where N_f is 0."""
        t = 1 + sum(self._counts.values())
        return {arm: mean + self._bonus(arm, t) for arm, mean in self.means().items()}

    def _choose(self) -> str:
        scores = self.scores()
        return max(self.arms, key=scores.__getitem__)  # max returns the first of equals

    def _credit(self, arm: str, reward: float) -> None:
        self._windows[arm].append(reward)
        self._all_rewards.add(reward)

    def _mean(self, rewards: deque[float]) -> float:
        if not rewards:
            return 0.0
        mean = math.fsum(rewards) / len(rewards)
        if self.reward == "raw":
            return mean
        std = self._all_rewards.std
        return (mean - self._all_rewards.mean) / std if std > 0 else 0.0

    def _bonus(self, arm: str, t: int) -> float:
        n = self._counts[arm] + (1 if self.initial == "prior" else 0)
        return self.exploration * math.sqrt(math.log(t) / n) if n else math.inf

    def _settings(self) -> dict[str, Any]:
        return {
            "exploration": self.exploration,
            "window": self.window,
            "initial": self.initial,
            "reward": self.reward,
        }

    def _learned(self) -> dict[str, Any]:
        return {
            "windows": [list(rewards) for rewards in self._windows.values()],
            "all_rewards": self._all_rewards.to_list(),
        }

    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        windows = learned["windows"]
        if len(windows) != len(self.arms) or any(len(w) > self.window for w in windows):
            raise ValueError(
                f"state needs {len(self.arms)} windows of at most {self.window} rewards, "
                f"got lengths {[len(w) for w in windows]}"
            )
        if not all(math.isfinite(reward) for rewards in windows for reward in rewards):
            raise ValueError(f"every reward in the state's windows must be finite, got {windows!r}")
        all_rewards = RunningMoments.from_list(learned["all_rewards"])
        self._windows = {
            arm: deque(map(float, rewards), maxlen=self.window)
            for arm, rewards in zip(self.arms, windows, strict=True)
        }
        self._all_rewards = all_rewards
