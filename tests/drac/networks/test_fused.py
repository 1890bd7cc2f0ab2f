"""The fused layers are torch's to the bit: on a GPU, or in Triton's interpreter."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from real_frames import FRAMES
from torch import Tensor, nn
from torch.nn import functional as F

from augmentations import as_float
from drac.networks import ActorCritic, fused
from drac.networks.impala import Residual

Layer = Callable[[nn.Conv2d, Tensor], Tensor]

ON_CUDA = torch.cuda.is_available()
DEVICE = "cuda" if ON_CUDA else "cpu"
DTYPES = [torch.float32, torch.float64]
if ON_CUDA:  # the interpreter cuts bf16 off where a GPU rounds
    DTYPES.append(torch.bfloat16)
SHAPES = [(2, 16, 8, 8), (3, 5, 7, 9), (1, 32, 16, 16), (2, 3, 1, 1), (1, 1, 2, 3)]


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Triton's kernels, interpreted where there is no GPU."""
    if not importlib.util.find_spec("triton"):
        pytest.skip("needs Triton, which torch's builds for CUDA bring along")
    if not ON_CUDA:
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    fused.kernels.cache_clear()
    assert fused.kernels()
    yield
    fused.kernels.cache_clear()


def images_of(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return images with many equal numbers, channels_last."""
    drawn = 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return drawn.round().to(DEVICE, dtype).contiguous(memory_format=torch.channels_last)


def theirs(images: Tensor) -> Tensor:
    return F.max_pool2d(images, kernel_size=3, stride=2, padding=1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_maxima_and_gradients_are_torch_s(
    kernels: None, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """Of equal numbers the first one has the gradient; sums are rounded once."""
    exact = torch.float32 if dtype == torch.bfloat16 else dtype
    mine = images_of(shape, dtype).requires_grad_()
    wanted = images_of(shape, dtype).to(exact).requires_grad_()
    pooled, expected = fused.max_pool(mine), theirs(wanted)
    assert torch.equal(pooled, expected.to(dtype))
    assert pooled.is_contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1))
    gradient = gradient.to(DEVICE, dtype)
    pooled.backward(gradient)
    expected.backward(gradient.to(exact))
    assert mine.grad is not None
    assert wanted.grad is not None
    torch.testing.assert_close(mine.grad, wanted.grad.to(dtype), rtol=1e-6, atol=0)


def test_what_is_not_finite_is_torch_s(kernels: None) -> None:
    """As on the CPU: on CUDA torch itself has the gradient of windows of -inf elsewhere."""
    images = images_of((2, 4, 6, 6), torch.float32)
    images[0, 0, 1, 1] = float("nan")
    images[1] = float("-inf")
    mine, wanted = images.clone().requires_grad_(), images.cpu().requires_grad_()
    pooled, expected = fused.max_pool(mine), theirs(wanted)
    torch.testing.assert_close(pooled.cpu(), expected, rtol=0, atol=0, equal_nan=True)
    pooled.sum().backward()
    expected.sum().backward()
    assert mine.grad is not None
    torch.testing.assert_close(mine.grad.cpu(), wanted.grad, rtol=0, atol=0)


def test_derivatives_of_derivatives(kernels: None) -> None:
    images = images_of((1, 2, 4, 4), torch.float64).add_(0.01 * torch.rand(1, device=DEVICE))
    images += torch.rand(images.shape, generator=torch.Generator().manual_seed(2)).to(images)
    images.requires_grad_()
    assert torch.autograd.gradcheck(fused.max_pool, images)
    assert torch.autograd.gradgradcheck(lambda x: (fused.max_pool(x**2) ** 2).sum(), images)

    def summed(pool: object) -> Tensor:
        first = torch.func.grad(lambda x: (pool(x**2) ** 2).sum())  # type: ignore[operator]
        found: Tensor = torch.func.grad(lambda x: first(x).sum())(images.detach())
        return found

    torch.testing.assert_close(summed(fused.max_pool), summed(theirs))


LAYERS: dict[str, tuple[Layer, Layer]] = {
    "pool": (fused.convolve_and_pool, lambda conv, x: theirs(conv(x))),
    "activate": (fused.convolve_and_activate, lambda conv, x: F.relu(conv(x))),
    "add": (lambda conv, x: fused.convolve_and_add(conv, x, x), lambda conv, x: conv(x) + x),
}


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_s_outputs_have_torch_s_bits_and_its_gradients_differ_by_rounding(
    kernels: None, name: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if precision == "bf16" and not ON_CUDA:
        pytest.skip("autocast is CUDA's here")
    monkeypatch.setattr(fused, "_on_kernels", lambda images, conv: True)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    conv = nn.Conv2d(16, 16, 3, padding=1).to(DEVICE, memory_format=torch.channels_last)
    found = []
    for layer in LAYERS[name]:
        images = images_of((4, 16, 16, 16), dtype).requires_grad_()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bf16"):
            output = layer(conv, images)
        of = (images, *conv.parameters())
        found.append((output, *torch.autograd.grad(output.float().square().mean(), of)))
    (mine, *my_gradients), (wanted, *gradients) = found
    assert torch.equal(mine, wanted)
    limit = 0.02 if precision == "bf16" else 1e-5
    for one, other in zip(my_gradients, gradients, strict=True):
        assert (one - other).norm() <= limit * other.norm()


class Alone(nn.Module):
    """A network of one layer."""

    def __init__(self, conv: nn.Conv2d, layer: Layer) -> None:
        super().__init__()
        self.conv, self._layer = conv, layer

    def forward(self, x: Tensor) -> Tensor:
        return self._layer(self.conv, x)


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_of_a_layer_s_derivatives(
    kernels: None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torch.func has them, with which Meta-DrAC learns, and autograd, with which TRPO does."""
    monkeypatch.setattr(fused, "_on_kernels", lambda images, conv: True)
    conv = nn.Conv2d(2, 2, 3, padding=1).to(DEVICE, torch.float64)
    drawn = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    images = drawn.to(DEVICE, torch.float64)

    def penalty(network: nn.Module, x: Tensor, bias: Tensor) -> Tensor:
        def loss(x: Tensor) -> Tensor:
            output = torch.func.functional_call(network, {"conv.bias": bias}, (x,))
            return (output**2).sum()

        return (torch.func.grad(loss)(x) ** 2).sum()

    bias = conv.bias.detach()
    found = [
        torch.func.grad(partial(penalty, Alone(conv, layer)), (0, 1))(images, bias)
        for layer in LAYERS[name]
    ]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("residual", ["impala", "released"])
def test_a_whole_network_of_them_is_torch_s(
    kernels: None, residual: Residual, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On real frames, whose three channels have zeros beside them in bf16: other kernels' sums."""
    if precision == "bf16" and not ON_CUDA:
        pytest.skip("autocast is CUDA's here")
    network = ActorCritic(15, residual=residual, generator=torch.Generator().manual_seed(0))
    network = network.to(DEVICE)
    images = as_float(torch.from_numpy(FRAMES).permute(0, 3, 1, 2)).to(DEVICE)
    outputs = []
    for uses in (True, False):
        monkeypatch.setattr(fused, "_on_kernels", lambda images, conv, uses=uses: uses)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bf16"), torch.no_grad():
            outputs.append(network(images))
    limit = 0.02 if precision == "bf16" else 1e-5
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, rtol=limit, atol=limit)
