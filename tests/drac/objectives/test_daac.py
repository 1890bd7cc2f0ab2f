"""DAAC and IDAAC: their networks, their losses against slow loops, and what trains what."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from small_updates import (
    NUM_ACTIONS,
    OBS_SHAPE,
    learner_of,
    make_config,
    network_for,
    random_rollout,
)
from torch import Tensor

from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.networks.daac import DecoupledActorCritic
from drac.objectives.daac import DAAC, IDAAC, OrderOfPairs, Value
from drac.objectives.objective import Inputs, Objective, make
from drac.objectives.ppo import PPO


def config_of(**options: Any) -> TrainConfig:
    return make_config(method="idaac", **options)


def make_inputs(size: int = 12) -> Inputs:
    """Samples, and partners of which the third has none, in float64."""
    generator = torch.Generator().manual_seed(5)
    everything, rows = random_rollout().samples(), torch.arange(size)
    samples = everything[rows]
    names = ("old_log_probs", "old_values", "returns", "advantages")
    samples = replace(samples, **{name: getattr(samples, name).double() for name in names})
    draws = {
        "other_obs": everything.obs[rows + 20],
        "other_first": torch.randint(2, (size,), generator=generator),
        "paired": (torch.arange(size) != 2).double(),
    }
    return Inputs(samples, samples.obs.double() / 255, None, draws)


def gradients(network: DecoupledActorCritic, loss: Tensor) -> set[str]:
    """Names of the parameters that a loss moves."""
    named = dict(network.named_parameters())
    taken = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {n for n, g in zip(named, taken, strict=True) if g is not None and bool((g != 0).any())}


# The losses


@torch.no_grad()
def slow_policy_loss(
    network: DecoupledActorCritic, inputs: Inputs, alpha_i: float
) -> tuple[float, float, float]:
    """The paper's J_IDAAC with the sign of a loss, L_A and L_E, one sample after the other."""
    samples = inputs.samples
    total = total_advantage = total_order = 0.0
    for b in range(len(samples)):
        logits, _ = network(inputs.obs[b : b + 1])
        pi = torch.distributions.Categorical(logits=logits[0])
        action, advantage = samples.actions[b], float(samples.advantages[b])
        ratio = math.exp(float(pi.log_prob(action)) - float(samples.old_log_probs[b]))
        surrogate = min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
        features = network.features(inputs.obs[b : b + 1])[0]
        weights, bias = network.advantage_head.weight[0], network.advantage_head.bias[0]
        predicted = float(weights[:16] @ features + weights[16 + int(action)] + bias)
        order = 0.0
        if network.classifier is not None and inputs.draws["paired"][b]:
            other = network.features(inputs.draws["other_obs"][b : b + 1].double() / 255)[0]
            d = network.classifier(features[None], other[None]).softmax(1)[0]
            order = -0.5 * math.log(float(d[0])) - 0.5 * math.log(float(d[1]))
        error = (predicted - advantage) ** 2
        total += -surrogate - 0.01 * float(pi.entropy()) + 0.25 * error + alpha_i * order
        total_advantage += error
        total_order += order
    size = len(samples)
    return total / size, total_advantage / size, total_order / size


@pytest.mark.parametrize("order_hidden", [0, 4])
@pytest.mark.usefixtures("float64_images")
def test_the_policys_loss_is_the_papers(order_hidden: int) -> None:
    config = config_of(idaac_order_coef=0.5, idaac_order_hidden=order_hidden)
    network, inputs = network_for(config).double(), make_inputs()
    loss, figures = IDAAC(config)(network, inputs)
    expected, advantage_loss, order_loss = slow_policy_loss(network, inputs, alpha_i=0.5)
    assert order_loss > 0.1
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert figures[3].item() == pytest.approx(order_loss, abs=1e-12)
    assert figures[4].item() == pytest.approx(advantage_loss, abs=1e-12)
    daac, _ = DAAC(config)(network, inputs)
    assert daac.item() == pytest.approx(expected - 0.5 * order_loss, abs=1e-12)


@pytest.mark.usefixtures("float64_images")
def test_the_classifiers_loss_is_the_cross_entropy_of_who_came_first() -> None:
    config = config_of()
    network, inputs = network_for(config).double(), make_inputs()
    assert network.classifier is not None
    total = 0.0
    for b in range(12):
        if inputs.draws["paired"][b]:
            features = network.features(inputs.obs[b : b + 1])
            other = network.features(inputs.draws["other_obs"][b : b + 1].double() / 255)
            this_first, other_first = network.classifier(features, other).softmax(1)[0].tolist()
            label = int(inputs.draws["other_first"][b])
            total -= label * math.log(other_first) + (1 - label) * math.log(this_first)
    loss, _ = OrderOfPairs(config)(network, inputs)
    assert loss.item() == pytest.approx(total / 12, abs=1e-12)


def test_the_values_loss_is_that_of_ppo() -> None:
    config = config_of()
    network, inputs = network_for(config).double(), make_inputs()
    loss, figures = Value(config)(network, inputs)
    _, of_ppo = PPO(config)(network, inputs)
    assert loss.item() == pytest.approx(of_ppo[1].item())
    assert figures.tolist() == [0, pytest.approx(loss.item()), 0, 0, 0, 0, 0]


def test_the_confusion_is_least_where_the_classifier_cannot_tell() -> None:
    """L_E = ln 2 there, and more wherever it leans to either side."""
    config = config_of()
    network, inputs = network_for(config), make_inputs()
    inputs = Inputs(inputs.samples, inputs.obs.float(), None, inputs.draws)
    assert network.classifier is not None
    with torch.no_grad():
        network.classifier.output.weight.zero_()
    everyone = {**inputs.draws, "paired": torch.ones(12)}
    inputs = Inputs(inputs.samples, inputs.obs, None, everyone)
    losses = []
    for bias in (0.0, 1.0, -1.0):
        with torch.no_grad():
            network.classifier.output.bias.copy_(torch.tensor([bias, 0.0]))
        losses.append(IDAAC(config)(network, inputs)[1][3].item())
    assert losses[0] == pytest.approx(math.log(2))
    assert losses[1] == pytest.approx(losses[2])
    assert losses[1] > losses[0] + 0.1


# What trains what


@pytest.mark.usefixtures("float64_images")
def test_each_loss_trains_its_own_part_and_nothing_else() -> None:
    config = config_of(idaac_order_coef=1.0)
    network, inputs = network_for(config).double(), make_inputs()
    value = {n for n, _ in network.named_parameters() if n.startswith("value_")}
    classifier = {n for n, _ in network.named_parameters() if n.startswith("classifier.")}
    policy = {n for n, _ in network.named_parameters()} - value - classifier
    assert {"fc.weight", "policy_head.weight", "advantage_head.bias"} <= policy
    assert {"value_encoder.fc.weight", "value_head.weight"} <= value

    assert gradients(network, IDAAC(config)(network, inputs)[0]) == policy
    assert gradients(network, DAAC(config)(network, inputs)[0]) == policy
    assert gradients(network, Value(config)(network, inputs)[0]) == value
    assert gradients(network, OrderOfPairs(config)(network, inputs)[0]) == classifier


@pytest.mark.usefixtures("float64_images")
def test_the_confusion_reaches_the_encoder_by_both_observations() -> None:
    config = config_of()
    network, inputs = network_for(config).double(), make_inputs()
    features = network.features(inputs.obs)
    by_other = IDAAC(config).order_loss(network, features.detach(), inputs)
    assert gradients(network, by_other) >= {"fc.weight", "stack0.conv.weight"}
    with torch.no_grad():
        other = network.features(inputs.draws["other_obs"].double() / 255)
    assert features.shape == other.shape
    (to_features,) = torch.autograd.grad(
        IDAAC(config).order_loss(network, features, inputs), features
    )
    assert bool((to_features[2] == 0).all())  # it has no partner
    assert bool((to_features[1] != 0).any())


def test_the_optimizers_share_out_the_parameters() -> None:
    config = config_of()
    network = network_for(config)
    state = learner_of(config, network).state_dict()
    counts = [
        len(part["optimizer"]["param_groups"][0]["params"])
        for part in (state, state["value"], state["classifier"])
    ]
    assert sum(counts) == len(list(network.parameters()))
    assert counts[1:] == [len(network.value_parameters()), 2]


def test_a_network_of_another_method_is_refused() -> None:
    config = config_of()
    inputs = make_inputs()
    with pytest.raises(TypeError, match="must be a DecoupledActorCritic, not ActorCritic"):
        DAAC(config)(ActorCritic(NUM_ACTIONS, OBS_SHAPE, 16), inputs)
    with pytest.raises(TypeError, match="has no order classifier"):
        IDAAC(config)(network_for(make_config(method="daac")).double(), inputs)


def test_both_begin_with_the_same_weights_as_ppo() -> None:
    ppo = ActorCritic(NUM_ACTIONS, OBS_SHAPE, 16, generator=torch.Generator().manual_seed(0))
    daac, idaac = network_for(make_config(method="daac")), network_for(make_config(method="idaac"))
    for name, weight in ppo.state_dict().items():
        assert torch.equal(daac.state_dict()[name], weight)
    for name, weight in daac.state_dict().items():
        assert torch.equal(idaac.state_dict()[name], weight)
    assert {n.split(".")[0] for n in idaac.state_dict()} - {
        n.split(".")[0] for n in daac.state_dict()
    } == {"classifier"}
    assert not torch.equal(daac.value_encoder.fc.weight, daac.fc.weight)


def test_the_outputs_are_float32_under_autocast() -> None:
    config = config_of()
    network, inputs = network_for(config), make_inputs()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, value = network(inputs.obs.float())
        features = network.features(inputs.obs.float())
        advantage = network.advantage(features, inputs.samples.actions)
        assert network.classifier is not None
        order = network.classifier(features, features)
    assert {t.dtype for t in (logits, value, advantage, order)} == {torch.float32}


def test_the_objectives_are_objectives() -> None:
    config = config_of()
    made: list[Objective] = [DAAC(config), IDAAC(config), OrderOfPairs(config), Value(config)]
    batch = next(random_rollout().minibatches(1, torch.Generator()))
    for objective in made:
        assert objective.draw(batch, NUM_ACTIONS, torch.Generator()) == {}
    assert isinstance(make(config), IDAAC)
    assert type(make(make_config(method="daac"))) is DAAC
