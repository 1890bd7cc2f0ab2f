"""The gradient step: the released code's, for any micro-batch size, with and without DrAC."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from checkout import GOLDEN
from small_updates import (
    largest_difference,
    learner_of,
    network_for,
    random_rollout,
    updated,
)
from small_updates import make_config as small_config
from torch import Tensor
from torch.nn import functional as F

from drac.arms.build import build_augmentations
from drac.config import TrainConfig
from drac.learner import Learner
from drac.networks import ActorCritic
from drac.rollout import Minibatch

full = pytest.mark.full


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    arrays: dict[str, Tensor] = {}
    for name in ("network", "update"):
        with np.load(GOLDEN / f"{name}.npz") as file:
            numeric = (key for key in file.files if file[key].dtype.kind in "fiub")
            arrays |= {key: torch.from_numpy(np.asarray(file[key])) for key in numeric}
    return arrays


def make_config(**options: Any) -> TrainConfig:
    return small_config(hidden_size=32, minibatches=1, **options)


def golden_minibatch(golden: dict[str, Tensor]) -> Minibatch:
    return Minibatch(
        obs=golden["obs"].permute(0, 3, 1, 2),
        **{k: golden[k] for k in ("actions", "old_log_probs", "old_values", "returns")},
        advantages=golden["advantages"],
    )


def golden_network(golden: dict[str, Tensor]) -> ActorCritic:
    network = ActorCritic(15, hidden_size=32, residual="released")
    network.load_state_dict({k[2:]: v for k, v in golden.items() if k.startswith("w/")})
    return network


@pytest.mark.parametrize("micro_batch", [64, 20])
def test_one_step_is_that_of_the_released_code(golden: dict[str, Tensor], micro_batch: int) -> None:
    network = golden_network(golden)
    config = make_config(method="drac-flip", fidelity="released", micro_batch=micro_batch)
    minibatch = golden_minibatch(golden)
    augmented = (minibatch.obs / 255).flip(3) * 0.8 + 0.05
    stats = Learner(network, config).step(minibatch, augmented, golden["target_actions"])
    for name in ("value_loss", "policy_loss", "entropy", "aug_value_loss", "aug_policy_loss"):
        assert getattr(stats, name) == pytest.approx(golden[name].item(), abs=1e-5), name
    assert stats.grad_norm == pytest.approx(golden["grad_norm"].item(), abs=1e-4)
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(weight, golden[f"after/{name}"], rtol=0, atol=1e-4)


def test_the_loss_of_the_paper_preset_is_the_equation(golden: dict[str, Tensor]) -> None:
    """An oracle that writes equation 5 out with torch's own distributions, in one batch."""
    config = make_config(method="drac-flip")
    network = ActorCritic(15, hidden_size=32, generator=torch.Generator().manual_seed(0)).double()
    minibatch = golden_minibatch(golden)
    obs = minibatch.obs.double() / 255
    augmented = obs.flip(3)
    policy, value = network(obs)
    policy_aug, value_aug = network(augmented)
    pi = torch.distributions.Categorical(logits=policy)
    pi_aug = torch.distributions.Categorical(logits=policy_aug)
    fixed = torch.distributions.Categorical(logits=policy.detach())
    ratio = (pi.log_prob(minibatch.actions) - minibatch.old_log_probs).exp()
    surrogate = torch.stack([ratio, ratio.clip(0.8, 1.2)]) * minibatch.advantages
    old, target = minibatch.old_values, minibatch.returns
    clipped = torch.stack([value, old + (value - old).clip(-0.2, 0.2)])
    loss = (
        -surrogate.min(0).values.mean()
        + 0.5 * 0.5 * ((clipped - target) ** 2).max(0).values.mean()
        - 0.01 * pi.entropy().mean()
        + 0.1 * torch.distributions.kl_divergence(fixed, pi_aug).mean()
        + 0.1 * F.mse_loss(value_aug, value.detach())
    )
    expected = torch.autograd.grad(loss, list(network.parameters()))
    minibatch = Minibatch(minibatch.obs / 255, *list(vars(minibatch).values())[1:])

    taken: dict[str, Tensor] = {}
    learner = Learner(network, config)
    learner.config = config.model_copy(update={"max_grad_norm": 1e9})
    learner.optimizer.step = lambda: taken.update(  # type: ignore[assignment,method-assign]
        {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
    )
    minibatch = Minibatch(obs, *list(vars(minibatch).values())[1:])
    learner.step(minibatch, augmented)
    assert len(taken) == len(expected)
    for name, gradient in zip(taken, expected, strict=True):
        torch.testing.assert_close(taken[name], gradient, rtol=1e-5, atol=1e-8, msg=name)


METHODS: list[Any] = [
    ("ppo", {}),
    *((f"drac-{name}", {}) for name in ("crop", "random-conv")),
    *(pytest.param(f"drac-{name}", {}, marks=full) for name in ("flip", "color-jitter")),
    ("daac", {"idaac_value_epochs": 2}),
    ("idaac", {"idaac_value_epochs": 2}),
    ("rand-fm", {"clean_probability": 0}),
    ("ibac-sni", {}),
    ("mixreg", {}),
    *((name, {"phasic_updates": 2, "phasic_epochs": 2}) for name in ("ppg", "dcpg", "ddcpg")),
    *((name, {}) for name in ("reinforce", "reinforce-baseline", "a2c", "trpo", "ppo-lstm")),
    ("drac-crop", {"recurrent": True}),
]


@pytest.mark.parametrize("micro_batch", [5, *(pytest.param(size, marks=full) for size in (1, 16))])
@pytest.mark.parametrize(("method", "options"), METHODS)
def test_micro_batches_do_not_change_the_update(
    method: str, options: dict[str, Any], micro_batch: int
) -> None:
    number = 2 if method in ("daac", "idaac", "ppg", "dcpg", "ddcpg") else 1
    whole = updated(small_config(method=method, micro_batch=64, **options), number)
    parts = updated(small_config(method=method, micro_batch=micro_batch, **options), number)
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, rtol=0, atol=1e-9)


def test_without_weight_the_regularization_is_ppo() -> None:
    ppo = updated(small_config(method="ppo"))
    none = updated(small_config(method="drac-flip", aug_coef=0))
    drac = updated(small_config(method="drac-flip"))
    assert all(torch.equal(ppo[name], none[name]) for name in ppo)
    assert not torch.equal(ppo["fc.weight"], drac["fc.weight"])


def test_the_identity_regularizes_nothing_but_the_sampled_target_does() -> None:
    """KL(pi || pi) is stationary; the released code's cross-entropy sharpens the policy."""
    ppo, exact, sampled = (
        updated(small_config(minibatches=1, epochs=1, **options))
        for options in (
            {"method": "ppo"},
            {"method": "drac-identity"},
            {"method": "drac-identity", "policy_target": "sampled"},
        )
    )
    assert largest_difference(ppo, exact) < 1e-9
    assert largest_difference(ppo, sampled) > 1e-6


def test_update_reports_every_gradient_step() -> None:
    learner = learner_of(small_config(method="ppo", epochs=3))
    ticks: list[int] = []
    stats = learner.update(random_rollout(), None, on_step=lambda: ticks.append(1))
    assert len(ticks) == 12
    assert stats.aug_policy_loss == stats.aug_value_loss == 0
    assert stats.grad_norm > 0


@pytest.mark.parametrize("before", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"method": "drac-crop", "fidelity": "released"},
        {"method": "daac", "idaac_value_every": 2, "idaac_value_epochs": 1},
        {"method": "idaac", "idaac_value_every": 2, "idaac_value_epochs": 1},
        {"method": "trpo"},
    ],
    ids=lambda options: options["method"],
)
def test_the_state_continues_the_update(options: dict[str, Any], before: int) -> None:
    config = small_config(**options)
    (augmentation,) = build_augmentations(config).values()
    learner, other = learner_of(config), learner_of(config, network_for(config, seed=9))
    for seed in range(before):
        learner.update(random_rollout(seed), augmentation)
    other.network.load_state_dict(copy.deepcopy(learner.network.state_dict()))
    other.load_state_dict(copy.deepcopy(learner.state_dict()))
    figures = [each.update(random_rollout(7), augmentation) for each in (learner, other)]
    assert figures[0] == figures[1]
    assert all(map(torch.equal, learner.network.parameters(), other.network.parameters()))
