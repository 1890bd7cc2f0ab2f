"""Thompson sampling for rewards of unknown mean and unknown variance."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ucb import generators
from ucb.moments import RunningMoments
from ucb.selector import BaseSelector


class NormalInverseGamma(NamedTuple):
    """What is believed of an arm's mean mu and variance v.

    v ~ InvGamma(shape, scale),    mu given v ~ N(mean, v / weight).
    """

    mean: float
    weight: float
    shape: float
    scale: float

    def given(self, rewards: RunningMoments) -> NormalInverseGamma:
        """Return the posterior after n rewards with mean x and sum of squared deviations S.

            mean' = (weight mean + n x) / weight',    weight' = weight + n,
            shape' = shape + n / 2,
            scale' = scale + S / 2 + weight n (x - mean)^2 / (2 weight')

        Source: Murphy 2007, "Conjugate Bayesian analysis of the Gaussian distribution", section 6.
        """
        n, average, squares = rewards.to_list()
        weight = self.weight + n
        surprise = self.weight * n * (average - self.mean) ** 2 / (2 * weight)
        return NormalInverseGamma(
            mean=(self.weight * self.mean + n * average) / weight,
            weight=weight,
            shape=self.shape + n / 2,
            scale=self.scale + squares / 2 + surprise,
        )

    def draw_mean(self, rng: np.random.Generator) -> float:
        """Draw mu: first 1 / sigma^2, a Gamma, then mu given sigma^2, a Gaussian."""
        gamma = max(rng.standard_gamma(self.shape), sys.float_info.min)  # of a small shape: maybe 0
        variance_of_mu = self.scale / gamma / self.weight
        return float(self.mean + math.sqrt(variance_of_mu) * rng.standard_normal())


class ThompsonSampling(BaseSelector):
    """Draws a mean reward for each arm from what is believed of it; selects the highest.

        (mu_f, sigma_f^2) ~ NIG(posterior of arm f),    arm = argmax_f mu_f,  the first of equals

    Rewards of an arm are taken as Gaussian with an unknown mean and variance that never change: all
    rewards count alike, so the selector is slow to notice when the best arm changes.

    **The prior** is normal-inverse-gamma, the same for every arm: sigma^2 ~ InvGamma(`prior_shape`,
    `prior_scale`), mu ~ N(`prior_mean`, sigma^2 / `prior_weight`). So an arm's unknown mean is a
    Student t of 2 `prior_shape` degrees of freedom around `prior_mean`, with the scale

        sqrt(prior_scale / (prior_shape prior_weight)).

    The defaults say: noise of about 0.1, and a mean within a few times 1.0 of 0, worth a hundredth
    of one reward. Mean returns of normalized rewards are of that size. Returns far beyond that
    scale make untried arms look bad; give a smaller `prior_weight` there.

    Source: Thompson 1933, "On the likelihood that one unknown probability exceeds another in view
    of the evidence of two samples"; for Gaussians of unknown variance Honda and Takemura 2014,
    "Optimality of Thompson sampling for Gaussian bandits depends on priors".

    Args:
        arms: distinct names; the order breaks ties.
        rng: draws two numbers an arm and selection; used as it is, not copied.
        prior_mean: finite.
        prior_weight: > 0, in rewards.
        prior_shape: > 0.
        prior_scale: > 0, in squared units of the reward.

    Raises:
        ValueError: for an impossible argument, with the value and what is allowed.
    """

    def __init__(
        self,
        arms: Sequence[str],
        rng: np.random.Generator,
        prior_mean: float = 0.0,
        prior_weight: float = 0.01,
        prior_shape: float = 1.0,
        prior_scale: float = 0.01,
    ) -> None:
        super().__init__(arms)
        if not math.isfinite(prior_mean):
            raise ValueError(f"prior_mean must be a finite number, got {prior_mean!r}")
        positive = {"weight": prior_weight, "shape": prior_shape, "scale": prior_scale}
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"prior_{name} must be a finite number > 0, got {value!r}")
        self.prior = NormalInverseGamma(
            float(prior_mean), float(prior_weight), float(prior_shape), float(prior_scale)
        )
        self._rng = rng
        self._moments = {arm: RunningMoments() for arm in self.arms}

    def posteriors(self) -> dict[str, NormalInverseGamma]:
        """What is believed of each arm after all its rewards."""
        return {arm: self.prior.given(moments) for arm, moments in self._moments.items()}

    def means(self) -> dict[str, float]:
        """Each arm's mean over all rewards credited to it; 0.0 before the first."""
        return {arm: moments.mean for arm, moments in self._moments.items()}

    def scores(self) -> dict[str, float]:
        """The means that the next `select` will draw; looking leaves the generator as it was."""
        before = self._rng.bit_generator.state
        scores = self._draw()
        self._rng.bit_generator.state = before
        return scores

    def _draw(self) -> dict[str, float]:
        return {arm: belief.draw_mean(self._rng) for arm, belief in self.posteriors().items()}

    def _choose(self) -> str:
        drawn = self._draw()
        return max(self.arms, key=drawn.__getitem__)  # max returns the first of equals

    def _credit(self, arm: str, reward: float) -> None:
        self._moments[arm].add(reward)

    def _settings(self) -> dict[str, Any]:
        return {"prior": list(self.prior), "bit_generator": generators.kind(self._rng)}

    def _learned(self) -> dict[str, Any]:
        return {
            "moments": [moments.to_list() for moments in self._moments.values()],
            "rng": generators.get_state(self._rng),
        }

    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        moments = [RunningMoments.from_list(numbers) for numbers in learned["moments"]]
        if len(moments) != len(self.arms):
            raise ValueError(f"state needs {len(self.arms)} moments, got {len(moments)}")
        generators.set_state(self._rng, learned["rng"])  # the last that may be refused
        self._moments = dict(zip(self.arms, moments, strict=True))
