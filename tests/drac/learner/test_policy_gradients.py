"""The updates of REINFORCE, A2C and TRPO."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from small_updates import (
    PlainAdam,
    images,
    images_in_float64,
    in_float64,
    largest_difference,
    learner_of,
    make_config,
    network_for,
    network_of,
    random_rollout,
)
from torch import Tensor

import augmentations
from drac.config import TrainConfig, build
from drac.errors import ConfigError, NonFinite
from drac.learner.trpo import conjugate_gradients, flat
from drac.networks.two_networks import TwoNetworks
from drac.rollout import Rollout

# One step


def on_policy_rollout(network: Any) -> Rollout:
    """Random steps whose old log-probabilities and values are the network's."""
    rollout = in_float64(random_rollout())
    with torch.no_grad():
        logits, values = network(rollout.obs.flatten(0, 1).permute(0, 3, 1, 2).double() / 255)
    taken = logits.log_softmax(1).gather(1, rollout.actions.flatten()[:, None])
    rollout.log_probs, rollout.values = taken.view(8, 8), values.view(8, 8)
    return rollout


def after_step(config: TrainConfig) -> dict[str, Tensor]:
    network = network_for(config).double()
    learner = learner_of(config, network)
    ticks: list[int] = []
    with images_in_float64():
        learner.update(on_policy_rollout(network), None, lambda: ticks.append(1))
    assert len(ticks) == learner.num_gradient_steps == 1
    return {name: weight.detach() for name, weight in network.named_parameters()}


def test_a2c_takes_the_first_step_of_ppo_on_the_whole_rollout() -> None:
    a2c = after_step(make_config(method="a2c"))
    ppo = after_step(make_config(method="ppo", epochs=1, minibatches=1))
    assert largest_difference(a2c, ppo) < 1e-12
    for other in ("reinforce", "reinforce-baseline"):
        assert largest_difference(a2c, after_step(make_config(method=other))) > 1e-5


def test_reinforce_s_returns_end_with_the_episode_and_with_the_rollout() -> None:
    learner, rollout = learner_of(make_config(method="reinforce", gamma=0.9)), random_rollout()
    learner.update(rollout, None)
    for env in range(8):
        for t in range(8):
            expected, factor = 0.0, 1.0
            for k in range(t, 8):
                expected += factor * float(rollout.rewards[k, env])
                factor *= 0.9
                if rollout.dones[k, env]:
                    break
            assert float(rollout.returns[t, env]) == pytest.approx(expected, abs=1e-5)


def test_one_step_needs_no_minibatches() -> None:
    odd = {"num_envs": 3, "num_steps": 5, "steps": 15}
    assert build({"method": "a2c", **odd}).num_updates == 1
    with pytest.raises(ConfigError, match="15 is not divisible by minibatches 8"):
        build({"method": "ppo", **odd})
    with pytest.raises(ConfigError, match="'a2c' has no option epochs"):
        build({"method": "a2c", "epochs": 4})
    with pytest.raises(ConfigError, match="'reinforce' has no option gae_lambda"):
        build({"method": "reinforce", "gae_lambda": 0.9})


# TRPO


def trpo_learner(network: TwoNetworks | None = None, **options: Any) -> Any:
    network = network_of(TwoNetworks) if network is None else network
    return learner_of(make_config(method="trpo", **options), network)


def log_policy(network: TwoNetworks, obs: Tensor) -> Tensor:
    return network.logits(obs.double() / 255).log_softmax(1)


def learner_of_the_head(**options: Any) -> Any:
    """One whose step is the policy head's alone, so that its Fisher matrix is small."""
    learner = trpo_learner(**options)
    head = learner.network.policy_head
    learner.policy = [head.weight, head.bias]
    return learner


def fisher_matrix(learner: Any, obs: Tensor) -> Tensor:
    """F = E_s E_a~pi[grad log pi(a|s) grad log pi(a|s)^T], (P, P)."""
    matrix = torch.zeros(()).double()
    for image in obs.split(1):
        for log_prob in log_policy(learner.network, image)[0]:
            score = flat(torch.autograd.grad(log_prob, learner.policy, retain_graph=True))
            matrix = matrix + log_prob.detach().exp() * torch.outer(score, score) / len(obs)
    return matrix


def test_the_fisher_product_is_that_of_the_explicit_matrix() -> None:
    """Column by column, of the head."""
    learner, samples = learner_of_the_head(micro_batch=4), random_rollout().samples()[:6]
    matrix = fisher_matrix(learner, samples.obs)
    with images_in_float64():
        units = torch.eye(len(matrix)).double()
        columns = [learner.fisher_product(samples, unit) for unit in units]
    torch.testing.assert_close(torch.stack(columns), matrix, rtol=0, atol=1e-10)
    assert matrix.abs().max() > 1e-3


def test_the_fisher_product_of_the_whole_policy() -> None:
    """Along one vector, from every action's score."""
    learner = trpo_learner()
    network, samples = learner.network, random_rollout().samples()[:3]
    size = flat(learner.policy).numel()
    vector = torch.randn(size, generator=torch.Generator().manual_seed(0)).double()
    expected = torch.zeros(size).double()
    for b in range(3):
        for log_prob in log_policy(network, samples.obs[b : b + 1])[0]:
            score = flat(torch.autograd.grad(log_prob, learner.policy, retain_graph=True))
            expected += log_prob.detach().exp() * score * (score @ vector) / 3
    with images_in_float64():
        found = learner.fisher_product(samples, vector)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_conjugate_gradients_solve_linear_equations() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(12, 12, generator=generator).double()
    matrix, right = root @ root.T + torch.eye(12), torch.randn(12, generator=generator).double()
    found = conjugate_gradients(lambda x: matrix @ x, right, 50)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, right), rtol=1e-4, atol=1e-4)
    assert torch.equal(conjugate_gradients(lambda x: matrix @ x, 0 * right, 50), 0 * right)


def test_a_step_is_the_natural_gradient_s_as_long_as_its_bound() -> None:
    """(F + damping I) x = -grad L, solved outright, with F of a tenth of the samples."""
    options = {"trpo_kl": 1e-4, "trpo_damping": 0.1, "trpo_cg_steps": 60, "entropy_coef": 0.01}
    learner, samples = learner_of_the_head(**options), in_float64(random_rollout()).samples()
    log_probs = log_policy(learner.network, samples.obs)
    taken = log_probs.gather(1, samples.actions[:, None])[:, 0]
    entropy = -(log_probs.exp() * log_probs).sum(1).mean()
    ratio = (taken - taken.detach()).exp()
    loss = -(ratio * samples.advantages).mean() - 0.01 * entropy
    gradient = flat(torch.autograd.grad(loss, learner.policy))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))  # that of `learner_of`
    fisher = fisher_matrix(learner, samples.obs[order[:6]])
    damped = fisher + 0.1 * torch.eye(len(fisher))
    direction = torch.linalg.solve(damped, -gradient)
    step = direction * (2 * 1e-4 / (direction @ damped @ direction)).sqrt()
    begun = flat(learner.policy).detach()
    with images_in_float64():
        learner.step_policy(samples)
    moved = flat(learner.policy).detach() - begun
    torch.testing.assert_close(moved, step, rtol=0, atol=1e-4 * float(step.abs().max()))


def test_the_value_is_fitted_to_the_returns_by_its_own_parameters() -> None:
    """Adam on (V(s) - R)^2 / 2, where nothing moves the policy: all advantages are 0."""
    learner = trpo_learner(entropy_coef=0, trpo_value_epochs=2, minibatches=1)
    network, rollout = learner.network, in_float64(random_rollout())
    rollout.advantages.zero_()
    plain = copy.deepcopy(network)
    adam = PlainAdam(plain.value_parameters(), 5e-4, 1e-5, 0.5)
    for _ in range(2):
        values = plain.value(images(rollout).flatten(0, 1))
        adam.minimize(((values - rollout.returns.flatten()) ** 2).mean() / 2)
    begun = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    with images_in_float64():
        learner.update(rollout, None)
    found = dict(network.named_parameters())
    assert largest_difference(dict(plain.named_parameters()), found) < 1e-9
    assert largest_difference(begun, found) > 5e-4
    assert {*learner.parameters} == {*network.value_parameters()}


@pytest.mark.parametrize("bound", [1e-4, 1e-2, 0.3])
def test_a_step_keeps_its_bound_and_lowers_the_loss(bound: float) -> None:
    learner = trpo_learner(trpo_kl=bound, entropy_coef=0)
    network, samples = learner.network, in_float64(random_rollout()).samples()
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    with torch.no_grad(), images_in_float64():
        old = log_policy(network, samples.obs)
        with torch.enable_grad():
            figures = learner.step_policy(samples)
        new = log_policy(network, samples.obs)
    divergence = (old.exp() * (old - new)).sum(1).mean().item()
    assert 0.05 * bound < divergence <= bound
    assert figures.approx_kl == pytest.approx(divergence, abs=1e-6)
    taken = samples.actions[:, None]
    ratio = (new.gather(1, taken) - old.gather(1, taken)).exp().squeeze(1)
    loss = -(ratio * samples.advantages).mean().item()
    assert loss < -samples.advantages.mean().item()
    assert figures.policy_loss == pytest.approx(loss, abs=1e-6)
    moved = {n for n, w in network.named_parameters() if not torch.equal(w, before[n])}
    assert "fc.weight" in moved
    assert not {name for name in moved if name.startswith("value_")}


def test_a_step_that_nothing_allows_is_not_taken() -> None:
    learner = trpo_learner()
    network, surrogate = learner.network, learner.surrogate
    before = copy.deepcopy(network.state_dict())
    calls: list[int] = []

    def worse(network: TwoNetworks, inputs: Any) -> tuple[Tensor, Tensor]:
        calls.append(1)
        loss, figures = surrogate(network, inputs)
        return loss + len(calls), figures

    learner.surrogate = worse
    learner.step_policy(random_rollout().samples())
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    rollout = random_rollout()
    rollout.advantages.zero_()
    learner = trpo_learner(network, entropy_coef=0)  # whose gradient is 0
    learner.step_policy(rollout.samples())
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_a_policy_that_is_not_finite_is_named(on_nan: str) -> None:
    learner = trpo_learner(on_nan=on_nan)
    with torch.no_grad():
        learner.network.policy_head.bias.fill_(float("nan"))
    message = "NaN or infinite in the policy" if on_nan == "stop" else "was finite in the policy"
    with pytest.raises(NonFinite, match=message):
        learner.update(random_rollout(), None)


def test_there_is_no_augmentation() -> None:
    with pytest.raises(ValueError, match="uses no augmentation"):
        trpo_learner().update(random_rollout(), augmentations.make("crop"))
