"""Random rotation by quarter turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.base import Augmentation, as_float, check_shape, integers, parameter
from augmentations.transforms.pixels import take_pixels


class RandomRotate(Augmentation):
    """Turn each square image by 0, 90, 180 or 270 degrees, each equally likely.

    Source: Raileanu et al. 2021, appendix; docs/fidelity.md, row "rotate".
    """

    name = "rotate"

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `quarter_turns`, int64 (B,) in 0..3, counter-clockwise."""
        _check_square(shape)
        return {"quarter_turns": integers(0, 3, (shape[0],), generator)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Turn the images. Shape: (B, 3, S, S) -> (B, 3, S, S)."""
        obs = as_float(obs)
        size = _check_square(obs.shape)
        turns = parameter(params, "quarter_turns", obs).remainder(4)
        # Turn one grid of pixel numbers four ways; each image then picks its row of the table.
        grid = torch.arange(size * size, device=obs.device).view(size, size)
        table = torch.stack([grid.rot90(k).flatten() for k in range(4)])
        return take_pixels(obs, table.index_select(0, turns))


def _check_square(shape: Sequence[int]) -> int:
    _, height, width = check_shape(shape)
    if height != width:
        raise ValueError(f"rotate needs square images; got {height} x {width}")
    return height
