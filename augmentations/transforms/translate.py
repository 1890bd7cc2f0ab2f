"""Translate: the image shifted by a few pixels, its border continued or black."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from augmentations.arguments import check_choice
from augmentations.base import as_float, match_format, parameter
from augmentations.transforms.crop import RandomCrop
from augmentations.transforms.pixels import in_pieces


class RandomTranslate(RandomCrop):
    """Shift each image by up to `padding` pixels along both axes.

    It is "crop" with another padding, and with a choice of what enters from outside.

    Source: Yarats et al. 2021 (DrQ): replicate-pad by 4, cut a random window; Laskin et al. 2020
    (RAD), "translate": a black border.

    Args:
        padding: largest shift in pixels; each axis's is uniform in -padding..padding.
        border: what enters: "replicate" repeats the nearest pixel, "zero" is black.
    """

    name = "translate"

    def __init__(
        self, padding: int = 4, border: Literal["replicate", "zero"] = "replicate"
    ) -> None:
        super().__init__(padding)
        check_choice("border", border, ("replicate", "zero"))
        self.border = border

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Shift the images. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        if self.border == "replicate":
            return super().apply(obs, params)
        obs = as_float(obs)
        top, left = parameter(params, "top", obs), parameter(params, "left", obs)
        return in_pieces(self._shift_in_black, obs, top, left)

    def _shift_in_black(self, obs: Tensor, top: Tensor, left: Tensor) -> Tensor:
        shifted = super().apply(obs, {"top": top, "left": left})
        rows, columns = self._inside(top, obs.shape[2]), self._inside(left, obs.shape[3])
        inside = rows[:, None, :, None] & columns[:, None, None, :]
        return match_format(torch.where(inside, shifted, shifted.new_zeros(())), obs)

    def _inside(self, offset: Tensor, size: int) -> Tensor:
        """Return bool (B, size): which positions of the window lie in the unpadded image."""
        position = offset[:, None] + torch.arange(size, device=offset.device) - self.padding
        return (position >= 0) & (position < size)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"{super().extra_repr()}, border={self.border!r}"
