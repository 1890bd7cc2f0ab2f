"""The losses of PPG's and DCPG's two phases, against slow loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_updates import NUM_ACTIONS, make_config, minibatch_of, network_of, policy_loss
from torch.distributions import Categorical, kl_divergence

from drac.networks import ActorCritic
from drac.networks.ddcpg import DynamicsActorCritic
from drac.networks.ppg import PhasicActorCritic
from drac.objectives.dcpg import DCPGAuxiliary, DDCPGAuxiliary, other_actions
from drac.objectives.objective import Inputs, make
from drac.objectives.ppg import PPGAuxiliary
from drac.stats import UpdateStats

SAMPLES = minibatch_of(12)
INPUTS = Inputs(SAMPLES, SAMPLES.obs, None, {})


@torch.no_grad()
def test_the_policy_phase_s_loss() -> None:
    network = network_of(PhasicActorCritic)
    total = errors = 0.0
    for b in range(12):
        logits, value = network(SAMPLES.obs[b : b + 1])
        pi = Categorical(logits=logits[0])
        log_prob = pi.log_prob(SAMPLES.actions[b])
        own = policy_loss(log_prob, SAMPLES.old_log_probs[b], SAMPLES.advantages[b])
        error = 0.5 * float(value[0] - SAMPLES.returns[b]) ** 2
        total, errors = total + float(own - 0.01 * pi.entropy()) + error, errors + error
    loss, figures = make(make_config(method="ppg"))(network, INPUTS)
    assert loss.item() == pytest.approx(total / 12, abs=1e-6)
    assert UpdateStats(*figures, grad_norm=0).value_loss == pytest.approx(errors / 12, abs=1e-6)


@torch.no_grad()
def test_the_auxiliary_phase_s_loss() -> None:
    network = network_of(PhasicActorCritic)
    old_logits = torch.randn(12, NUM_ACTIONS, generator=torch.Generator().manual_seed(3)).double()
    total = divergence = auxiliary = 0.0
    for b in range(12):
        logits, value = network(SAMPLES.obs[b : b + 1])
        head, features = network.aux_value_head, network.features(SAMPLES.obs[b : b + 1])[0]
        guess = float(head.weight[0] @ features + head.bias[0])
        old, new = Categorical(logits=old_logits[b]), Categorical(logits=logits[0])
        kl = float(kl_divergence(old, new))
        target = float(SAMPLES.returns[b])
        total += 0.5 * (guess - target) ** 2 + 0.5 * (float(value[0]) - target) ** 2 + 0.7 * kl
        divergence, auxiliary = divergence + kl, auxiliary + 0.5 * (guess - target) ** 2
    inputs = replace(INPUTS, draws={"old_logits": old_logits})
    loss, figures = PPGAuxiliary(make_config(method="ppg", phasic_clone_coef=0.7))(network, inputs)
    stats = UpdateStats(*figures.tolist(), grad_norm=0)
    assert loss.item() == pytest.approx(total / 12, abs=1e-6)
    assert stats.aug_policy_loss == pytest.approx(divergence / 12, abs=1e-6)
    assert stats.aug_value_loss == pytest.approx(auxiliary / 12, abs=1e-6)


@torch.no_grad()
def test_dcpg_s_losses() -> None:
    network = network_of(ActorCritic)
    old_logits = torch.randn(12, NUM_ACTIONS, generator=torch.Generator().manual_seed(3)).double()
    total = distances = auxiliary = divergence = errors = 0.0
    for b in range(12):
        logits, value = network(SAMPLES.obs[b : b + 1])
        pi, old = Categorical(logits=logits[0]), Categorical(logits=old_logits[b])
        log_prob = pi.log_prob(SAMPLES.actions[b])
        own = policy_loss(log_prob, SAMPLES.old_log_probs[b], SAMPLES.advantages[b])
        distance = 0.5 * float(value[0] - SAMPLES.old_values[b]) ** 2
        total += float(own - 0.01 * pi.entropy()) + 0.3 * distance
        kl, error = float(kl_divergence(old, pi)), 0.5 * float(value[0] - SAMPLES.returns[b]) ** 2
        distances, divergence, errors = distances + distance, divergence + kl, errors + error
        auxiliary += error + 0.7 * kl
    config = make_config(method="dcpg", dcpg_value_coef=0.3, phasic_clone_coef=0.7)
    loss, figures = make(config)(network, INPUTS)
    stats = UpdateStats(*figures.tolist(), grad_norm=0)
    assert loss.item() == pytest.approx(total / 12, abs=1e-6)
    assert stats.aug_value_loss == pytest.approx(distances / 12, abs=1e-6)
    inputs = replace(INPUTS, draws={"old_logits": old_logits})
    loss, figures = DCPGAuxiliary(config)(network, inputs)
    stats = UpdateStats(*figures.tolist(), grad_norm=0)
    assert loss.item() == pytest.approx(auxiliary / 12, abs=1e-6)
    assert stats.aug_policy_loss == pytest.approx(divergence / 12, abs=1e-6)
    assert stats.value_loss == pytest.approx(errors / 12, abs=1e-6)


@torch.no_grad()
def test_ddcpg_s_auxiliary_loss() -> None:
    """Twelve samples are six steps of two envs: ten transitions, each with two false ones."""
    network = network_of(DynamicsActorCritic)
    config = make_config(method="ddcpg", phasic_segments=2, ddcpg_dynamics_coef=0.6)
    objective = DDCPGAuxiliary(config)
    draws = objective.draw(SAMPLES, NUM_ACTIONS, torch.Generator().manual_seed(5))
    draws["old_logits"] = network(SAMPLES.obs)[0]
    features, actions = network.features(SAMPLES.obs), SAMPLES.actions.tolist()
    others = other_actions(SAMPLES.actions[:10], draws["action_noise"][:10]).tolist()

    def probability(b: int, action: int, following: int) -> float:
        one_hot = torch.eye(NUM_ACTIONS).double()[action]
        seen = torch.cat([features[b], one_hot, features[following]])
        return float(network.discriminator(seen).sigmoid())

    total = 0.0
    for b in range(10):
        false = (b + int(draws["shifts"][b])) % 10
        assert others[b] != actions[b]
        assert others[b] in actions[:10]
        assert false != b
        total -= math.log(probability(b, actions[b], b + 2)) / 10
        total -= 0.5 * math.log(1 - probability(b, others[b], b + 2)) / 10
        total -= math.log(1 - probability(b, actions[b], false + 2)) / 10
    inputs = replace(INPUTS, draws=draws)
    dcpg, _ = DCPGAuxiliary(config)(network, inputs)
    loss, figures = objective(network, inputs)
    assert figures[7].item() == pytest.approx(total, abs=1e-6)
    assert loss.item() == pytest.approx(dcpg.item() + 0.6 * total, abs=1e-6)


def test_another_action_is_as_frequent_as_the_others_are() -> None:
    actions = torch.tensor([0] * 3000 + [1] * 2000 + [2] * 1000)
    noise = torch.empty(6000, 4).exponential_(generator=torch.Generator().manual_seed(0))
    found = other_actions(actions, noise)
    share = (found[:3000] == 1).double().mean()
    assert share.item() == pytest.approx(2 / 3, abs=0.03)
    assert not (found == actions).any()
    assert not (found == 3).any()
    alone = other_actions(torch.zeros(3000, dtype=torch.int64), noise[:3000])
    assert (alone.bincount(minlength=4)[1:] / 3000).tolist() == pytest.approx([1 / 3] * 3, abs=0.03)


def test_the_weights_begin_with_the_rows_norms() -> None:
    network = PhasicActorCritic(NUM_ACTIONS, generator=torch.Generator().manual_seed(0))
    expected = {
        "policy_head": 0.1,
        "value_head": 0.1,
        "aux_value_head": 0.1,
        "fc": 1.4,
        "value_encoder.fc": 1.4,
        "stack0.conv": 1.0,
        "value_encoder.stack2.conv": 1.0,
        "stack1.res0.conv2": 0.6389,
    }
    for name, norm in expected.items():
        layer = network.get_submodule(name)
        rows = layer.weight.detach().flatten(1).norm(dim=1)
        torch.testing.assert_close(rows, torch.full_like(rows, norm), rtol=1e-4, atol=0)
        assert not layer.bias.any()
    assert not torch.equal(network.fc.weight, network.value_encoder.fc.weight)
