"""The actor-critic against the released code's outputs and its own promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkout import GOLDEN

from drac.networks import ActorCritic


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / "network.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def released_network(golden: dict[str, torch.Tensor]) -> ActorCritic:
    network = ActorCritic(15, hidden_size=32, residual="released")
    weights = {name[2:]: array for name, array in golden.items() if name.startswith("w/")}
    network.load_state_dict(weights, strict=True)
    return network


def test_outputs_are_those_of_the_released_code(golden: dict[str, torch.Tensor]) -> None:
    obs = golden["obs"].permute(0, 3, 1, 2).float() / 255
    logits, value = released_network(golden)(obs)
    torch.testing.assert_close(logits, golden["logits"], rtol=0, atol=1e-5)
    torch.testing.assert_close(value, golden["values"], rtol=0, atol=1e-5)


def test_the_impala_residual_is_another_function(golden: dict[str, torch.Tensor]) -> None:
    obs = golden["obs"].permute(0, 3, 1, 2).float() / 255
    released = released_network(golden)
    impala = ActorCritic(15, hidden_size=32, residual="impala")
    impala.load_state_dict(released.state_dict())
    assert (impala(obs)[0] - released(obs)[0]).abs().max() > 1e-3


def test_a_residual_block_adds_its_input_or_the_rectified_input() -> None:
    for residual in ("impala", "released"):
        block = ActorCritic(2, residual=residual).get_submodule("stack0.res0")
        torch.nn.init.zeros_(block.get_parameter("conv2.weight"))
        x = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(0))
        expected = x.relu() if residual == "released" else x
        torch.testing.assert_close(block(x), expected, rtol=0, atol=0)


def test_memory_format_does_not_matter(golden: dict[str, torch.Tensor]) -> None:
    network = ActorCritic(15, generator=torch.Generator().manual_seed(0)).double()
    obs = golden["obs"][:4].permute(0, 3, 1, 2).double() / 255
    planar = obs.contiguous()
    assert not obs.is_contiguous()
    torch.testing.assert_close(network(obs)[0], network(planar)[0], rtol=0, atol=1e-12)


def test_initial_weights() -> None:
    network = ActorCritic(15, generator=torch.Generator().manual_seed(0))
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "conv" in name:
            out, fan, *kernel = parameter.shape
            bound = np.sqrt(6 / ((out + fan) * np.prod(kernel)))  # Xavier-uniform
            assert bound * 0.9 < parameter.abs().max() <= bound, name
    for head, gain in ((network.fc, 2**0.5), (network.value_head, 1), (network.policy_head, 0.01)):
        weight = head.weight.detach()
        size = min(weight.shape)
        gram = weight @ weight.T if weight.shape[0] == size else weight.T @ weight
        torch.testing.assert_close(gram, gain**2 * torch.eye(size), rtol=0, atol=1e-5)


def test_weights_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first = ActorCritic(15, generator=torch.Generator().manual_seed(3))
    torch.rand(5)
    second = ActorCritic(15, generator=torch.Generator().manual_seed(3))
    other = ActorCritic(15, generator=torch.Generator().manual_seed(4))
    torch.set_rng_state(before)
    ActorCritic(15, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, first.parameters(), second.parameters()))
    assert not torch.equal(first.fc.weight, other.fc.weight)


@pytest.mark.parametrize("size", [1, 15, 16, 64])
def test_any_image_size(size: int) -> None:
    logits, value = ActorCritic(7, (3, size, size), hidden_size=8)(torch.rand(2, 3, size, size))
    assert logits.shape == (2, 7)
    assert value.shape == (2,)


def test_outputs_are_float32_under_autocast() -> None:
    network = ActorCritic(7, (3, 16, 16), hidden_size=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, value = network(torch.rand(2, 3, 16, 16))
    assert logits.dtype == value.dtype == torch.float32


def test_an_unknown_residual_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown residual 'resnet': choose 'impala' or"):
        ActorCritic(2, residual="resnet")  # type: ignore[arg-type]
