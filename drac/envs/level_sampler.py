"""Prioritized level replay: which training level to play next (Jiang et al. 2021). Numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Score = Literal["value-l1", "gae"]
"""What a level is scored by: the mean of |A_t|, or of A_t, over the steps of an episode."""


class LevelSampler:
    """Draws levels, those more often from which there seems to be more to learn.

    A level counts as seen once it has a score. With some probability the next level is one of the
    seen ones, drawn from (Jiang et al. 2021, equations 1 to 3)

        P(i) = (1 - staleness) P_S(i) + staleness P_C(i)
        P_S(i) = rank_i^(-1/temperature) / sum_j rank_j^(-1/temperature)
        P_C(i) = (c - C_i) / sum_j (c - C_j)

    rank_i being 1 for the highest score, c the number of levels drawn so far, and C_i the draw that
    last gave level i. Otherwise it is one that is not seen, all equally likely.

    Equal scores share the rank of the first of them, and so their probability. Where every c - C_i
    is 0 (only the last level drawn is seen) P is P_S.

    Args:
        levels: the training levels.
        rng: used as it is, not copied; `load_state_dict` sets its state.
        temperature: above 0; towards 0 the highest score takes all.
        staleness: weight of P_C in [0, 1].
        smoothing: weight of the newest score in (0, 1]; 1 forgets the one before.
        replay: probability that a seen level is played as long as there are others, in [0, 1];
            "proportionate": the share of levels that are seen.
        min_seen: share of levels that must be seen before any is replayed.

    Attributes:
        scores: (L,) float64; 0 where not seen.
        seen: (L,) bool.
        ages: (L,) int64, c - C_i; what is not yet drawn ages from the start.
        visits: (L,) int64; how often each level was given out.
    """

    def __init__(
        self,
        levels: range,
        rng: np.random.Generator,
        *,
        temperature: float = 0.1,
        staleness: float = 0.1,
        smoothing: float = 1.0,
        replay: Literal["proportionate"] | float = "proportionate",
        min_seen: float = 0.0,
    ) -> None:
        if not levels:
            raise ValueError("there must be at least one level to choose from")
        self.levels = levels
        self.temperature = temperature
        self.staleness = staleness
        self.smoothing = smoothing
        self.replay = replay
        self.min_seen = min_seen
        self.scores = np.zeros(len(levels))
        self.seen = np.zeros(len(levels), np.bool_)
        self.ages = np.zeros(len(levels), np.int64)
        self.visits = np.zeros(len(levels), np.int64)
        self._in_order = 0
        self._rng = rng
        self._by_score: NDArray[np.float64] | None = None  # P_S, until a score changes

    def first(self) -> int:
        """Return the level of an env's first episode: the levels in their order, over and over.

        This is no draw: it ages no level.
        """
        index = self._in_order
        self._in_order = (index + 1) % len(self.levels)
        self.visits[index] += 1
        return self.levels[index]

    def draw(self) -> int:
        """Return the level of the next episode."""
        if self._rng.random() < self.replay_probability():
            index = int(self._rng.choice(len(self.levels), p=self.probabilities()))
        else:
            index = int(self._rng.choice(np.flatnonzero(~self.seen)))
        self.ages += 1
        self.ages[index] = 0
        self.visits[index] += 1
        return self.levels[index]

    def replay_probability(self) -> float:
        """Return the probability that the next level drawn is one that is seen."""
        share = float(self.seen.mean())
        if share in (0.0, 1.0):
            return share
        if share < self.min_seen:
            return 0.0
        return share if self.replay == "proportionate" else self.replay

    def probabilities(self) -> NDArray[np.float64]:
        """Return P, (L,) float64: 0 where not seen, else adding up to 1 (0 if nothing is seen)."""
        if self._by_score is None:
            self._by_score = self._score_probabilities()
        ages = self.ages * self.seen
        total = ages.sum()
        if not self.staleness or not total:
            return self._by_score
        by_age: NDArray[np.float64] = ages / total
        return (1 - self.staleness) * self._by_score + self.staleness * by_age

    def _score_probabilities(self) -> NDArray[np.float64]:
        """Return P_S, (L,); 0 if nothing is seen."""
        probabilities = np.zeros(len(self.levels))
        scores = self.scores[self.seen]
        if len(scores):
            higher = len(scores) - np.searchsorted(np.sort(scores), scores, side="right")
            weights = (1.0 + higher) ** (-1.0 / self.temperature)
            probabilities[self.seen] = weights / weights.sum()
        return probabilities

    def update(self, level: int, score: float) -> None:
        """Give a level a new score.

        Raises:
            ValueError: if it is none of the levels, or the score is not finite.
        """
        if level not in self.levels:
            raise ValueError(f"level {level} is not among {self.levels}")
        if not np.isfinite(score):
            raise ValueError(f"the score of level {level} must be finite, not {score}")
        index = self.levels.index(level)
        # The first score is smoothed as well, towards the 0 from which the authors' code starts.
        self.scores[index] += self.smoothing * (score - self.scores[index])
        self.seen[index] = True
        self._by_score = None

    def state_dict(self) -> dict[str, Any]:
        """Return all that later draws depend on, as numbers, strings, lists and dicts."""
        return {
            "scores": self.scores.tolist(),
            "seen": self.seen.tolist(),
            "ages": self.ages.tolist(),
            "visits": self.visits.tolist(),
            "in_order": self._in_order,
            "rng": dict(self._rng.bit_generator.state),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: if it is that of another number of levels.
        """
        if len(state["scores"]) != len(self.levels):
            raise ValueError(f"{len(state['scores'])} scores do not fit {len(self.levels)} levels")
        self.scores = np.array(state["scores"], np.float64)
        self.seen = np.array(state["seen"], np.bool_)
        self.ages = np.array(state["ages"], np.int64)
        self.visits = np.array(state["visits"], np.int64)
        self._in_order = state["in_order"]
        self._rng.bit_generator.state = state["rng"]
        self._by_score = None


def episode_scores(
    advantages: NDArray[np.floating[Any]],
    dones: NDArray[np.bool_],
    levels: NDArray[np.int64],
    score: Score = "value-l1",
    following: NDArray[np.floating[Any]] | None = None,
) -> list[tuple[int, float]]:
    """Score the episodes of a rollout, from their steps within it.

        "value-l1": 1/T sum_t |A_t|     "gae": 1/T sum_t A_t    (Jiang et al. 2021, Table 1)

    Episodes that the rollout's start or end cuts are scored by the part inside, as in the authors'
    code: it drops its partial sums after every update, the policy being another one then. Where the
    end cuts one, their slices take a row too many, whose return is 0, so that its advantage is
    -V(s_T): with `following` that row is counted (docs/fidelity.md, "a cut episode").

    Args:
        advantages: (T, N), GAE, not normalized.
        dones: (T, N); whether the episode ended with that step.
        levels: (T, N); the level in which the step was taken.
        score: which of the two.
        following: (N,), V(s_T) of the states after the last step; None counts no further row.

    Returns:
        `(level, score)` of every episode, in the order in which the authors' code records them, so
        that of two scores of a level the same is the later one: first the episodes that ended,
        env by env and in their order, then what each env is in the midst of.
    """
    values = np.abs(advantages) if score == "value-l1" else advantages
    lasts = dones.T.copy()
    lasts[:, -1] = True
    ends = np.flatnonzero(lasts)
    starts = np.concatenate([[0], ends[:-1] + 1])
    sums = np.add.reduceat(values.T.astype(np.float64).ravel(), starts)
    lengths = ends - starts + 1
    played = levels.T.ravel()[starts]
    unfinished = ~dones.T.ravel()[ends]
    if following is not None:
        further = np.abs(following) if score == "value-l1" else -following
        sums[unfinished] += further[ends[unfinished] // len(advantages)]
        lengths = lengths + unfinished
    means = sums / lengths
    order = np.argsort(unfinished, kind="stable")
    return list(zip(played[order].tolist(), means[order].tolist(), strict=True))
