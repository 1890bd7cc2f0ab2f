"""The updates of DAAC and IDAAC: special cases, and what trains when."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from small_updates import learner_of, make_config, random_rollout, updated
from torch import Tensor

import augmentations
from drac.config import TrainConfig
from drac.errors import NonFinite
from drac.stats import UpdateStats


def after_updates(
    config: TrainConfig, number: int = 2
) -> tuple[dict[str, Tensor], list[UpdateStats]]:
    learner = learner_of(config)
    stats = [learner.update(random_rollout(seed), None) for seed in range(number)]
    return learner.network.state_dict(), stats


def test_without_weight_the_order_is_daac_bit_for_bit() -> None:
    daac, figures = after_updates(make_config(method="daac"))
    weights, same = after_updates(make_config(method="idaac", idaac_order_coef=0))
    other, _ = after_updates(make_config(method="idaac"))
    assert all(torch.equal(weights[name], weight) for name, weight in daac.items())
    assert not torch.equal(weights["fc.weight"], other["fc.weight"])
    assert torch.equal(weights["value_encoder.fc.weight"], other["value_encoder.fc.weight"])
    for one, two in zip(figures, same, strict=True):
        assert {**vars(one), "aug_policy_loss": 0} == {**vars(two), "aug_policy_loss": 0}
        assert one.aug_policy_loss == 0 < two.aug_policy_loss


def test_the_policy_learns_as_ppo_with_a_loss_less() -> None:
    """Without the advantage's weight DAAC's policy is PPO's of one epoch and value_coef 0."""
    common: dict[str, Any] = {"max_grad_norm": 1e9}
    daac = updated(make_config(method="daac", idaac_advantage_coef=0, **common))
    with_advantage = updated(make_config(method="daac", **common))
    ppo = updated(make_config(method="ppo", epochs=1, value_coef=0, **common))
    for name, weight in ppo.items():
        if not name.startswith("value_head"):
            torch.testing.assert_close(daac[name], weight, rtol=0, atol=1e-12)
    assert not torch.equal(daac["fc.weight"], with_advantage["fc.weight"])


@pytest.mark.full
def test_the_encoder_hides_the_order_that_the_classifier_learns() -> None:
    """Brightness is the time, and nothing else trains the encoder: L_E = ln 2 is "cannot tell"."""
    confusion = []
    for coef in (0.0, 1.0):
        config = make_config(
            method="idaac",
            idaac_order_coef=coef,
            idaac_advantage_coef=0,
            entropy_coef=0,
            idaac_policy_epochs=4,
            idaac_value_epochs=1,
            learning_rate=1e-3,
        )
        learner = learner_of(config)
        rollout = random_rollout()
        rollout.dones.zero_()
        rollout.advantages.zero_()
        rollout.obs.copy_(30 * torch.arange(8)[:, None, None, None, None].expand_as(rollout.obs))
        for _ in range(8):
            stats = learner.update(rollout, None)
        confusion.append(stats.aug_policy_loss)
    assert confusion[0] > math.log(2) + 0.02
    assert confusion[1] == pytest.approx(math.log(2), abs=0.005)


def test_the_value_is_trained_when_it_is_its_turn() -> None:
    learner = learner_of(make_config(method="daac", idaac_value_every=2, idaac_value_epochs=3))
    network = learner.network
    moved, steps, losses = [], [], []
    for seed in range(4):
        before = copy.deepcopy(network.state_dict())
        ticks: list[int] = []
        expected = learner.num_gradient_steps
        stats = learner.update(random_rollout(seed), None, lambda ticks=ticks: ticks.append(1))
        assert len(ticks) == expected
        assert not torch.equal(network.fc.weight, before["fc.weight"])
        moved.append(not torch.equal(network.value_head.weight, before["value_head.weight"]))
        steps.append(len(ticks))
        losses.append(stats.value_loss)
    assert moved == [True, False, True, False]
    assert steps == [16, 4, 16, 4]
    assert losses[0] == losses[1] != losses[2] == losses[3]


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("policy_head.bias", "in the policy network, in gradient step 1 of 4"),
        ("value_head.bias", "value_loss, grad_norm are NaN.*in the value network, in.*1 of 36"),
        ("classifier.output.bias", "in the order classifier, in gradient step 1 of 4"),
    ],
)
def test_what_is_not_finite_is_named(which: str, message: str) -> None:
    learner = learner_of(make_config(method="idaac"))
    with torch.no_grad():
        learner.network.get_parameter(which).fill_(float("nan"))
    with pytest.raises(NonFinite, match=message):
        learner.update(random_rollout(), None)


def test_there_is_no_augmentation() -> None:
    learner = learner_of(make_config(method="daac"))
    with pytest.raises(ValueError, match="use no augmentation"):
        learner.update(random_rollout(), augmentations.make("crop"))
