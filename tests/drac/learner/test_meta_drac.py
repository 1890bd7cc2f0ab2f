"""meta-drac: the gradient through the inner step, and that the convolution learns by it."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from small_updates import random_rollout
from torch import Tensor
from torch.nn import functional as F

from augmentations.testing import check_augmentation
from drac.config import TrainConfig
from drac.learner import Learner
from drac.learner.meta_drac import LearnedConv, MetaLearner, learned_conv
from drac.networks import ActorCritic
from drac.objectives.objective import make as make_objective
from drac.rollout import Minibatch, Rollout

NUMBER, ACTIONS = 20, 4


def make_config(**options: Any) -> TrainConfig:
    small = {"num_envs": 4, "num_steps": 8, "hidden_size": 8, "minibatches": 2, "epochs": 1}
    run = {"method": "meta-drac", "device": "cpu", "precision": "float32"}
    return TrainConfig(**{**small, **run, **options})


def make_learner(config: TrainConfig, double: bool = False) -> MetaLearner:
    generator = torch.Generator().manual_seed(1)
    network = ActorCritic(ACTIONS, (3, 8, 8), 8, generator=generator)
    with torch.no_grad():  # initial policies are all but uniform
        network.policy_head.weight *= 50
    if double:
        network = network.double()
    generators = (torch.Generator().manual_seed(seed) for seed in (1, 2, 3))
    return MetaLearner(network, config, *generators, make_objective(config))


def make_samples(double: bool = False) -> Minibatch:
    generator = torch.Generator().manual_seed(0)
    dtype = torch.float64 if double else torch.float32
    normal = torch.randn(4, NUMBER, generator=generator, dtype=dtype)
    return Minibatch(
        obs=torch.rand(NUMBER, 3, 8, 8, generator=generator, dtype=dtype),
        actions=torch.randint(ACTIONS, (NUMBER,), generator=generator),
        old_log_probs=-1.4 + 0.05 * normal[0],
        old_values=0.3 * normal[1],
        returns=normal[2],
        advantages=normal[3],
    )


def make_rollout() -> Rollout:
    return random_rollout(0, 8, 4, size=8, num_actions=ACTIONS)


def make_phi(double: bool = False) -> dict[str, Tensor]:
    conv = LearnedConv(torch.Generator().manual_seed(5))
    dtype = torch.float64 if double else torch.float32
    return {"weight": conv.weight.to(dtype), "bias": conv.bias.to(dtype) + 0.1}


def slow_outer_loss(learner: MetaLearner, samples: Minibatch, phi: dict[str, Tensor]) -> float:
    """An oracle: a copy of the network takes the step with plain autograd and torch's own SGD.

    Its losses are written with torch.distributions from the equations of PPO and DrAC. The first
    15 samples are the inner step's, the other 5 the outer loss's.
    """
    network = copy.deepcopy(learner.network)
    inner, outer = samples[slice(0, 15)], samples[slice(15, 20)]

    def ppo(batch: Minibatch) -> tuple[Tensor, Tensor, Tensor]:
        logits, value = network(batch.obs)
        policy = torch.distributions.Categorical(logits=logits)
        ratio = (policy.log_prob(batch.actions) - batch.old_log_probs).exp()
        both = torch.stack([ratio, ratio.clip(0.8, 1.2)]) * batch.advantages
        near = batch.old_values + (value - batch.old_values).clip(-0.2, 0.2)
        errors = (torch.stack([value, near]) - batch.returns) ** 2
        loss = -both.min(0).values.mean() + 0.25 * errors.max(0).values.mean()
        return loss - 0.01 * policy.entropy().mean(), logits, value

    loss, logits, value = ppo(inner)
    images = F.conv2d(inner.obs, phi["weight"], phi["bias"], padding=1)
    logits_aug, value_aug = network(images)
    target = torch.distributions.Categorical(logits=logits.detach())
    policy_aug = torch.distributions.Categorical(logits=logits_aug)
    divergence = torch.distributions.kl_divergence(target, policy_aug).mean()
    loss = loss + 0.1 * (divergence + F.mse_loss(value_aug, value.detach()))
    loss.backward()
    torch.optim.SGD(network.parameters(), lr=learner.config.meta_inner_lr).step()
    with torch.no_grad():
        return ppo(outer)[0].item()


SPLIT = (torch.arange(15), torch.arange(15, 20))


@pytest.mark.parametrize("micro_batch", [4, pytest.param(128, marks=pytest.mark.full)])
def test_the_gradient_through_the_inner_step_is_that_of_finite_differences(
    micro_batch: int,
) -> None:
    """In float64, for every weight of the convolution, against the slow oracle."""
    learner = make_learner(make_config(meta_inner_lr=0.5, micro_batch=micro_batch), double=True)
    samples, phi = make_samples(double=True), make_phi(double=True)
    loss, gradients = learner.outer_gradient(samples, *SPLIT, phi)
    assert loss.item() == pytest.approx(slow_outer_loss(learner, samples, phi), rel=1e-10)
    step = 1e-6
    for name, value in phi.items():
        for index in itertools.product(*map(range, value.shape)):
            around = []
            for sign in (1, -1):
                moved = {key: weight.clone() for key, weight in phi.items()}
                moved[name][index] += sign * step
                around.append(slow_outer_loss(learner, samples, moved))
            expected = (around[0] - around[1]) / (2 * step)
            assert gradients[name][index].item() == pytest.approx(expected, rel=1e-3, abs=1e-7)
    assert gradients["weight"].abs().max() > 1e-3


def test_the_gradient_vanishes_without_regularization() -> None:
    """With aug_coef=0 the inner step is PPO's: the convolution has no part in it."""
    learner = make_learner(make_config(meta_inner_lr=0.5, aug_coef=0), double=True)
    _, gradients = learner.outer_gradient(make_samples(double=True), *SPLIT, make_phi(double=True))
    assert all(not gradient.any() for gradient in gradients.values())


@pytest.mark.parametrize("target", ["exact", "sampled"])
def test_the_outer_loss_falls_on_a_toy_problem(target: str) -> None:
    """The agent stands still; the convolution alone makes its step on the first part better."""
    config = make_config(
        meta_inner_lr=0.5, meta_learning_rate=0.02, aug_coef=1, policy_target=target
    )
    learner = make_learner(config)
    samples, conv = make_samples(), LearnedConv(torch.Generator().manual_seed(5))
    agent = copy.deepcopy(learner.network.state_dict())
    outer = []
    for _ in range(40):
        learner.split_generator = torch.Generator().manual_seed(0)
        learner.target_generator.manual_seed(0)
        learner.meta_step(samples, conv)
        outer.append(learner.outer_loss)
    assert outer[-1] < outer[0] - 0.01
    assert all(torch.equal(agent[name], w) for name, w in learner.network.state_dict().items())


def test_nine_tenths_are_for_the_inner_step(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make_learner(make_config())
    seen: list[tuple[Tensor, Tensor]] = []

    def spy(samples: Minibatch, first: Tensor, second: Tensor, phi: Any) -> tuple[Tensor, Any]:
        seen.append((first, second))
        return torch.zeros(()), {name: torch.zeros_like(weight) for name, weight in phi.items()}

    monkeypatch.setattr(learner, "outer_gradient", spy)
    for _ in range(2):
        learner.meta_step(make_samples(), LearnedConv())
    for first, second in seen:
        assert (len(first), len(second)) == (18, 2)
        assert sorted(torch.cat([first, second]).tolist()) == list(range(NUMBER))
    assert seen[0][0].tolist() != seen[1][0].tolist()


def test_the_convolution_moves_in_paper_and_stays_in_released() -> None:
    for fidelity, moves in (("paper", True), ("released", False)):
        config = make_config(fidelity=fidelity)
        learner, conv = make_learner(config), learned_conv(config)
        before = {name: weight.clone() for name, weight in conv.state_dict().items()}
        learner.update(make_rollout(), conv)
        moved = [not torch.equal(before[n], w) for n, w in conv.state_dict().items()]
        assert moved == [moves] * 2
        assert (learner.outer_loss is not None) == moves


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_the_agents_first_update_is_dracs_with_that_convolution(fidelity: str) -> None:
    """And it is not PPO's: the convolution regularizes."""
    config = make_config(fidelity=fidelity)
    learner, conv = make_learner(config), learned_conv(config)
    plain, ppo = make_learner(config), make_learner(config)
    fixed = copy.deepcopy(conv)
    learner.update(make_rollout(), conv)
    Learner.update(plain, make_rollout(), fixed)
    Learner.update(ppo, make_rollout(), None)
    weights = [dict(each.network.state_dict()) for each in (learner, plain, ppo)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["fc.weight"], weights[2]["fc.weight"])


# The augmentation


def test_the_convolution_is_an_augmentation() -> None:
    check_augmentation(LearnedConv(torch.Generator().manual_seed(1)))
    assert not any(weight.requires_grad for weight in LearnedConv().state_dict().values())


def test_it_begins_as_the_released_codes_and_another_one_for_each_seed() -> None:
    """Xavier-uniform within sqrt(6 / (27 + 27)) = 1/3, bias 0."""
    weights = torch.stack([learned_conv(make_config(seed=seed)).weight for seed in range(40)])
    assert weights.abs().max() <= 1 / 3
    assert weights.abs().max() > 0.33
    assert abs(weights.mean()) < 0.02
    assert len({tuple(weight.flatten().tolist()) for weight in weights}) == 40
    assert not learned_conv(make_config()).bias.any()
    assert torch.equal(weights[0], learned_conv(make_config()).weight)
