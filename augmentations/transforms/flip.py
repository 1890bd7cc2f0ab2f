"""Random flip: each image is mirrored, or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from augmentations.arguments import check_choice, check_number
from augmentations.base import (
    Augmentation,
    as_float,
    check_shape,
    match_format,
    parameter,
    per_pixel,
    uniform,
)


class RandomFlip(Augmentation):
    """Mirror each image with probability p.

    Source: Raileanu et al. 2021, appendix; docs/fidelity.md, row "flip".

    Args:
        axis: "horizontal" swaps left and right, as the paper says; "vertical" swaps top and
            bottom, which is what the released code does to its channel-first images.
        p: probability of a flip, for each image alone.
    """

    name = "flip"

    def __init__(
        self, axis: Literal["horizontal", "vertical"] = "horizontal", p: float = 0.5
    ) -> None:
        super().__init__()
        check_choice("axis", axis, ("horizontal", "vertical"))
        check_number("p", p, 0.0, 1.0)
        self.axis = axis
        self.p = p

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `mask`, bool (B,): which images are flipped."""
        batch, _, _ = check_shape(shape)
        return {"mask": uniform(0.0, 1.0, batch, generator) < self.p}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Flip the images of the mask. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        mask = parameter(params, "mask", obs)[:, None]
        flipped = obs.flip(3 if self.axis == "horizontal" else 2)
        # The released code also flips the minibatch in place on CPU (docs/fidelity.md, row
        # "input"): not reproduced, where() makes a new tensor.
        return match_format(torch.where(per_pixel(mask), flipped, obs), obs)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"axis={self.axis!r}, p={self.p}"
