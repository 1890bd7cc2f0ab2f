"""Tone curves: posterize keeps few levels of each channel, solarize inverts the bright ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.arguments import check_integer, check_number, check_range
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


class RandomPosterize(Augmentation):
    """Keep the highest bits of each channel's 8, as PIL.ImageOps.posterize does.

    Source: Cubuk et al. 2019 (AutoAugment), who keep 4 to 8 bits; on Procgen's flat colours that
    can hardly be seen, so that it is 2 to 4 here.

    Args:
        min_bits: fewest bits that are kept.
        max_bits: most bits, at most 8; the draw is uniform in min_bits..max_bits.
    """

    name = "posterize"

    def __init__(self, min_bits: int = 2, max_bits: int = 4) -> None:
        super().__init__()
        check_integer("min_bits", min_bits, low=1)
        check_integer("max_bits", max_bits, low=min_bits)
        check_number("max_bits", max_bits, min_bits, 8)
        self.min_bits = min_bits
        self.max_bits = max_bits

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `bits`, int64 (B,)."""
        batch, _, _ = check_shape(shape)
        return {"bits": integers(self.min_bits, self.max_bits, (batch,), generator)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Posterize the images. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        return in_pieces(_posterize, obs, parameter(params, "bits", obs))

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"min_bits={self.min_bits}, max_bits={self.max_bits}"


class RandomSolarize(Augmentation):
    """Replace each value x at or above a random threshold by 1 - x.

    Source: Cubuk et al. 2019 (AutoAugment).

    Args:
        min_threshold: lowest threshold; 0 inverts the whole image.
        max_threshold: highest threshold; the draw is uniform between both.
    """

    name = "solarize"

    def __init__(self, min_threshold: float = 0.0, max_threshold: float = 1.0) -> None:
        super().__init__()
        check_range("threshold", min_threshold, max_threshold, 1.0)
        self.min_threshold = min_threshold
        self.max_threshold = max_threshold

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `threshold`, float32 (B,)."""
        batch, _, _ = check_shape(shape)
        return {"threshold": uniform(self.min_threshold, self.max_threshold, batch, generator)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Solarize the images. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        return in_pieces(_solarize, obs, parameter(params, "threshold", obs))

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"min_threshold={self.min_threshold}, max_threshold={self.max_threshold}"


def _posterize(obs: Tensor, bits: Tensor) -> Tensor:
    # One level in `step` remains. Shifted, because exp2 need not be exact.
    step = (torch.ones_like(bits) << (8 - bits)).to(obs.dtype)[:, None, None, None]
    # The frames are 8-bit: round() restores their integers, whatever the division by 255 lost.
    levels = (obs * 255).round_().clamp_(0, 255)
    return match_format((levels / step).floor_().mul_(step).div_(255), obs)


def _solarize(obs: Tensor, threshold: Tensor) -> Tensor:
    bright = obs >= threshold[:, None, None, None]
    return match_format(torch.where(bright, 1 - obs, obs), obs)
