"""The methods that take DrAC apart: rad, dra, drc, rand-drac, ucb-rad.

Losses are compared with loops over single samples that are written here from the papers'
equations; whole small trainings with each other, bit for bit.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from small_updates import minibatch_of, network_of, ppo_losses
from tiny_runs import tiny_config, tiny_training
from torch import Tensor

import augmentations
from drac.arms.selectors import uniform
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.objective import make as make_objective
from drac.stats import Report
from drac.train import iterate


@dataclass
class Trained:
    """The weights after a training, and the reports of its updates without the arms' names."""

    weights: dict[str, Tensor]
    reports: list[Report]
    arms: list[str]

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Trained)
        same = all(torch.equal(self.weights[name], other.weights[name]) for name in self.weights)
        return same and self.reports == other.reports


def trained(**options: Any) -> Trained:
    training = tiny_training(tiny_config(**options))
    reports = list(iterate(training))
    assert len(reports) == 3
    arms = [report.arm for report in reports]
    plain = [dataclasses.replace(report, arm="", arms=()) for report in reports]
    return Trained(dict(training.network.state_dict()), plain, arms)


# Whole trainings


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_rad_with_the_identity_is_ppo_bit_for_bit(fidelity: str) -> None:
    ppo = trained(method="ppo", fidelity=fidelity)
    assert trained(method="rad-identity", fidelity=fidelity) == ppo
    assert trained(method="rad-crop", fidelity=fidelity) != ppo


def test_without_weight_the_ablations_are_ppo_and_with_it_they_are_three_methods() -> None:
    ppo = trained(method="ppo").weights
    found = [ppo["fc.weight"]]
    for name in ("dra-flip", "drc-flip", "drac-flip"):
        without = trained(method=name, aug_coef=0).weights
        assert all(torch.equal(without[key], ppo[key]) for key in ppo)
        found.append(trained(method=name).weights["fc.weight"])
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(found, 2))


def test_rads_old_log_probabilities_come_from_clean_images() -> None:
    """What the rollout keeps is what the policy says of its own, unchanged images."""
    training = tiny_training(tiny_config(method="rad-random-conv"))
    network = copy.deepcopy(training.network)
    next(iterate(training))
    samples = training.rollout.samples()
    clean = samples.obs.float() / 255
    conv = training.augmentations["random-conv"]
    assert conv is not None
    for images, same in ((clean, True), (conv(clean), False)):
        with torch.no_grad():
            logits, values = network(images)
        log_probs = logits.log_softmax(1).gather(1, samples.actions[:, None]).squeeze(1)
        found = torch.allclose(log_probs, samples.old_log_probs, rtol=0, atol=1e-5)
        assert found == same
        assert torch.allclose(values, samples.old_values, rtol=0, atol=1e-5) == same


# The arms of rand-drac


def test_rand_dracs_arms_are_uniform_and_independent() -> None:
    """8,000 choices, and as many pairs of successive ones, against their chi-squared law."""
    config = TrainConfig(method="rand-drac")
    selector = uniform(config, config.arms)
    chosen = []
    for _ in range(8001):
        chosen.append(selector.select())
        selector.update(chosen[-1], 100.0 if chosen[-1] == "flip" else 0.0)  # not looked at
    counts = collections.Counter(chosen[1:])
    pairs = collections.Counter(itertools.pairwise(chosen))
    assert counts.keys() == {*config.arms}
    assert len(pairs) == 64
    assert chisquare([counts[arm] for arm in config.arms]).pvalue > 1e-3
    assert chisquare(list(pairs.values())).pvalue > 1e-3


def test_rand_drac_draws_anew_for_every_seed_and_alike_for_one() -> None:
    def arms(seed: int) -> list[str]:
        config = TrainConfig(method="rand-drac", seed=seed)
        selector = uniform(config, config.arms)
        return [selector.select() for _ in range(20)]

    assert arms(0) == arms(0)
    assert arms(0) != arms(1)
    assert trained(method="rand-drac").arms == arms(0)[:3]


# The losses


class Setting:
    """A network, samples and their augmented images, in float64."""

    def __init__(self, seed: int = 0) -> None:
        self.network = network_of(ActorCritic, seed)
        self.samples = minibatch_of(12, seed)
        generator = torch.Generator().manual_seed(seed)
        self.obs_aug = augmentations.make("crop(padding=4)")(self.samples.obs, generator)

    def loss(self, method: str, draws: dict[str, Tensor] | None = None, **options: Any) -> Tensor:
        objective = make_objective(TrainConfig(method=method, **options))
        inputs = Inputs(self.samples, self.samples.obs, self.obs_aug, draws or {})
        return objective(self.network, inputs)[0]

    def gradient(self, method: str, **options: Any) -> Tensor:
        loss = self.loss(method, **options)
        gradients = torch.autograd.grad(loss, list(self.network.parameters()))
        return torch.cat([gradient.flatten() for gradient in gradients])

    @torch.no_grad()
    def outputs(self, images: Tensor, row: int) -> tuple[Tensor, Tensor]:
        """Logits (A,) and value () of one image."""
        logits, value = self.network(images[row : row + 1])
        return logits[0], value[0]


def ppo_of_one(setting: Setting, images: Tensor, row: int) -> float:
    """PPO's loss of one sample (Schulman et al. 2017, equation 9), the value clipped too."""
    _, action, *others = (values[row] for values in setting.samples.tensors().values())
    policy, value, entropy = ppo_losses(*setting.outputs(images, row), int(action), *others)
    return float(policy + 0.5 * value - 0.01 * entropy)


def regularizers_of_one(
    setting: Setting, row: int, target: int | None = None
) -> tuple[float, float]:
    """G_pi and G_V of one sample (Raileanu et al. 2021, equations 3 and 4)."""
    logits, value = setting.outputs(setting.samples.obs, row)
    logits_aug, value_aug = setting.outputs(setting.obs_aug, row)
    policy, policy_aug = (of.softmax(0).tolist() for of in (logits, logits_aug))
    divergence = sum(p * math.log(p / q) for p, q in zip(policy, policy_aug, strict=True))
    if target is not None:  # the released code's estimate
        divergence = -math.log(policy_aug[target])
    return divergence, float(value - value_aug) ** 2


@pytest.mark.parametrize(
    ("method", "policy_weight", "value_weight"),
    [("drac-crop", 1, 1), ("rand-drac", 1, 1), ("dra-crop", 1, 0), ("drc-crop", 0, 1)],
)
@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_drac_and_its_halves_are_their_equations(
    method: str, policy_weight: int, value_weight: int, fidelity: str
) -> None:
    setting = Setting()
    released = fidelity == "released"
    targets = torch.arange(12) % 5
    expected = 0.0
    for row in range(12):
        target = int(targets[row]) if released else None
        policy, value = regularizers_of_one(setting, row, target)
        value *= 0.5 if released else 1
        regularizer = policy_weight * policy + value_weight * value
        expected += (ppo_of_one(setting, setting.samples.obs, row) + 0.1 * regularizer) / 12
    draws = {"target_actions": targets} if released else {}
    assert setting.loss(method, draws, fidelity=fidelity).item() == pytest.approx(expected, 1e-9)
    assert abs(setting.loss("ppo").item() - expected) > 1e-4


@pytest.mark.parametrize("method", ["rad-crop", "ucb-rad", "rad-best"])
def test_rad_is_ppos_loss_of_augmented_images(method: str) -> None:
    setting = Setting()
    expected = sum(ppo_of_one(setting, setting.obs_aug, row) for row in range(12)) / 12
    assert setting.loss(method).item() == pytest.approx(expected, 1e-9)
    assert abs(setting.loss("ppo").item() - expected) > 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_the_gradients_of_dra_and_drc_add_up_to_dracs(seed: int) -> None:
    """dra + drc - ppo = drac; neither half is zero, and the halves differ."""
    setting = Setting(seed)
    names = ("ppo", "dra-crop", "drc-crop", "drac-crop")
    ppo, dra, drc, drac = (setting.gradient(name) for name in names)
    torch.testing.assert_close(dra + drc - ppo, drac, rtol=1e-9, atol=1e-12)
    assert min((dra - ppo).norm(), (drc - ppo).norm(), (dra - drc).norm()) > 1e-3


def test_dra_leaves_the_critics_head_alone_and_drc_the_policys() -> None:
    setting = Setting()

    def of(method: str, head: torch.nn.Linear) -> Tensor:
        return torch.autograd.grad(setting.loss(method), [head.weight])[0]

    policy, value = setting.network.policy_head, setting.network.value_head
    torch.testing.assert_close(of("dra-crop", value), of("ppo", value))
    torch.testing.assert_close(of("drc-crop", policy), of("ppo", policy))
    assert not torch.allclose(of("dra-crop", policy), of("ppo", policy))
    assert not torch.allclose(of("drc-crop", value), of("ppo", value))
