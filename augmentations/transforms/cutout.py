"""Cutout: a random box of each image is painted over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from augmentations.arguments import check_choice, check_integer
from augmentations.base import (
    Augmentation,
    as_float,
    check_shape,
    integers,
    match_format,
    parameter,
)

# Tied placement, in pixels of a 64 x 64 image: the box starts at PIVOT + its own size.
PIVOT_ROW = 12
PIVOT_COLUMN = 24


class Cutout(Augmentation):
    """Paint a box of h x w pixels black.

    The sizes and the tied placement are meant for 64 x 64 images; what of a box lies outside the
    image is lost, so that images of 16 x 16 stay as they are.

    Source: DeVries & Taylor 2017; Raileanu et al. 2021, appendix; docs/fidelity.md, row "cutout".

    Args:
        min_size: smallest height and width in pixels.
        max_size: largest height and width in pixels; both are uniform in min_size..max_size.
        placement: "tied": rows 12+h..12+2h and columns 24+w..24+2w (half-open), so that position
            depends on size, as in the paper's experiments; "uniform": anywhere in the image,
            drawn independently (`top` and `left`).
    """

    name = "cutout"

    def __init__(
        self,
        min_size: int = 7,
        max_size: int = 21,
        placement: Literal["tied", "uniform"] = "tied",
    ) -> None:
        super().__init__()
        check_integer("min_size", min_size, low=0)
        check_integer("max_size", max_size, low=min_size)
        check_choice("placement", placement, ("tied", "uniform"))
        self.min_size = min_size
        self.max_size = max_size
        self.placement = placement

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `h` and `w`, int64 (B,); with uniform placement also `top` and `left`."""
        batch, height, width = check_shape(shape)
        params = {
            key: integers(self.min_size, self.max_size, (batch,), generator) for key in ("h", "w")
        }
        if self.placement == "uniform":
            params["top"] = _uniform_start(height, params["h"], generator)
            params["left"] = _uniform_start(width, params["w"], generator)
        return params

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Paint the boxes. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        h, w = parameter(params, "h", obs), parameter(params, "w", obs)
        if self.placement == "tied":
            top, left = PIVOT_ROW + h, PIVOT_COLUMN + w
        else:
            top, left = parameter(params, "top", obs), parameter(params, "left", obs)
        batch, channels, height, width = obs.shape
        # Rows of interleaved channels, as channels_last stores them: where() runs over long ones.
        lines = obs.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
        rows = _interval(top, h, height)
        columns = _interval(left, w, width).repeat_interleave(channels, dim=1)
        colour = self._colour(obs, params).repeat(1, width)[:, None, :]
        painted = torch.where(rows[:, :, None] & columns[:, None, :], colour, lines)
        return match_format(painted.view(batch, height, width, channels).permute(0, 3, 1, 2), obs)

    def _colour(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Return the colour of each image's box, (B, 3) or (1, 3)."""
        return obs.new_zeros(1, obs.shape[1])

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"min_size={self.min_size}, max_size={self.max_size}, placement={self.placement!r}"


class CutoutColor(Cutout):
    """Paint a box of h x w pixels in one random colour for each image.

    Source: Laskin et al. 2020 (RAD); Raileanu et al. 2021, appendix; docs/fidelity.md, row
    "cutout-color".

    Args:
        min_size: as in `Cutout`.
        max_size: as in `Cutout`.
        placement: as in `Cutout`.
        color_scale: "unit": colours are {0..254}/255; "released": only those of this module's
            first draw are, all later ones stay in 0..254 on images in [0, 1]. The number of draws
            is in the state_dict, so that a run that continues does not scale once more.
    """

    name = "cutout-color"
    draws: Tensor

    def __init__(
        self,
        min_size: int = 7,
        max_size: int = 21,
        placement: Literal["tied", "uniform"] = "tied",
        color_scale: Literal["unit", "released"] = "unit",
    ) -> None:
        super().__init__(min_size, max_size, placement)
        check_choice("color_scale", color_scale, ("unit", "released"))
        self.color_scale = color_scale
        if color_scale == "released":
            self.output_range = None
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw as `Cutout` does, and `color`, float32 (B, 3)."""
        params = super().sample(shape, generator)
        # Never 255, as the released code's randint(0, 255).
        color = integers(0, 254, (shape[0], 3), generator).to(torch.float32)
        params["color"] = color / self._divisor(generator.device)
        self.draws += 1
        return params

    def _divisor(self, device: torch.device) -> Tensor | float:
        if self.color_scale == "unit":
            return 255.0
        # docs/fidelity.md, row "cutout-color": the authors' module divides by 255 where it is
        # constructed, and forgets it where it draws again. No branch on the count, which would
        # wait for a GPU if it is there; on CPU it is a scalar that every device takes.
        draws = self.draws if self.draws.device.type == "cpu" else self.draws.to(device)
        return torch.where(draws == 0, 255.0, 1.0)

    def _colour(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        return parameter(params, "color", obs)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"{super().extra_repr()}, color_scale={self.color_scale!r}"


def _uniform_start(size: int, length: Tensor, generator: torch.Generator) -> Tensor:
    """Draw where boxes of these lengths begin, so that they lie within `size` pixels."""
    last = (size - length).clamp(min=0)
    unit = torch.rand(length.shape, generator=generator, device=generator.device)
    # unit < 1, but the product may be rounded up to last + 1
    return (unit * (last + 1)).to(torch.int64).minimum(last)


def _interval(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Return bool (B, size): the positions start <= i < start + length."""
    position = torch.arange(size, device=start.device)
    return (position >= start[:, None]) & (position < (start + length)[:, None])
