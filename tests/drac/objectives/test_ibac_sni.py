"""IBAC-SNI: the loss of its equation, the latent, and PPO where there is neither noise nor KL."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_updates import (
    largest_difference,
    make_config,
    minibatch_of,
    network_of,
    policy_loss,
    ppo_losses,
    updated,
)

from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.networks.ibac_sni import BottleneckActorCritic
from drac.objectives.ibac_sni import IBACSNI, standard_normal_kl
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO


def config(**options: Any) -> TrainConfig:
    return make_config(method="ibac-sni", **options)


def noise_for(objective: IBACSNI, size: int) -> torch.Tensor:
    draws = objective.draw(minibatch_of(size), 5, torch.Generator().manual_seed(7))
    return draws["latent_noise"].double()


@pytest.mark.parametrize(("samples", "share"), [(1, 0.5), (3, 0.5), (3, 0.2)])
def test_the_loss_is_that_of_the_equation(samples: int, share: float) -> None:
    """Sample by sample and latent by latent, with torch's own Normal and its divergence."""
    net, batch = network_of(BottleneckActorCritic), minibatch_of(6)
    with torch.no_grad():
        net.spread.bias += 4  # more noise than at first
    objective = IBACSNI(config(latent_samples=samples, sni_lambda=share, bottleneck_coef=0.01))
    noise = noise_for(objective, 6)
    assert noise.shape == (6, samples, 16)
    loss, figures = objective(net, Inputs(batch, batch.obs, None, {"latent_noise": noise}))
    got = torch.autograd.grad(loss, list(net.parameters()))

    rows = []
    for i in range(6):
        x = net.convolved(batch.obs[i][None])[0]
        latent = torch.distributions.Normal(net.fc(x), (net.spread(x) - 5).exp().log1p())
        prior = torch.distributions.Normal(torch.zeros(16).double(), torch.ones(16).double())
        kl = torch.distributions.kl_divergence(latent, prior).sum()
        features = latent.mean.relu()
        action = int(batch.actions[i])
        own = (batch.old_log_probs[i], batch.old_values[i], batch.returns[i], batch.advantages[i])
        policy, value_loss, entropy = ppo_losses(
            net.policy_head(features), net.value_head(features)[0], action, *own
        )
        policies = [
            torch.distributions.Categorical(
                logits=net.policy_head((latent.mean + latent.stddev * noise[i, s]).relu())
            )
            for s in range(samples)
        ]
        probability = sum(pi.probs[action] for pi in policies) / samples
        noisy = policy_loss(probability.log(), batch.old_log_probs[i], batch.advantages[i])
        noisy_entropy = sum(pi.entropy() for pi in policies) / samples
        rows.append((policy, noisy, value_loss, entropy, noisy_entropy, kl))
    policy, noisy, value_loss, entropy, noisy_entropy, kl = (
        sum(column) / 6 for column in zip(*rows, strict=True)
    )
    expected = (
        share * (policy - 0.01 * entropy)
        + (1 - share) * (noisy - 0.01 * noisy_entropy)
        + 0.5 * value_loss
        + 0.01 * kl
    )
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(figures[7], kl.detach(), rtol=0, atol=1e-12)
    wanted = torch.autograd.grad(expected, list(net.parameters()))
    for gradient, reference in zip(got, wanted, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=0, atol=1e-12)


def test_without_the_noisy_policy_and_the_bottleneck_it_is_ppo() -> None:
    net, batch = network_of(BottleneckActorCritic), minibatch_of(6)
    objective = IBACSNI(config(sni_lambda=1, bottleneck_coef=0))
    inputs = Inputs(batch, batch.obs, None, {"latent_noise": noise_for(objective, 6)})
    loss, figures = objective(net, inputs)
    ppo, ppo_figures = PPO(config())(network_of(ActorCritic), inputs)
    assert torch.equal(loss, ppo)
    assert torch.equal(figures[:7], ppo_figures)


def test_updates_are_ppo_s_only_without_both() -> None:
    ppo = updated(make_config(method="ppo"))
    neither = updated(config(sni_lambda=1, bottleneck_coef=0))
    for name, weight in ppo.items():
        torch.testing.assert_close(neither[name], weight, rtol=0, atol=1e-12)
    for change in ({"sni_lambda": 1}, {"bottleneck_coef": 0}, {}):
        assert largest_difference(ppo, updated(config(**change))) > 1e-9


def test_the_bottleneck_narrows_the_latent() -> None:
    """A strong one drives mean and scale towards 0 and 1, which leaves nothing of the image."""
    net, batch = network_of(BottleneckActorCritic), minibatch_of(16)
    objective = IBACSNI(config(bottleneck_coef=10, latent_samples=1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    figures = []
    for _ in range(60):
        noise = {"latent_noise": noise_for(objective, 16)}
        loss, step_figures = objective(net, Inputs(batch, batch.obs, None, noise))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        figures.append(step_figures[7].item())
    assert figures[-1] < figures[0] / 20


def test_it_acts_and_is_evaluated_without_noise() -> None:
    """In both modes the outputs are those of PPO's network with the same weights."""
    net, plain, obs = (
        network_of(BottleneckActorCritic),
        network_of(ActorCritic),
        minibatch_of(4).obs,
    )
    for mode in (True, False):
        assert all(map(torch.equal, net.train(mode)(obs), plain(obs)))
    mean, scale = net.latent(obs)
    assert torch.equal(net.heads(mean.relu())[0], plain(obs)[0])
    small = math.log1p(math.exp(-5))
    assert scale.min() > small / 20
    assert scale.median() < small * 20


def test_the_kl_is_zero_for_the_prior_alone() -> None:
    mean, scale = torch.zeros(3, 4), torch.ones(3, 4)
    assert standard_normal_kl(mean, scale) == 0
    assert standard_normal_kl(mean + 2, scale) == pytest.approx(4 * 2)
    assert standard_normal_kl(mean, 2 * scale) == pytest.approx(4 * (1.5 - math.log(2)))


def test_the_noise_is_standard_normal_and_of_the_generator() -> None:
    objective = IBACSNI(config(hidden_size=64))
    one, two = (
        objective.draw(minibatch_of(100), 5, torch.Generator().manual_seed(0)) for _ in range(2)
    )
    assert torch.equal(one["latent_noise"], two["latent_noise"])
    assert one["latent_noise"].shape == (100, 12, 64)
    assert one["latent_noise"].mean() == pytest.approx(0, abs=0.02)
    assert one["latent_noise"].std() == pytest.approx(1, abs=0.02)
