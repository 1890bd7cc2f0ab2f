"""REINFORCE, A2C and TRPO: their losses against slow loops, and where they are PPO's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_updates import NUM_ACTIONS, make_config, minibatch_of, network_of
from torch import Tensor

from drac.networks import ActorCritic
from drac.networks.two_networks import TwoNetworks
from drac.objectives.objective import Inputs, make
from drac.rollout import Minibatch
from drac.stats import UpdateStats

SAMPLES = minibatch_of(12)
INPUTS = Inputs(SAMPLES, SAMPLES.obs, None, {})


def loss_of(method: str, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, UpdateStats]:
    loss, figures = make(make_config(method=method))(network, inputs)
    return loss, UpdateStats(*figures.tolist(), grad_norm=0.0)


def weight(method: str, samples: Minibatch, b: int) -> float:
    g, v, a = (float(t[b]) for t in (samples.returns, samples.old_values, samples.advantages))
    return {"reinforce": g, "reinforce-baseline": g - v, "a2c": a}[method]


@torch.no_grad()
@pytest.mark.parametrize("method", ["reinforce", "reinforce-baseline", "a2c"])
def test_the_loss_is_the_equation_s(method: str) -> None:
    """-log pi(a|s) w + c_V (V - R)^2 / 2 - c_H H, one sample after the other."""
    network = network_of(ActorCritic)
    total = policy_loss = value_loss = 0.0
    for b in range(len(SAMPLES)):
        logits, value = network(SAMPLES.obs[b : b + 1])
        pi = torch.distributions.Categorical(logits=logits[0])
        own = -float(pi.log_prob(SAMPLES.actions[b])) * weight(method, SAMPLES, b)
        error = 0.0 if method == "reinforce" else 0.5 * float(value[0] - SAMPLES.returns[b]) ** 2
        total += own + 0.5 * error - 0.01 * float(pi.entropy())
        policy_loss, value_loss = policy_loss + own, value_loss + error
    loss, figures = loss_of(method, network, INPUTS)
    assert loss.item() == pytest.approx(total / 12, abs=1e-6)
    assert figures.policy_loss == pytest.approx(policy_loss / 12, abs=1e-6)
    assert figures.value_loss == pytest.approx(value_loss / 12, abs=1e-6)


def gradient(method: str, network: ActorCritic, inputs: Inputs) -> dict[str, Tensor]:
    loss, _ = loss_of(method, network, inputs)
    names, weights = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return {n: g for n, g in zip(names, found, strict=True) if g is not None}


def test_a2c_has_ppo_s_gradient_at_the_policy_that_acted_and_there_only() -> None:
    network = network_of(ActorCritic)
    with torch.no_grad():
        logits, values = network(SAMPLES.obs)
    acted = logits.log_softmax(1)[torch.arange(12), SAMPLES.actions]
    at_first = replace(SAMPLES, old_log_probs=acted, old_values=values)
    a2c, ppo = (gradient(m, network, replace(INPUTS, samples=at_first)) for m in ("a2c", "ppo"))
    for name, expected in ppo.items():
        torch.testing.assert_close(a2c[name], expected, rtol=0, atol=1e-12)
    a2c, ppo = (gradient(method, network, INPUTS) for method in ("a2c", "ppo"))
    assert (a2c["fc.weight"] - ppo["fc.weight"]).abs().max() > 1e-3


def test_nothing_trains_reinforce_s_value() -> None:
    network = network_of(ActorCritic)
    assert not gradient("reinforce", network, INPUTS).keys() & {"value_head.weight"}
    assert gradient("reinforce-baseline", network, INPUTS)["value_head.weight"].abs().max() > 0


@torch.no_grad()
def test_trpo_s_loss_and_divergence() -> None:
    """-r A - c_H H, and KL(pi_old || pi), one sample after the other."""
    network = network_of(TwoNetworks)
    old_logits = torch.randn(12, NUM_ACTIONS, generator=torch.Generator().manual_seed(3)).double()
    total = divergence = 0.0
    for b in range(12):
        new = torch.distributions.Categorical(logits=network.logits(SAMPLES.obs[b : b + 1])[0])
        old = torch.distributions.Categorical(logits=old_logits[b])
        ratio = (new.log_prob(SAMPLES.actions[b]) - old.log_prob(SAMPLES.actions[b])).exp()
        total -= float(ratio * SAMPLES.advantages[b] + 0.01 * new.entropy())
        divergence += float(torch.distributions.kl_divergence(old, new))
    inputs = replace(INPUTS, draws={"old_logits": old_logits})
    loss, figures = loss_of("trpo", network, inputs)
    assert loss.item() == pytest.approx(total / 12, abs=1e-6)
    assert figures.approx_kl == pytest.approx(divergence / 12, abs=1e-6)
