"""The kernels of `drac.networks.fused`, in Triton, which torch's builds for CUDA bring along.

Images are channels_last, so that in memory they are (B, H, W, C). Every program of a kernel has
`BLOCK` numbers of its output, one after the other.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


@triton.jit
def _pool(
    images, pooled, places, number,
    height: tl.constexpr, width: tl.constexpr, out_height: tl.constexpr, out_width: tl.constexpr,
    channels: tl.constexpr, block: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < number
    channel, pixel = at % channels, at // channels
    out_x, row = pixel % out_width, pixel // out_width
    out_y, image = row % out_height, row // out_height
    best = tl.full((block,), float("-inf"), wide)
    # The first place of a window that lies in the image, as torch has it where all are -inf.
    place = tl.where(out_y == 0, 3, 0) + tl.where(out_x == 0, 1, 0)
    for k in tl.static_range(9):
        y, x = 2 * out_y - 1 + k // 3, 2 * out_x - 1 + k % 3
        there = inside & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        value = tl.load(
            images + ((image * height + y) * width + x) * channels + channel,
            mask=there,
            other=float("-inf"),
        ).to(wide)
        better = there & ((value > best) | (value != value))
        best, place = tl.where(better, value, best), tl.where(better, k, place)
    tl.store(pooled + at, best.to(pooled.dtype.element_ty), mask=inside)
    tl.store(places + at, place.to(tl.uint8), mask=inside)


@triton.jit
def _spread(
    gradient, places, spread, number,
    height: tl.constexpr, width: tl.constexpr, out_height: tl.constexpr, out_width: tl.constexpr,
    channels: tl.constexpr, block: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < number
    channel, pixel = at % channels, at // channels
    x, row = pixel % width, pixel // width
    y, image = row % height, row // height
    total = tl.zeros((block,), wide)
    # A pixel of odd y lies in the windows of two rows, one of even y in those of one.
    for k in tl.static_range(4):
        down, right = k // 2, k % 2
        out_y, out_x = (y + down) // 2, (x + right) // 2
        used = inside & (out_y < out_height) & (out_x < out_width)
        used = used & ((down == 0) | (y % 2 == 1)) & ((right == 0) | (x % 2 == 1))
        where = ((image * out_height + out_y) * out_width + out_x) * channels + channel
        place = tl.load(places + where, mask=used, other=255).to(tl.int32)
        mine = used & (place == (y - 2 * out_y + 1) * 3 + (x - 2 * out_x + 1))
        total += tl.load(gradient + where, mask=mine, other=0.0).to(wide)
    tl.store(spread + at, total.to(spread.dtype.element_ty), mask=inside)


@triton.jit
def _add_bias(
    output, bias, skip, added, number,
    channels: tl.constexpr, block: tl.constexpr, wide: tl.constexpr,
    activate: tl.constexpr, skips: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < number
    narrow = added.dtype.element_ty
    value = tl.load(output + at, mask=inside, other=0.0).to(wide)
    value = (value + tl.load(bias + at % channels).to(wide)).to(narrow).to(wide)
    if skips:
        value = value + tl.load(skip + at, mask=inside, other=0.0).to(wide)
    if activate:
        value = tl.where(value < 0, 0.0, value)  # what is NaN stays it
    tl.store(added + at, value.to(narrow), mask=inside)


def _wide(numbers: Tensor) -> tl.dtype:
    """Return in what is compared and summed."""
    return tl.float64 if numbers.dtype == torch.float64 else tl.float32


def pool(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maxima and their places in their windows: see `drac.networks.fused`."""
    batch, channels, height, width = images.shape
    out_height, out_width = (height + 1) // 2, (width + 1) // 2
    images = images.contiguous(memory_format=torch.channels_last)
    shape = (batch, channels, out_height, out_width)
    pooled = torch.empty(
        shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last
    )
    places = torch.empty_like(pooled, dtype=torch.uint8)
    number = pooled.numel()
    with torch.cuda.device_of(images):  # Triton launches where torch is, not where tensors are
        _pool[(triton.cdiv(number, BLOCK),)](
            images, pooled, places, number,
            height, width, out_height, out_width, channels, BLOCK, _wide(images),
        )  # fmt: skip
    return pooled, places


def spread(gradient: Tensor, places: Tensor, height: int, width: int) -> Tensor:
    """Return the gradient of the images: see `drac.networks.fused`."""
    batch, channels, out_height, out_width = gradient.shape
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    found = torch.empty(
        (batch, channels, height, width),
        dtype=gradient.dtype,
        device=gradient.device,
        memory_format=torch.channels_last,
    )
    number = found.numel()
    with torch.cuda.device_of(gradient):
        _spread[(triton.cdiv(number, BLOCK),)](
            gradient, places, found, number,
            height, width, out_height, out_width, channels, BLOCK, _wide(gradient),
        )  # fmt: skip
    return found


def add_bias(
    output: Tensor, bias: Tensor, skip: Tensor | None = None, *, activate: bool = False
) -> Tensor:
    """Return output + bias, rounded, then + skip, rounded, then relu of it.

    Shape:
        output, skip: (B, C, H, W), of one dtype.
        bias: (C,), of the same.
    """
    output = output.contiguous(memory_format=torch.channels_last)
    other = output if skip is None else skip.contiguous(memory_format=torch.channels_last)
    added, number = torch.empty_like(output), output.numel()
    with torch.cuda.device_of(output):
        _add_bias[(triton.cdiv(number, BLOCK),)](
            output, bias, other, added, number,
            output.shape[1], BLOCK, _wide(output), activate, skip is not None,
        )  # fmt: skip
    return added
