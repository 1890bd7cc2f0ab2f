"""Patch shuffle: the image is cut into a grid, and its patches change places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.arguments import check_integer
from augmentations.base import Augmentation, as_float, check_shape, parameter
from augmentations.transforms.pixels import in_pieces, take_pixels


class PatchShuffle(Augmentation):
    """Cut each image into grid x grid patches and put them back in a random order.

    Where the grid does not divide the image, the rows and columns that are left over at the bottom
    and on the right stay as they are.

    Source: Noroozi & Favaro 2016 (jigsaw puzzles), without their gaps between the patches.

    Args:
        grid: patches along each side; the image's sides must be at least as many pixels.
    """

    name = "patch-shuffle"

    def __init__(self, grid: int = 4) -> None:
        super().__init__()
        check_integer("grid", grid, low=1)
        self.grid = grid

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `permutation`, int64 (B, grid*grid): for each place the patch that comes there.

        Patches are counted along the rows. All orders are equally likely.
        """
        self._check_size(shape)
        size = (shape[0], self.grid**2)
        # Doubles: two equal ones, whose order would not be random, do not happen.
        keys = torch.rand(size, generator=generator, device=generator.device, dtype=torch.float64)
        return {"permutation": keys.argsort(dim=1)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Shuffle the patches. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        self._check_size(obs.shape)
        return in_pieces(self._shuffle, obs, parameter(params, "permutation", obs))

    def _shuffle(self, obs: Tensor, permutation: Tensor) -> Tensor:
        sides = obs.shape[2:]
        height, width = sides[0] // self.grid, sides[1] // self.grid
        rows = torch.arange(sides[0], device=obs.device)[:, None]
        columns = torch.arange(sides[1], device=obs.device)
        # What is left over counts as one more patch: it begins at pixel 0 and stays there.
        rest = (rows >= height * self.grid) | (columns >= width * self.grid)
        place = torch.where(rest, self.grid**2, rows // height * self.grid + columns // width)
        row = torch.where(rest, rows, rows % height)
        column = torch.where(rest, columns, columns % width)
        start = permutation // self.grid * (height * sides[1]) + permutation % self.grid * width
        start = torch.cat([start, start.new_zeros(len(start), 1)], dim=1)
        # A pixel's source: where its place's patch begins, and the pixel's position in the patch.
        source = start.index_select(1, place.flatten()) + (row * sides[1] + column).flatten()
        return take_pixels(obs, source)

    def _check_size(self, shape: Sequence[int]) -> None:
        _, height, width = check_shape(shape)
        if min(height, width) < self.grid:
            raise ValueError(
                f"a grid of {self.grid} x {self.grid} patches needs images of at least"
                f" {self.grid} pixels a side; got {height} x {width}"
            )

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"grid={self.grid}"
