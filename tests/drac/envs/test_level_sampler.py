"""Which level comes next: against a slow oracle written from the paper's equations."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drac.envs.level_sampler import LevelSampler, episode_scores


def sampler(size: int = 6, seed: int = 0, first: int = 40, **options: Any) -> LevelSampler:
    return LevelSampler(range(first, first + size), np.random.default_rng(seed), **options)


class Oracle:
    """Equations 1 to 3 of Jiang et al. 2021, level by level."""

    def __init__(self, levels: range, beta: float, rho: float, alpha: float) -> None:
        self.levels, self.beta, self.rho, self.alpha = levels, beta, rho, alpha
        self.score: dict[int, float] = {}
        self.drawn_at = dict.fromkeys(levels, 0)  # C_i
        self.draws = 0  # c

    def update(self, level: int, score: float) -> None:
        self.score[level] = (1 - self.alpha) * self.score.get(level, 0.0) + self.alpha * score

    def draw(self, level: int) -> None:
        self.draws += 1
        self.drawn_at[level] = self.draws

    def probability(self, level: int) -> float:
        if level not in self.score:
            return 0.0
        weight = {
            i: (1 / (1 + sum(other > mine for other in self.score.values()))) ** (1 / self.beta)
            for i, mine in self.score.items()
        }
        by_score = weight[level] / sum(weight.values())
        stale = {i: self.draws - self.drawn_at[i] for i in self.score}
        if sum(stale.values()) == 0:
            return by_score
        by_age = stale[level] / sum(stale.values())
        return (1 - self.rho) * by_score + self.rho * by_age


EVENTS = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 0.5, 1.0, 2.5]))),
    max_size=40,
)
"""None draws a level; (level, score) gives it a score: with ties, and zeros."""


@given(
    EVENTS,
    st.sampled_from([0.05, 0.1, 0.7, 1.0, 3.0]),
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.sampled_from([1.0, 0.3]),
)
def test_probabilities_are_those_of_the_equations(
    events: list[tuple[int, float] | None], beta: float, rho: float, alpha: float
) -> None:
    ours = sampler(temperature=beta, staleness=rho, smoothing=alpha)
    oracle = Oracle(ours.levels, beta, rho, alpha)
    for event in events:
        if event is None:
            oracle.draw(ours.draw())
        else:
            ours.update(40 + event[0], event[1])
            oracle.update(40 + event[0], event[1])
        expected = [oracle.probability(level) for level in ours.levels]
        np.testing.assert_allclose(ours.probabilities(), expected, rtol=1e-9, atol=1e-300)
        assert ours.probabilities().sum() == pytest.approx(1.0 if oracle.score else 0.0)
        ages = [oracle.draws - oracle.drawn_at[level] for level in ours.levels]
        assert ours.ages.tolist() == ages
        assert ours.visits.sum() == oracle.draws
        assert ours.replay_probability() == pytest.approx(len(oracle.score) / 6)


def test_with_the_papers_temperature_the_highest_score_takes_nearly_all() -> None:
    ours = sampler(200, first=0, staleness=0.0)
    for level in ours.levels:
        ours.update(level, level / 200)
    assert ours.probabilities()[199] == pytest.approx(1 / sum(k**-10.0 for k in range(1, 201)))
    assert ours.probabilities()[199] > 0.998


def chi_squared(drawn: list[int], levels: range, probabilities: np.ndarray) -> float:
    """p-value of the hypothesis that levels were drawn with these probabilities."""
    counts = np.bincount(np.array(drawn) - levels.start, minlength=len(levels))
    assert counts[probabilities == 0].sum() == 0
    positive = probabilities > 0
    expected = probabilities[positive] * len(drawn)
    return float(stats.chisquare(counts[positive], expected).pvalue)


@pytest.mark.parametrize("score", [math.sin, lambda level: 0.3], ids=["different", "equal"])
def test_frequencies_are_the_probabilities(score: Callable[[int], float]) -> None:
    """Equal scores are equally likely; ranked by the levels' order, as by argsort, they are not."""
    ours = sampler(8, staleness=0.0, temperature=0.5)
    for level in ours.levels:
        ours.update(level, score(level))
    drawn = [ours.draw() for _ in range(20_000)]
    uniform = np.full(8, 1 / 8)
    assert chi_squared(drawn, ours.levels, ours.probabilities()) > 0.001
    if score is math.sin:
        assert chi_squared(drawn, ours.levels, uniform) < 1e-6
    else:
        np.testing.assert_allclose(ours.probabilities(), uniform)


def test_staleness_alone_brings_every_level_back() -> None:
    ours = sampler(5, staleness=1.0)
    for level in ours.levels:
        ours.update(level, float(level))
    drawn = [ours.draw() for _ in range(2_000)]
    assert ours.visits.min() > 300
    assert not any(a == b for a, b in itertools.pairwise(drawn))  # its age is 0


@pytest.mark.parametrize(
    ("options", "seen", "expected"),
    [
        ({}, 0, 0.0),
        ({}, 3, 0.3),
        ({}, 10, 1.0),
        ({"replay": 0.5}, 0, 0.0),
        ({"replay": 0.5}, 1, 0.5),
        ({"replay": 0.5}, 9, 0.5),
        ({"replay": 0.5}, 10, 1.0),
        ({"min_seen": 0.4}, 3, 0.0),
        ({"min_seen": 0.4}, 4, 0.4),
        ({"min_seen": 1.0}, 9, 0.0),
        ({"min_seen": 1.0}, 10, 1.0),
        ({"min_seen": 0.4, "replay": 0.9}, 3, 0.0),
        ({"min_seen": 0.4, "replay": 0.9}, 4, 0.9),
    ],
)
def test_replaying_and_exploring_are_shared_out(
    options: dict[str, Any], seen: int, expected: float
) -> None:
    ours = sampler(10, **options)
    for level in ours.levels[:seen]:
        ours.update(level, 1.0)
    assert ours.replay_probability() == pytest.approx(expected)
    replayed = sum(ours.draw() < 40 + seen for _ in range(4_000))
    if expected in (0.0, 1.0):
        assert replayed == expected * 4_000
    else:
        assert stats.binomtest(replayed, 4_000, expected).pvalue > 0.001
    unseen = [level for level in ours.levels if level >= 40 + seen]
    drawn = [level for level in (ours.draw() for _ in range(4_000)) if level in unseen]
    if len(unseen) > 1 and drawn:
        uniform = np.where(np.isin(ours.levels, unseen), 1 / len(unseen), 0.0)
        assert chi_squared(drawn, ours.levels, uniform) > 0.001


def test_first_levels_come_in_order_and_age_nothing() -> None:
    ours = sampler(3)
    assert [ours.first() for _ in range(7)] == [40, 41, 42, 40, 41, 42, 40]
    assert ours.visits.tolist() == [3, 2, 2]
    assert not ours.ages.any()
    assert ours.replay_probability() == 0  # given out is not seen


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one level"):
        sampler(0)
    ours = sampler(3)
    with pytest.raises(ValueError, match=r"level 39 is not among range\(40, 43\)"):
        ours.update(39, 1.0)
    with pytest.raises(ValueError, match="score of level 40 must be finite, not nan"):
        ours.update(40, math.nan)
    with pytest.raises(ValueError, match="4 scores do not fit 3 levels"):
        ours.load_state_dict(sampler(4).state_dict())


def test_the_state_continues_the_draws() -> None:
    one = sampler(9, seed=1, temperature=1.0)
    for number in range(30):
        level = one.draw() if number % 2 else one.first()
        one.update(level, math.cos(level))
    other = sampler(9, seed=2, temperature=1.0)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for _ in range(30):
        assert one.draw() == other.draw()
        assert one.first() == other.first()
    assert one.state_dict() == other.state_dict()
    assert sampler(9, seed=2).state_dict() != sampler(9, seed=1).state_dict()


def slow_scores(
    advantages: np.ndarray,
    dones: np.ndarray,
    levels: np.ndarray,
    absolute: bool,
    following: np.ndarray | None = None,
) -> list[tuple[int, float]]:
    """Walk along every env; whole episodes first, then the cut ones, with a row more if asked."""
    whole, cut = [], []
    for env in range(advantages.shape[1]):
        steps: list[float] = []
        for t in range(len(advantages)):
            value = float(advantages[t, env])
            steps.append(abs(value) if absolute else value)
            if dones[t, env]:
                whole.append((int(levels[t, env]), math.fsum(steps) / len(steps)))
                steps = []
        if steps and following is not None:
            steps.append(abs(float(following[env])) if absolute else -float(following[env]))
        if steps:
            cut.append((int(levels[-1, env]), math.fsum(steps) / len(steps)))
    return whole + cut


@given(st.integers(1, 12), st.integers(1, 5), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_episodes_are_scored_as_a_slow_loop_does(
    num_steps: int, num_envs: int, ends: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    dones = rng.random((num_steps, num_envs)) < ends
    advantages = rng.normal(size=dones.shape).astype(np.float32)
    number = np.vstack([np.zeros(num_envs, int), dones.cumsum(0)[:-1]])  # of episodes before
    levels = rng.integers(0, 7, (num_steps + 1, num_envs))[number, np.arange(num_envs)]
    values = rng.normal(size=num_envs).astype(np.float32)
    for score, following in itertools.product(("value-l1", "gae"), (None, values)):
        got = episode_scores(advantages, dones, levels, score, following)  # type: ignore[arg-type]
        expected = slow_scores(advantages, dones, levels, score == "value-l1", following)
        assert [level for level, _ in got] == [level for level, _ in expected]
        np.testing.assert_allclose([s for _, s in got], [s for _, s in expected], atol=1e-6)


@pytest.mark.parametrize(
    ("score", "paper", "released"), [("value-l1", 0.6, 0.95), ("gae", 0.2, -0.35)]
)
def test_a_cut_episode_of_the_authors_code(score: Any, paper: float, released: float) -> None:
    """Three steps, A = 0.3, -0.6, 0.9, and V(s_T) = 2: their slices have a fourth row."""
    advantages = np.array([[0.3], [-0.6], [0.9]])
    dones, levels = np.zeros((3, 1), bool), np.full((3, 1), 7)
    assert episode_scores(advantages, dones, levels, score) == [(7, pytest.approx(paper))]
    following = np.array([2.0])
    found = episode_scores(advantages, dones, levels, score, following)
    assert found == [(7, pytest.approx(released))]
    dones[-1] = True  # an episode that ended is the plain mean in both
    found = episode_scores(advantages, dones, levels, score, following)
    assert found == [(7, pytest.approx(paper))]
