"""alpha_r by meta-gradient: against finite differences of whole steps, its bounds, and DrAC."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from small_updates import (
    images_in_float64,
    in_float64,
    largest_difference,
    learner_of,
    make_config,
    network_for,
    ppo_losses,
    random_rollout,
    updated,
)
from tiny_runs import tiny_config, tiny_training
from torch import Tensor

import augmentations
from drac.config import build
from drac.errors import ConfigError, NonFinite
from drac.rollout import Rollout
from drac.train import iterate

METHOD = "drac-meta-coef-flip"


def learner_in_float64(**options: Any) -> Any:
    config = make_config(method=METHOD, meta_coef_learning_rate=0, **options)
    return learner_of(config, network_for(config).double())


def rollout_of(seed: int) -> Rollout:
    return in_float64(random_rollout(seed))


def plain_ppo(network: Any, rollout: Rollout) -> float:
    """PPO's loss of a rollout, sample by sample."""
    samples, total = rollout.samples(), 0.0
    with torch.no_grad():
        logits, values = network(samples.obs.double() / 255)
    for row in range(len(samples)):
        of_row = (logits[row], values[row], int(samples.actions[row]))
        old = (samples.old_log_probs, samples.old_values, samples.returns, samples.advantages)
        policy, value, entropy = ppo_losses(*of_row, *(each[row] for each in old))
        total += float(policy + 0.5 * value - 0.01 * entropy) / len(samples)
    return total


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"max_grad_norm": 0.05},
        {"max_grad_norm": 1e9},
        {"minibatches": 4, "epochs": 2, "micro_batch": 5},
        {"policy_target": "sampled"},
    ],
    ids=("clipped", "not clipped", "micro-batches", "sampled targets"),
)
def test_it_is_the_derivative_of_the_step_that_was_taken(
    options: dict[str, Any], before: int
) -> None:
    """The last step again with another alpha_r, Adam's moments as they were; central differences.

    An epsilon that is not small shows Adam's first step, which otherwise only has a sign.
    """
    sizes = {"minibatches": 1, "epochs": 1, "adam_eps": 1e-2, "learning_rate": 1e-2}
    learner = learner_in_float64(**{**sizes, **options})
    flip = augmentations.make("flip")
    begun: list[Any] = []
    take_step = type(learner).take_step

    def remembering(*args: Any) -> Tensor:
        network, state = learner.network.state_dict(), learner.state_dict()
        begun[:] = [copy.deepcopy(network), copy.deepcopy(state), args]
        return take_step(learner, *args)

    learner.take_step = remembering
    with images_in_float64():
        for seed in range(before + 1):
            learner.update(rollout_of(seed), flip)
        found = float(learner.meta_gradient(rollout_of(9).samples()))
        network, state, step = begun
        losses, h = [], 1e-5
        for alpha in (0.1 + h, 0.1 - h):
            learner.network.load_state_dict(network)
            learner.load_state_dict(copy.deepcopy(state))
            with torch.no_grad():
                learner.coef.fill_(alpha)
            take_step(learner, *step)
            losses.append(plain_ppo(learner.network, rollout_of(9)))
    expected = (losses[0] - losses[1]) / (2 * h)
    assert found == pytest.approx(expected, rel=1e-4)
    assert abs(found) > 1e-8


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_without_a_learning_rate_it_is_drac_bit_for_bit(fidelity: str) -> None:
    weights = []
    for method, rate in (("drac-crop", {}), ("drac-meta-coef-crop", {"lr": 0}), (METHOD, {})):
        options = {"meta_coef_learning_rate": 0} if rate else {}
        training = tiny_training(tiny_config(method=method, fidelity=fidelity, **options))
        reports = list(iterate(training))
        weights.append(training.network.state_dict())
    drac, without, other = weights
    assert len(reports) == 3
    assert all(torch.equal(drac[name], without[name]) for name in drac)
    assert largest_difference(drac, other) > 0


def test_alpha_goes_against_its_gradient_and_stays_within_its_bounds() -> None:
    flip = augmentations.make("flip")
    for rate in (0.01, 10.0):
        config = make_config(method=METHOD, meta_coef_learning_rate=rate, meta_coef_max=0.3)
        learner = learner_of(config)
        alphas, gradients = [0.1], []
        for seed in range(4):
            rollout = random_rollout(seed)
            if seed:
                gradients.append(float(learner.meta_gradient(rollout.samples())))
            stats = learner.update(rollout, flip)
            alphas.append(stats.extra_loss)
        assert alphas[1] == pytest.approx(0.1)  # no step has been taken before the first update
        assert len({*alphas}) > 2
        assert all(0 <= alpha <= 0.3 + 1e-6 for alpha in alphas)
        assert alphas[2] - alphas[1] == pytest.approx(
            min(max(-math.copysign(rate, gradients[0]), -0.1), 0.2), rel=1e-3
        )


@pytest.mark.parametrize(("sign", "bound"), [(-1, 0.3), (1, 0)], ids=("above", "below"))
def test_a_large_step_ends_exactly_at_the_bound(sign: int, bound: float) -> None:
    rates = {"meta_coef_learning_rate": 10.0, "meta_coef_max": 0.3}
    learner, flip = learner_of(make_config(method=METHOD, **rates)), augmentations.make("flip")
    learner.update(random_rollout(), flip)
    rollout = random_rollout(1)
    gradient = float(learner.meta_gradient(rollout.samples()))
    learner._derivative *= sign * math.copysign(1, gradient)
    assert learner.update(rollout, flip).extra_loss == pytest.approx(bound, rel=1e-6, abs=0)


def test_the_loss_has_the_alpha_that_is_logged() -> None:
    """An update with another alpha_r is DrAC's with that weight."""
    drac = updated(make_config(method="drac-flip", aug_coef=0.25))
    config = make_config(method=METHOD)
    learner = learner_of(config, network_for(config).double())
    with torch.no_grad():
        learner.coef.fill_(0.25)
    with images_in_float64():
        learner.update(in_float64(random_rollout(0)), augmentations.make("flip"))
    found = dict(learner.network.named_parameters())
    assert all(torch.equal(drac[name], found[name]) for name in drac)


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_a_meta_gradient_that_is_not_finite(on_nan: str) -> None:
    learner = learner_of(make_config(method=METHOD, on_nan=on_nan))
    flip = augmentations.make("flip")
    learner.update(random_rollout(), flip)
    learner._derivative[0] = math.nan
    if on_nan == "stop":
        with pytest.raises(NonFinite, match="meta-gradient of alpha_r is NaN or infinite"):
            learner.update(random_rollout(1), flip)
        return
    assert learner.update(random_rollout(1), flip).extra_loss == pytest.approx(0.1)


def test_a_first_step_that_is_not_finite_is_left_out() -> None:
    sizes = {"epochs": 1, "minibatches": 1, "on_nan": "skip"}
    learner = learner_of(make_config(method=METHOD, **sizes))
    rollout, flip = random_rollout(), augmentations.make("flip")
    rollout.returns[0, 0] = math.nan
    with pytest.raises(NonFinite, match="none of 1 gradient step was finite"):
        learner.update(rollout, flip)
    assert learner.update(random_rollout(1), flip).extra_loss == pytest.approx(0.1)


def test_what_contradicts_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"aug_coef 2\.0, .* is more than meta_coef_max 1\.0"):
        build({"method": METHOD, "aug_coef": 2})
    with pytest.raises(ConfigError, match="meta_coef_max; it belongs to drac-meta-coef-"):
        build({"method": "drac-flip", "meta_coef_max": 3})
    with pytest.raises(ConfigError, match="meta_coef_learning_rate"):
        build({"method": METHOD, "meta_coef_learning_rate": -1})
