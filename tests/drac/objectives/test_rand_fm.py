"""Rand-FM: the loss of its equation, the random filters, and PPO where they are the identity."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_updates import (
    OBS_SHAPE,
    largest_difference,
    learner_of,
    make_config,
    minibatch_of,
    network_of,
    ppo_losses,
    random_rollout,
    updated,
)
from torch import Tensor

from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.networks.rand_fm import RandomizedActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO
from drac.objectives.rand_fm import RandFM


def config(**options: Any) -> TrainConfig:
    return make_config(method="rand-fm", **options)


def network(**options: Any) -> RandomizedActorCritic:
    return network_of(RandomizedActorCritic, **{"clean_probability": 0.0, **options})


def convolved(image: Tensor, weight: Tensor) -> Tensor:
    """Correlate one image (C, H, W) with a filter (C, C, 3, 3), pixel by pixel, zeros around it."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2, width + 2, dtype=image.dtype)
    padded[:, 1:-1, 1:-1] = image
    out = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            patch = padded[:, y : y + 3, x : x + 3]
            out[:, y, x] = (weight * patch).sum(dim=(1, 2, 3))
    return out


def test_the_loss_is_that_of_the_equation() -> None:
    """Sample by sample: PPO on f(s), and the squared distance of the features of s, fixed."""
    net, batch = network(), minibatch_of(6)
    loss, figures = RandFM(config())(net, Inputs(batch, batch.obs, None, {}))
    got = torch.autograd.grad(loss, list(net.parameters()))

    parts, matching = [], torch.tensor(0.0, dtype=torch.float64)
    for i in range(6):
        image = convolved(batch.obs[i], net.filters[0])[None]
        features, target = net.features(image), net.features(batch.obs[i][None]).detach()
        logits, value = net.policy_head(features)[0], net.value_head(features)[0, 0]
        own = (batch.old_log_probs[i], batch.old_values[i], batch.returns[i], batch.advantages[i])
        parts.append(ppo_losses(logits, value, int(batch.actions[i]), *own))
        matching = matching + sum((f - t) ** 2 for f, t in zip(features[0], target[0], strict=True))
    policy, value_loss, entropy = (sum(part) / 6 for part in zip(*parts, strict=True))
    matching = matching / (6 * 16)
    expected = policy + 0.5 * value_loss - 0.01 * entropy + 0.002 * matching
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(figures[7], matching.detach(), rtol=0, atol=1e-12)
    wanted = torch.autograd.grad(expected, list(net.parameters()))
    for gradient, reference in zip(got, wanted, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=0, atol=1e-12)


def test_clean_updates_are_ppo_bit_for_bit_and_others_are_not() -> None:
    net, batch = network(clean_probability=1.0), minibatch_of(6)
    inputs = Inputs(batch, batch.obs, None, {})
    loss, figures = RandFM(config(matching_coef=5))(net, inputs)
    ppo, ppo_figures = PPO(config())(network_of(ActorCritic), inputs)
    assert torch.equal(loss, ppo)
    assert torch.equal(figures[:7], ppo_figures)
    assert figures[7] == 0
    plain = updated(make_config(method="ppo"), 2)
    clean = updated(config(clean_probability=1, matching_coef=5), 2)
    random = updated(config(clean_probability=0), 2)
    assert all(torch.equal(plain[name], clean[name]) for name in plain)
    assert largest_difference(plain, random) > 1e-6


def test_feature_matching_makes_a_difference() -> None:
    with_, without = (updated(config(clean_probability=0, matching_coef=c)) for c in (0.002, 0.0))
    assert largest_difference(with_, without) > 1e-9


def test_it_acts_and_learns_on_one_input_and_is_evaluated_on_the_mean_of_others() -> None:
    net, obs = network(num_filters=3), minibatch_of(4).obs
    plain = network_of(ActorCritic)
    assert all(map(torch.equal, net.parameters(), plain.parameters()))
    seen = torch.stack([convolved(image, net.filters[0]) for image in obs])
    torch.testing.assert_close(net(obs), plain(seen), rtol=0, atol=1e-12)

    net.eval()
    probabilities, values = torch.zeros(4, 5).double(), torch.zeros(4).double()
    for number in (1, 2, 3):
        logits, value = plain(torch.stack([convolved(i, net.filters[number]) for i in obs]))
        probabilities += logits.softmax(1) / 3
        values += value / 3
    logits, value = net(obs)
    torch.testing.assert_close(logits.softmax(1), probabilities, rtol=0, atol=1e-12)
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(4).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(value, values, rtol=0, atol=1e-12)


def test_without_filters_evaluation_sees_the_clean_image() -> None:
    net, obs = network(num_filters=0).eval(), minibatch_of(4).obs
    clean = network_of(ActorCritic)(obs)
    assert all(map(torch.equal, net(obs), clean))
    net.train()
    assert not torch.equal(net(obs)[0], clean[0])


def test_filters_are_xavier_normal_and_a_tenth_are_the_identity() -> None:
    net = RandomizedActorCritic(5, OBS_SHAPE, 16, num_filters=1000)
    net.redraw(torch.Generator().manual_seed(0))
    assert net.clean.float().mean() == pytest.approx(0.1, abs=0.03)
    assert net.filters.mean() == pytest.approx(0, abs=0.005)
    assert net.filters.std() == pytest.approx(math.sqrt(2 / (27 + 27)), rel=0.02)
    obs = torch.rand(2, *OBS_SHAPE)
    for number in range(20):
        assert torch.equal(net.randomized(obs, number), obs) == bool(net.clean[number])


def test_a_filter_lasts_for_one_rollout_and_its_update() -> None:
    learner = learner_of(config())
    filters = learner.network.get_buffer("filters")
    before = filters.clone()
    seen: list[Tensor] = []
    learner.update(random_rollout(0), None, lambda: seen.append(filters.clone()))
    assert len(seen) == 12
    assert all(torch.equal(before, each) for each in seen)
    assert (before != filters).all()  # drawn in place: a CUDA graph reads this memory


def test_filters_come_from_the_learner_s_generator_and_are_saved() -> None:
    one, other = (learner_of(config()) for _ in range(2))
    for learner in (one, other):
        learner.update(random_rollout(0), None)
    assert torch.equal(one.network.get_buffer("filters"), other.network.get_buffer("filters"))
    assert {"filters", "clean"} <= one.network.state_dict().keys()
    assert not {"filters", "clean"} & dict(one.network.named_parameters()).keys()
