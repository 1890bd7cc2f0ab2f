"""Gaussian noise, made from one number an image instead of being stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.arguments import check_number, check_range
from augmentations.base import (
    Augmentation,
    as_float,
    check_shape,
    integers,
    match_format,
    parameter,
    uniform,
)
from augmentations.transforms.pixels import in_pieces

# Chris Wellons' "lowbias32", a hash of 32 bits in which each bit of the input turns over each bit
# of the output in almost exactly half of the cases (nullprogram.com/blog/2018/07/31).
MULTIPLIER_1 = 0x7FEB352D
MULTIPLIER_2 = 0x846CA68B - 2**32
# Rounds of a Feistel network (no two seeds get the same two keys), after which all bits of both
# keys depend on all bits of the seed; it is run once an image.
_MIXES = 4


class RandomNoise(Augmentation):
    """Add white Gaussian noise, every pixel and channel its own; clamped to [0, 1].

    The noise is a function of a seed for each image, a hash of (seed, position): it is not stored
    (a batch's noise is as large as the batch), any slice replays it, and other batch sizes,
    layouts and devices see the same.

    Source: Lopes et al. 2019 (patch Gaussian; here over the whole image).

    Args:
        min_std: smallest standard deviation, on the scale of [0, 1].
        max_std: largest standard deviation; an image's is uniform between both.
        strength: in [0, 1], multiplies both; 0 leaves the images as they are.
    """

    name = "noise"

    def __init__(self, min_std: float = 0.05, max_std: float = 0.2, strength: float = 1.0) -> None:
        super().__init__()
        check_range("std", min_std, max_std, 1.0)
        check_number("strength", strength, 0.0, 1.0)
        self.min_std = min_std
        self.max_std = max_std
        self.strength = strength

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `std`, float32 (B,), `strength` included, and `seed`, int64 (B,) below 2^62."""
        batch, _, _ = check_shape(shape)
        return {
            "std": uniform(self.min_std, self.max_std, batch, generator) * self.strength,
            "seed": integers(0, 2**62 - 1, (batch,), generator),
        }

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Add the noise. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        std, seed = parameter(params, "std", obs), parameter(params, "seed", obs)
        return in_pieces(_add_noise, obs, std, seed)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"min_std={self.min_std}, max_std={self.max_std}, strength={self.strength}"


def _add_noise(obs: Tensor, std: Tensor, seed: Tensor) -> Tensor:
    batch, channels, height, width = obs.shape
    # Counted pixel by pixel, so that the noise of channels_last images needs no transposition.
    noise = standard_normal(seed, height * width * channels).mul_(std.float()[:, None])
    noise = noise.view(batch, height, width, channels).permute(0, 3, 1, 2)
    return match_format((obs + noise.to(obs.dtype)).clamp_(0, 1), obs)


def standard_normal(seed: Tensor, count: int) -> Tensor:
    """Return `count` standard normal float32 numbers for each seed.

    They are the same on every device but for rounding. Box and Muller's transform of pairs of
    16-bit numbers: |x| is at most 4.86.

    Shape:
        - seed: (B,), int64 below 2^62
        - output: (B, count)
    """
    pairs = (count + 1) // 2
    bits = random_bits(seed, pairs)
    # (0, 1), never 0; and a turn of the circle, [-1/2, 1/2).
    radius = (bits & 0xFFFF).float().add_(0.5).mul_(2**-16).log_().mul_(-2).sqrt_()
    angle = (bits >> 16).float().mul_(2 * math.pi * 2**-16)
    # All cosines, then all sines.
    normal = torch.cat([angle.cos().mul_(radius), angle.sin_().mul_(radius)], dim=1)
    return normal[:, :count]


def random_bits(seed: Tensor, count: int) -> Tensor:
    """Return `count` hashes for each seed, int32 in its whole range.

    The seed is mixed into two keys of 32 bits, of which one enters before the first round of the
    hash and one after it: with one key, two seeds whose keys differ in their last bits only would
    give the same numbers in another order.

    Shape:
        - seed: (B,), int64 below 2^62
        - output: (B, count)
    """
    # In the range of int32; there and below, products wrap around.
    first, second = ((seed & 0xFFFFFFFF) - 2**31).to(torch.int32), (seed >> 32).to(torch.int32)
    for _ in range(_MIXES):
        first, second = second, first ^ _hash(second.clone())
    position = torch.arange(count, device=seed.device, dtype=torch.int32)
    return _hash(position ^ first[:, None], second[:, None])


def _hash(bits: Tensor, key: Tensor | None = None) -> Tensor:
    """Hash in place, with a key in the middle if there is one."""
    _fold(bits, 16).mul_(MULTIPLIER_1)
    if key is not None:
        bits.bitwise_xor_(key)
    _fold(bits, 15).mul_(MULTIPLIER_2)
    return _fold(bits, 16)


def _fold(bits: Tensor, shift: int) -> Tensor:
    """Xor bits with themselves shifted down, in place; zeros come in, whatever the sign."""
    return bits.bitwise_xor_((bits >> shift).bitwise_and_((1 << (32 - shift)) - 1))
