"""The recurrent actor-critic: the equations, step by step or in sequences, and what it forgets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_updates import NUM_ACTIONS, OBS_SHAPE, network_of
from torch import Tensor

from drac.networks import ActorCritic
from drac.networks.lstm import RecurrentActorCritic

STEPS, ENVS, SIZE = 6, 3, 16


def inputs(seed: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    """Images (T, n, ...), and a memory of n sequences, in which some episodes begin."""
    generator = torch.Generator().manual_seed(seed)
    obs = torch.rand(STEPS, ENVS, *OBS_SHAPE, generator=generator, dtype=torch.float64)
    h, c = torch.randn(2, ENVS, SIZE, generator=generator, dtype=torch.float64)
    firsts = torch.rand(ENVS, STEPS, generator=generator) < 0.3
    firsts[0], firsts[1, 0] = False, True
    assert 1 < firsts.sum() < 10
    return obs, {"h": h, "c": c, "firsts": firsts}


def in_sequences(obs: Tensor) -> Tensor:
    return obs.transpose(0, 1).flatten(0, 1)


@torch.no_grad()
def test_the_outputs_are_the_equations() -> None:
    """Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000, in a slow loop."""
    network = network_of(RecurrentActorCritic)
    obs, memory = inputs()
    logits, values = network(in_sequences(obs), **memory)
    cell = network.lstm
    for n in range(ENVS):
        h, c = memory["h"][n], memory["c"][n]
        for t in range(STEPS):
            if memory["firsts"][n, t]:
                h, c = torch.zeros(SIZE).double(), torch.zeros(SIZE).double()
            x = network.features(obs[t, n][None])[0]
            gates = cell.weight_ih @ x + cell.bias_ih + cell.weight_hh @ h + cell.bias_hh
            i, f, g, o = gates.split(SIZE)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            expected = network.policy_head.weight @ h + network.policy_head.bias
            torch.testing.assert_close(logits[n * STEPS + t], expected, rtol=0, atol=1e-12)
            value = network.value_head.weight @ h + network.value_head.bias
            torch.testing.assert_close(values[n * STEPS + t], value[0], rtol=0, atol=1e-12)


@torch.no_grad()
def test_step_by_step_it_is_the_sequence() -> None:
    network = network_of(RecurrentActorCritic)
    obs, sequences = inputs()
    memory = network.initial_memory(ENVS) | {"h": sequences["h"], "c": sequences["c"]}
    memory["firsts"] = sequences["firsts"][:, 0].clone()
    steps = []
    for t in range(STEPS):
        logits, values, carried = network.advance(obs[t], memory)
        assert tuple(carried) == network.carried
        memory |= carried
        steps.append((logits, values))
        if t + 1 < STEPS:
            ended = sequences["firsts"][:, t + 1].numpy()
            network.note(memory, slice(0, ENVS), np.zeros(ENVS, int), np.zeros(ENVS), ended)
    found = network(in_sequences(obs), **sequences)
    for whole, parts in zip(found, zip(*steps, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.stack(parts, 1).flatten(0, 1), rtol=0, atol=1e-12)


@torch.no_grad()
def test_without_a_memory_every_image_is_the_first() -> None:
    network = network_of(RecurrentActorCritic)
    obs, _ = inputs()
    begun = network.initial_memory(ENVS)
    assert {name: tuple(value.shape) for name, value in begun.items()} == {
        "h": (ENVS, SIZE),
        "c": (ENVS, SIZE),
        "firsts": (ENVS,),
    }
    found, expected = network(obs[0]), network.advance(obs[0], begun)
    assert all(map(torch.equal, found, expected[:2]))


def test_the_other_weights_begin_as_without_an_lstm() -> None:
    plain, recurrent = (
        kind(NUM_ACTIONS, generator=torch.Generator().manual_seed(0))
        for kind in (ActorCritic, RecurrentActorCritic)
    )
    weights = recurrent.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain.state_dict().items())
    for weight in (weights["lstm.weight_ih"], weights["lstm.weight_hh"]):
        torch.testing.assert_close(weight.T @ weight, torch.eye(256), rtol=0, atol=1e-5)
    assert not weights["lstm.bias_ih"].any()
    assert not weights["lstm.bias_hh"].any()
    assert plain.initial_memory(3) == {}


@pytest.mark.parametrize("device_type", ["cpu"])
@torch.no_grad()
def test_bf16_is_for_the_convolutions_alone(device_type: str) -> None:
    network = RecurrentActorCritic(NUM_ACTIONS, OBS_SHAPE, SIZE)
    obs, memory = inputs()
    with torch.autocast(device_type, dtype=torch.bfloat16):
        logits, _, carried = network.advance(obs[0].float(), network.initial_memory(ENVS))
        network(in_sequences(obs).float(), **memory)
    assert logits.dtype == carried["h"].dtype == carried["c"].dtype == torch.float32
