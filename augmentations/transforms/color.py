"""Colour: grayscale, and jitter of brightness, contrast, saturation and hue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.arguments import check_number
from augmentations.base import (
    Augmentation,
    as_float,
    check_shape,
    match_format,
    parameter,
    per_pixel,
    uniform,
)
from augmentations.transforms.pixels import in_pieces

# ITU-R BT.601 luma of red, green and blue.
LUMA = (0.299, 0.587, 0.114)
# A drawn hue of 1 is 255 of 360 degrees (the hue of 8-bit HSV images); six sextants are a turn.
SEXTANTS_PER_HUE = 6 * 255 / 360
# Keeps the divisions of gray and black pixels finite; the size is the released code's.
EPS = 1e-8


class Grayscale(Augmentation):
    """Replace the three channels by their luma, always (RAD: with probability 0.5).

    Source: Raileanu et al. 2021, appendix; docs/fidelity.md, row "grayscale".
    """

    name = "grayscale"

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Return {}: nothing is random."""
        check_shape(shape)
        return {}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Return three equal channels. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        red, green, blue = obs.unbind(1)
        luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
        return match_format(luma[:, None].expand_as(obs), obs)


class ColorJitter(Augmentation):
    """Change brightness, contrast, saturation and hue of each image by random amounts.

    Brightness and saturation are factors of V and S, the hue is turned, and all three are clamped
    in HSV; contrast stretches each channel about its mean in RGB, clamped to [0, 1]. One coin a
    batch decides whether contrast comes first or last.

    Source: Laskin et al. 2020 (RAD); Raileanu et al. 2021, appendix; docs/fidelity.md, row
    "color-jitter".

    Args:
        brightness: the factor is uniform in [1 - brightness, 1 + brightness].
        contrast: the same for contrast.
        saturation: the same for saturation.
        hue: the draw is uniform in [-hue, hue] and turns the hue by 255/360 of it.
        strength: in [0, 1], multiplies the four above; 0 leaves the images as they are.
    """

    name = "color-jitter"
    batch_wide = ("contrast_first",)

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.5,
        strength: float = 1.0,
    ) -> None:
        super().__init__()
        factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for key, spread in factors.items():
            check_number(key, spread, 0.0, 1.0)
        check_number("hue", hue, 0.0, 0.5)
        check_number("strength", strength, 0.0, 1.0)
        self.ranges = {
            key: (1 - strength * spread, 1 + strength * spread) for key, spread in factors.items()
        }
        self.ranges["hue"] = (-strength * hue, strength * hue)

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `brightness`, `contrast`, `saturation`, `hue` (float32) and `contrast_first`.

        All are (B,); `contrast_first` is one bool, repeated.
        """
        batch, _, _ = check_shape(shape)
        params = {
            key: uniform(low, high, batch, generator) for key, (low, high) in self.ranges.items()
        }
        params["contrast_first"] = (uniform(0.0, 1.0, 1, generator) < 0.5).repeat(batch)
        return params

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Jitter the images. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        # EPS is zero in half precision: compute in float32 at least.
        images = obs.to(torch.promote_types(obs.dtype, torch.float32))
        factors = [parameter(params, key, images) for key in self.ranges]
        first = parameter(params, "contrast_first", images)
        return in_pieces(_jitter, images, *factors, first).to(obs.dtype)

    def extra_repr(self) -> str:
        """Return the range of each draw."""
        return ", ".join(f"{key} in [{low}, {high}]" for key, (low, high) in self.ranges.items())


def _jitter(
    obs: Tensor,
    brightness: Tensor,
    contrast: Tensor,
    saturation: Tensor,
    hue: Tensor,
    contrast_first: Tensor,
) -> Tensor:
    # Both places of contrast are computed, one of them with the factor 1: no branch on a tensor's
    # value, which would wait for a GPU.
    neutral = torch.ones_like(contrast)
    # One plane a colour: the arithmetic below is several times faster than on interleaved pixels.
    images = obs.contiguous()
    images = _adjust_contrast(images, torch.where(contrast_first, contrast, neutral))
    images = _adjust_hsv(images, brightness, saturation, hue)
    images = _adjust_contrast(images, torch.where(contrast_first, neutral, contrast))
    return match_format(images, obs)


def _adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Return (x - mean) * factor + mean, clamped; exactly x for a factor of 1."""
    factor = per_pixel(factor[:, None])
    mean = images.mean(dim=(2, 3), keepdim=True)
    return torch.addcmul(mean * (1 - factor), images, factor).clamp_(0, 1)


def _adjust_hsv(images: Tensor, brightness: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Scale V and S, turn H, and go back to RGB; every plane is (B, H, W).

    H is in sextants: 0 red, 2 green, 4 blue. Each channel is V - C * (1 - hat(H)), where chroma
    C = V * S and the hat, a trapezoid around the channel's own hue, needs no case for each sextant
    (en.wikipedia.org/wiki/HSL_and_HSV, "HSV to RGB alternative").
    """
    red, green, blue = images.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    delta = value - torch.minimum(torch.minimum(red, green), blue)
    per_delta = (delta + EPS).reciprocal()
    sextant = torch.where(
        value == blue,
        (red - green) * per_delta + 4,
        torch.where(value == green, (blue - red) * per_delta + 2, (green - blue) * per_delta),
    )
    sextant = sextant + per_pixel(hue * SEXTANTS_PER_HUE)
    sextant = sextant - (sextant / 6).floor() * 6
    new_saturation = (delta / (value + EPS) * per_pixel(saturation)).clamp_(0, 1)
    new_value = (value * per_pixel(brightness)).clamp_(0, 1)
    chroma = new_value * new_saturation
    floor = new_value - chroma
    hats = (
        (sextant - 3).abs_() - 1,
        2 - (sextant - 2).abs_(),
        2 - (sextant - 4).abs_(),
    )
    return torch.stack([torch.addcmul(floor, chroma, hat.clamp_(0, 1)) for hat in hats], dim=1)
