"""The gradient step: the released code's, for any micro-batch size, with and without DrAC."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from checkout import GOLDEN
from torch import Tensor
from torch.nn import functional as F

import augmentations
from drac.config import TrainConfig
from drac.learner import Learner
from drac.networks import ActorCritic
from drac.networks.sampling import sample_actions
from drac.rollout import Minibatch, Rollout


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    arrays: dict[str, Tensor] = {}
    for name in ("network", "update"):
        with np.load(GOLDEN / f"{name}.npz") as file:
            numeric = (key for key in file.files if file[key].dtype.kind in "fiub")
            arrays |= {key: torch.from_numpy(np.asarray(file[key])) for key in numeric}
    return arrays


def make_config(**options: Any) -> TrainConfig:
    small = {"num_envs": 8, "num_steps": 8, "hidden_size": 32, "minibatches": 1}
    return TrainConfig(precision="float32", device="cpu", **{**small, **options})


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


def random_rollout(seed: int, num_steps: int = 8, num_envs: int = 8, size: int = 16) -> Rollout:
    generator = torch.Generator().manual_seed(seed)
    rollout = Rollout(num_steps, num_envs, (size, size, 3))
    rollout.obs.random_(0, 256, generator=generator)
    rollout.actions.random_(0, 5, generator=generator)
    for tensor in (rollout.values, rollout.advantages, rollout.returns):
        tensor.normal_(generator=generator)
    rollout.log_probs.fill_(-np.log(5))
    return rollout


def updated(config: TrainConfig, augmentation: str | None) -> dict[str, Tensor]:
    network = ActorCritic(
        5, (3, 16, 16), 16, config.residual, torch.Generator().manual_seed(0)
    ).double()
    rollout = random_rollout(0)
    for name in ("log_probs", "values", "rewards", "advantages", "returns"):
        setattr(rollout, name, getattr(rollout, name).double())
    generators = (torch.Generator().manual_seed(seed) for seed in (1, 2, 3))
    learner = Learner(network, config, *generators)
    made = augmentations.make(augmentation) if augmentation else None
    with float64_images():
        learner.update(rollout, made)
    return network.state_dict()


class float64_images:
    """Let the learner scale images to float64, so that rounding cannot hide a difference."""

    def __enter__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("drac.learner.learner.as_float", lambda obs: obs.double() / 255)

    def __exit__(self, *error: object) -> None:
        self.patch.undo()


@pytest.mark.parametrize("augmentation", [None, "flip", "crop", "random-conv", "color-jitter"])
@pytest.mark.parametrize("micro_batch", [1, 5, 16])
def test_micro_batches_do_not_change_the_update(augmentation: str | None, micro_batch: int) -> None:
    method = f"drac-{augmentation}" if augmentation else "ppo"
    options: dict[str, Any] = {"method": method, "minibatches": 4, "hidden_size": 16}
    whole = updated(make_config(micro_batch=64, **options), augmentation)
    parts = updated(make_config(micro_batch=micro_batch, **options), augmentation)
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, rtol=0, atol=1e-9)


def test_without_weight_the_regularization_is_ppo() -> None:
    options: dict[str, Any] = {"minibatches": 4, "hidden_size": 16}
    ppo = updated(make_config(method="ppo", **options), None)
    none = updated(make_config(method="drac-flip", aug_coef=0, **options), "flip")
    drac = updated(make_config(method="drac-flip", **options), "flip")
    assert all(torch.equal(ppo[name], none[name]) for name in ppo)
    assert not torch.equal(ppo["fc.weight"], drac["fc.weight"])


def test_the_identity_regularizes_nothing_but_the_sampled_target_does() -> None:
    """KL(pi || pi) is stationary; the released code's cross-entropy sharpens the policy."""
    options: dict[str, Any] = {"minibatches": 1, "hidden_size": 16, "epochs": 1}
    ppo = updated(make_config(method="ppo", **options), None)
    exact = updated(make_config(method="drac-identity", **options), "identity")
    sampled = updated(
        make_config(method="drac-identity", policy_target="sampled", **options), "identity"
    )
    difference = max((ppo[n] - exact[n]).abs().max().item() for n in ppo)
    assert difference < 1e-9
    assert max((ppo[n] - sampled[n]).abs().max().item() for n in ppo) > 1e-6


def test_update_reports_every_gradient_step() -> None:
    config = make_config(method="ppo", minibatches=4, epochs=3, hidden_size=16)
    learner = Learner(ActorCritic(5, (3, 16, 16), 16), config)
    ticks: list[int] = []
    stats = learner.update(random_rollout(0), None, on_step=lambda: ticks.append(1))
    assert len(ticks) == 12
    assert stats.aug_policy_loss == stats.aug_value_loss == 0
    assert stats.grad_norm > 0


def test_the_state_continues_the_update() -> None:
    config = make_config(method="drac-crop", fidelity="released", minibatches=4, hidden_size=16)
    crop = augmentations.make("crop")

    def fresh() -> tuple[ActorCritic, Learner]:
        network = ActorCritic(5, (3, 16, 16), 16, "released", torch.Generator().manual_seed(0))
        return network, Learner(network, config)

    network, learner = fresh()
    learner.update(random_rollout(0), crop)
    weights = {name: weight.clone() for name, weight in network.state_dict().items()}
    other_network, other = fresh()
    other_network.load_state_dict(weights)
    other.load_state_dict(copy.deepcopy(learner.state_dict()))
    learner.update(random_rollout(1), crop)
    other.update(random_rollout(1), crop)
    assert all(map(torch.equal, network.parameters(), other_network.parameters()))


def test_sampled_actions_follow_the_policy() -> None:
    probabilities = torch.tensor([0.1, 0.2, 0.7])
    logits = probabilities.log().expand(20_000, 3)
    actions = sample_actions(logits, torch.Generator().manual_seed(0))
    counts = torch.bincount(actions, minlength=3) / len(actions)
    torch.testing.assert_close(counts, probabilities, rtol=0, atol=0.01)


def rows_of(minibatches: Iterator[Minibatch]) -> list[int]:
    return [int(action) for minibatch in minibatches for action in minibatch.actions]


def test_minibatches_are_a_partition_of_the_rollout() -> None:
    rollout = Rollout(4, 6, (2, 2, 3))
    rollout.actions.copy_(torch.arange(24).reshape(4, 6))
    rollout.obs[:, :, 0, 0, 0] = torch.arange(24).reshape(4, 6)
    generator = torch.Generator().manual_seed(0)
    batches = list(rollout.minibatches(3, generator))
    assert [len(batch) for batch in batches] == [8, 8, 8]
    assert sorted(rows_of(iter(batches))) == list(range(24))
    assert rows_of(iter(batches)) != list(range(24))
    assert rows_of(rollout.minibatches(3, generator)) != rows_of(iter(batches))
    for batch in batches:
        assert torch.equal(batch.obs[:, 0, 0, 0].long(), batch.actions)
    with pytest.raises(ValueError, match="24 samples do not divide into 5 parts"):
        list(rollout.minibatches(5, generator))


def test_advantages_are_normalized_over_the_whole_rollout() -> None:
    rollout = random_rollout(0)
    advantages = rollout.samples().advantages
    raw = rollout.advantages.flatten()
    expected = (raw - raw.mean()) / (raw.std() + 1e-5)
    torch.testing.assert_close(advantages, expected)
