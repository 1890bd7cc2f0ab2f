"""Layers of the IMPALA network in which CUDA has fewer and smaller passes over memory.

On the CPU, and where torch.compile makes the kernels, they are torch's layers one after the other.
On CUDA torch's max-pooling alone is a quarter of a gradient step in channels_last: it writes down
where each maximum was in eight bytes, ours in Triton one. What is added to a convolution's output
is added in one pass. Every number is rounded where torch rounds it, so that outputs are the same
bits, and gradients but for the order of sums; of maxima that only the bias made equal, the larger
one has the gradient.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOST = 2**31
"""Numbers in a tensor that the kernels can count to."""

CHANNELS = 8
"""Tensor cores multiply bf16 where channels are a multiple of this; else cuDNN does without."""

_logger = logging.getLogger(__name__)


@contextmanager
def without_zeros() -> Iterator[None]:
    """Put no channels of zeros beside those of frames: they are nothing that the network needs."""
    global CHANNELS
    before, CHANNELS = CHANNELS, 1
    try:
        yield
    finally:
        CHANNELS = before


def convolve_and_pool(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """Return the maxima of a convolution's output, of 3x3 windows padded by one, with stride 2.

    On CUDA the bias is added after pooling, to a quarter of the numbers: adding and rounding keep
    the order. In bf16 channels of zeros are put beside those of frames.

    Args:
        conv: keeps height and width.
        images: (B, C, H, W).

    Returns:
        (B, conv.out_channels, ceil(H/2), ceil(W/2)).
    """
    if not _on_kernels(images, conv):
        return F.max_pool2d(conv(images), kernel_size=3, stride=2, padding=1)
    pooled = max_pool(_without_bias(conv, images))
    return pooled + _bias(conv, pooled)[:, None, None]


def convolve_and_activate(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """Return relu(conv(images)); `conv` keeps height and width."""
    if not _on_kernels(images, conv):
        return F.relu(conv(images))
    output = _without_bias(conv, images)
    activated: Tensor = _apply(_BiasRelu, output, _bias(conv, output))
    return activated


def convolve_and_add(conv: nn.Conv2d, images: Tensor, skip: Tensor) -> Tensor:
    """Return conv(images) + skip; `conv` keeps the shape."""
    if not _on_kernels(images, conv):
        alone: Tensor = conv(images)
        return alone + skip
    output = _without_bias(conv, images)
    if skip.dtype != output.dtype:
        return output + _bias(conv, output)[:, None, None] + skip
    added: Tensor = _apply(_BiasSkip, output, _bias(conv, output), skip)
    return added


def max_pool(images: Tensor) -> Tensor:
    """Return the maxima of 3x3 windows padded by one, with stride 2, by the kernels."""
    pooled: Tensor = _apply(_MaxPool, images)[0]
    return pooled


def _on_kernels(images: Tensor, conv: nn.Conv2d) -> bool:
    if not images.is_cuda or torch.compiler.is_compiling() or conv.bias is None:
        return False
    return images[:, 0].numel() * conv.out_channels < MOST and kernels() is not None


@functools.cache
def kernels() -> ModuleType | None:
    """Return the kernels, if they can be had here."""
    try:
        from drac.networks import triton_kernels

        device = "cuda" if torch.cuda.is_available() else "cpu"
        for dtype in (torch.float32, torch.bfloat16):  # not every card and compiler has both
            images = torch.zeros(1, 1, 2, 2, device=device, dtype=dtype)
            triton_kernels.spread(*triton_kernels.pool(images), 2, 2)
            triton_kernels.add_bias(images, images[0, 0, 0, :1], images, activate=True)
    except Exception as error:  # no Triton, no compiler for it, or one that does not work
        what = str(error).partition("\n")[0]
        _logger.warning("the network runs on torch's own kernels, which are slower: %s", what)
        return None
    return triton_kernels


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Any:
    return function.apply(*inputs)


def _module() -> ModuleType:
    found = kernels()
    assert found is not None
    return found


def _without_bias(conv: nn.Conv2d, images: Tensor) -> Tensor:
    weight = conv.weight
    if torch.is_autocast_enabled("cuda"):
        dtype = torch.get_autocast_dtype("cuda")
        images, weight = images.to(dtype), weight.to(dtype)
        if missing := -images.shape[1] % CHANNELS:
            images, weight = (F.pad(x, (0, 0, 0, 0, 0, missing)) for x in (images, weight))
    return F.conv2d(images, weight, padding=conv.padding)


def _bias(conv: nn.Conv2d, output: Tensor) -> Tensor:
    assert conv.bias is not None
    return conv.bias.to(output.dtype)


class _MaxPool(torch.autograd.Function):
    """The maxima, and their places in their windows, 0 to 8, row by row: uint8."""

    @staticmethod
    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        pooled: Tensor
        pooled, places = _module().pool(images)
        return pooled, places

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        (images,), (_, places) = inputs, output
        ctx.size = images.shape[2:]
        ctx.mark_non_differentiable(places)
        ctx.set_materialize_grads(False)  # of the places, which have none
        ctx.save_for_backward(places)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Tensor | None:
        if gradients[0] is None:
            return None
        (places,) = ctx.saved_tensors
        found: Tensor = _apply(_Spread, gradients[0], places, *ctx.size)
        return found


class _Spread(torch.autograd.Function):
    """The gradient of images: that of each maximum, at its place."""

    @staticmethod
    def forward(gradient: Tensor, places: Tensor, height: int, width: int) -> Tensor:
        found: Tensor = _module().spread(gradient, places, height, width)
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (places,) = ctx.saved_tensors
        return _gathered(gradients[0], places), None, None, None


def _gathered(images: Tensor, places: Tensor) -> Tensor:
    """Return of each window what is at its place: the derivative of `_Spread`."""
    width = images.shape[3]
    rows = torch.arange(places.shape[2], device=places.device)[:, None]
    columns = torch.arange(places.shape[3], device=places.device)
    place = places.to(torch.int64)
    y, x = 2 * rows - 1 + place // 3, 2 * columns - 1 + place % 3
    return images.flatten(2).gather(2, (y * width + x).flatten(2)).view(places.shape)


class _BiasRelu(torch.autograd.Function):
    """relu(output + bias), of (B, C, H, W) and (C,)."""

    @staticmethod
    def forward(output: Tensor, bias: Tensor) -> Tensor:
        activated: Tensor = _module().add_bias(output, bias, activate=True)
        return activated

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (activated,) = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradients[0], activated, 0)
        return gradient, gradient.sum((0, 2, 3))


class _BiasSkip(torch.autograd.Function):
    """(output + bias) + skip, of (B, C, H, W), (C,) and (B, C, H, W)."""

    @staticmethod
    def forward(output: Tensor, bias: Tensor, skip: Tensor) -> Tensor:
        added: Tensor = _module().add_bias(output, bias, skip)
        return added

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return gradients[0], gradients[0].sum((0, 2, 3)), gradients[0]
