"""Thompson sampling against Bayes' rule on a grid, one reward at a time, and its own promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ucb import ThompsonSampling
from ucb.moments import RunningMoments
from ucb.thompson import NormalInverseGamma

ARMS = ("a", "b", "c")


def one_at_a_time(prior: NormalInverseGamma, rewards: list[float]) -> NormalInverseGamma:
    """The conjugate update by a single Gaussian observation, repeated."""
    mean, weight, shape, scale = prior
    for reward in rewards:
        scale += weight * (reward - mean) ** 2 / (2 * (weight + 1))
        mean = (weight * mean + reward) / (weight + 1)
        weight, shape = weight + 1, shape + 0.5
    return NormalInverseGamma(mean, weight, shape, scale)


@given(
    st.lists(st.floats(-100, 100), max_size=40),
    st.floats(-5, 5),
    st.floats(1e-3, 10),
    st.floats(0.1, 5),
    st.floats(1e-3, 10),
)
def test_the_posterior_is_that_of_one_reward_at_a_time(
    rewards: list[float], mean: float, weight: float, shape: float, scale: float
) -> None:
    prior = NormalInverseGamma(mean, weight, shape, scale)
    moments = RunningMoments()
    for reward in rewards:
        moments.add(reward)
    assert prior.given(moments) == pytest.approx(one_at_a_time(prior, rewards), rel=1e-6, abs=1e-9)


def test_the_posterior_is_bayes_rule_on_a_grid() -> None:
    """Prior density times likelihood, normalized by brute force: the mean of mu and of v."""
    prior, rewards = NormalInverseGamma(0.2, 0.5, 3.0, 2.0), [0.9, 1.4, 0.3, 1.1, 0.8]
    mu, v = np.meshgrid(np.linspace(-6, 8, 701), np.linspace(1e-3, 60, 3000))
    log_density = stats.invgamma.logpdf(v, prior.shape, scale=prior.scale)
    log_density += stats.norm.logpdf(mu, prior.mean, np.sqrt(v / prior.weight))
    for reward in rewards:
        log_density += stats.norm.logpdf(reward, mu, np.sqrt(v))
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    selector = ThompsonSampling(ARMS, np.random.default_rng(0), *prior)
    for reward in rewards:
        selector.update("b", reward)
    posterior = selector.posteriors()["b"]
    assert (density * mu).sum() == pytest.approx(posterior.mean, abs=1e-3)
    expected_variance = posterior.scale / (posterior.shape - 1)
    assert (density * v).sum() == pytest.approx(expected_variance, rel=1e-2)
    assert selector.posteriors()["a"] == prior


def test_what_is_drawn_is_a_student_t() -> None:
    """The marginal of mu in closed form: 2 shape degrees of freedom, scale sqrt(b / (a k))."""
    belief = NormalInverseGamma(1.5, 4.0, 2.5, 0.7)
    rng = np.random.default_rng(1)
    drawn = [belief.draw_mean(rng) for _ in range(4000)]
    spread = math.sqrt(belief.scale / (belief.shape * belief.weight))
    marginal = stats.t(2 * belief.shape, loc=belief.mean, scale=spread)
    assert stats.kstest(drawn, marginal.cdf).pvalue > 0.05
    assert stats.kstest(drawn, stats.norm(belief.mean, spread).cdf).pvalue < 0.01


def test_the_choices_are_the_highest_draws_of_an_independent_loop() -> None:
    """Posterior from the list of all rewards; draws from a twin of the generator."""
    selector = ThompsonSampling(ARMS, np.random.default_rng(5), 0.1, 0.2, 1.5, 0.05)
    twin, rewards = np.random.default_rng(5), {arm: [] for arm in ARMS}  # type: dict[str, list[float]]
    noise = np.random.default_rng(6)
    for _ in range(200):
        drawn = []
        for arm in ARMS:
            mean, weight, shape, scale = one_at_a_time(
                NormalInverseGamma(0.1, 0.2, 1.5, 0.05), rewards[arm]
            )
            variance = scale / twin.standard_gamma(shape)
            drawn.append(mean + math.sqrt(variance / weight) * twin.standard_normal())
        scores = selector.scores()
        assert list(scores.values()) == pytest.approx(drawn, rel=1e-9)
        arm = selector.select()
        assert arm == ARMS[int(np.argmax(drawn))] == max(scores, key=scores.__getitem__)
        reward = float(noise.normal(0.3 + 0.02 * ARMS.index(arm), 0.1))
        rewards[arm].append(reward)
        selector.update(arm, reward)


def test_equal_draws_go_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NormalInverseGamma, "draw_mean", lambda belief, rng: 1.0)
    assert ThompsonSampling(ARMS, np.random.default_rng(0)).select() == "a"
