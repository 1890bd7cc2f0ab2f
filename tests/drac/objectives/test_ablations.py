"""The methods that take DrAC apart: rad, dra, drc, rand-drac, ucb-rad.

Losses are compared with loops over single samples that are written here from the papers'
equations; whole small trainings with each other, bit for bit.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

import augmentations
from drac.arms.selectors import uniform
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.objective import make as make_objective
from drac.rollout import Minibatch
from drac.runs import checkpoint
from drac.stats import Report
from drac.train import iterate
from drac.train.state import Training

SMALL: dict[str, Any] = {
    "game": "starpilot",
    "num_envs": 4,
    "num_steps": 16,
    "steps": 192,  # three updates
    "minibatches": 4,
    "epochs": 1,
    "hidden_size": 16,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "env_groups": 1,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(**options: Any) -> TrainConfig:
    return TrainConfig(**{**SMALL, **options})


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


def trained(stop_after: int = 0, folder: Path | None = None, **options: Any) -> Trained:
    """Train on real Procgen; stop after some updates and go on from a checkpoint in a folder."""
    training = Training(small(**options))
    updates = iterate(training)
    reports = list(itertools.islice(updates, stop_after or None))
    if folder:
        path = checkpoint.save(folder, training.step, {"training": training.state_dict()})
        training.env.close()
        training = Training(small(**options))
        training.load_state_dict(checkpoint.load(path)["training"])
        reports += iterate(training)
    training.env.close()
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
    training = Training(small(method="rad-random-conv", steps=64))
    before = {name: w.clone() for name, w in training.network.state_dict().items()}
    next(iterate(training))
    network = ActorCritic(15, hidden_size=16)
    network.load_state_dict(before)
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
    training.env.close()


@pytest.mark.parametrize(
    "options",
    [
        {"method": "rand-drac", "fidelity": "released"},
        {"method": "ucb-rad", "arms": ("flip", "cutout-color", "random-conv")},
        {"method": "rad-random-conv"},
        {"method": "dra-color-jitter", "fidelity": "released"},
        {"method": "drc-cutout-color"},
        {"method": "rad-best"},
    ],
    ids=lambda options: options["method"],
)
def test_a_continued_run_has_the_bits_of_a_straight_one(
    options: dict[str, Any], tmp_path: Path
) -> None:
    straight, continued = trained(**options), trained(1, tmp_path, **options)
    assert continued == straight
    assert continued.arms == straight.arms


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


def samples_of(generator: torch.Generator, number: int) -> Minibatch:
    normal = torch.randn(4, number, generator=generator, dtype=torch.float64)
    return Minibatch(
        obs=torch.rand(number, 3, 16, 16, generator=generator, dtype=torch.float64),
        actions=torch.randint(5, (number,), generator=generator),
        old_log_probs=-math.log(5) + 0.3 * normal[0],
        old_values=0.3 * normal[1],
        returns=normal[2],
        advantages=normal[3],
    )


class Setting:
    """A network, samples and their augmented images, in float64."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.network = ActorCritic(5, (3, 16, 16), 16, generator=generator).double()
        with torch.no_grad():  # initial policies are all but uniform
            self.network.policy_head.weight *= 100
        self.samples = samples_of(generator, 12)
        self.obs_aug = augmentations.make("crop(padding=4)")(self.samples.obs, generator)

    def loss(self, method: str, draws: dict[str, Tensor] | None = None, **options: Any) -> Tensor:
        objective = make_objective(TrainConfig(method=method, **options))
        inputs = Inputs(self.samples, self.samples.obs, self.obs_aug, draws or {})
        return objective(self.network, inputs)[0]

    def gradient(self, method: str, **options: Any) -> Tensor:
        loss = self.loss(method, **options)
        gradients = torch.autograd.grad(loss, list(self.network.parameters()))
        return torch.cat([gradient.flatten() for gradient in gradients])

    def outputs(self, images: Tensor, row: int) -> tuple[list[float], float]:
        """Probabilities and value of one image."""
        with torch.no_grad():
            logits, value = self.network(images[row : row + 1])
        exponents = [math.exp(logit) for logit in logits[0].tolist()]
        return [e / sum(exponents) for e in exponents], value.item()


def ppo_of_one(setting: Setting, images: Tensor, row: int) -> float:
    """PPO's loss of one sample (Schulman et al. 2017, equation 9), the value clipped too."""
    samples = setting.samples
    policy, value = setting.outputs(images, row)
    action, advantage = int(samples.actions[row]), samples.advantages[row].item()
    ratio = policy[action] / math.exp(samples.old_log_probs[row].item())
    surrogate = min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
    old, target = samples.old_values[row].item(), samples.returns[row].item()
    clipped = old + min(max(value - old, -0.2), 0.2)
    value_loss = 0.5 * max((value - target) ** 2, (clipped - target) ** 2)
    entropy = -sum(p * math.log(p) for p in policy)
    return -surrogate + 0.5 * value_loss - 0.01 * entropy


def regularizers_of_one(
    setting: Setting, row: int, target: int | None = None
) -> tuple[float, float]:
    """G_pi and G_V of one sample (Raileanu et al. 2021, equations 3 and 4)."""
    policy, value = setting.outputs(setting.samples.obs, row)
    policy_aug, value_aug = setting.outputs(setting.obs_aug, row)
    divergence = sum(p * math.log(p / q) for p, q in zip(policy, policy_aug, strict=True))
    if target is not None:  # the released code's estimate
        divergence = -math.log(policy_aug[target])
    return divergence, (value - value_aug) ** 2


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
