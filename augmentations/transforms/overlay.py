"""Random overlay: each image is blended with another picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.arguments import check_integer, check_number, check_range
from augmentations.base import (
    CHANNELS,
    Augmentation,
    as_float,
    check_shape,
    match_format,
    parameter,
    uniform,
)
from augmentations.transforms.pixels import in_pieces


class RandomOverlay(Augmentation):
    """Return (1 - alpha) x + alpha d, with another picture d for each image x.

    In the paper d is a photograph of the Places data set. None is shipped or downloaded here: d is
    a field of random colours, uniform and independent at the corners of cells x cells squares,
    bilinear in between. It is `field`, a few numbers an image: put a thumbnail there to have it
    blended in.

    Source: Hansen & Wang 2021 (SODA), "random overlay"; Hansen et al. 2021 (SVEA), alpha = 0.5.

    Args:
        cells: squares along each side of the picture.
        min_alpha: smallest weight of the picture.
        max_alpha: largest weight; an image's is uniform between both.
        strength: in [0, 1], multiplies both; 0 leaves the images as they are.
    """

    name = "overlay"

    def __init__(
        self,
        cells: int = 6,
        min_alpha: float = 0.5,
        max_alpha: float = 0.5,
        strength: float = 1.0,
    ) -> None:
        super().__init__()
        check_integer("cells", cells, low=1)
        check_range("alpha", min_alpha, max_alpha, 1.0)
        check_number("strength", strength, 0.0, 1.0)
        self.cells = cells
        self.min_alpha = min_alpha
        self.max_alpha = max_alpha
        self.strength = strength

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `alpha`, float32 (B,), `strength` included, and `field`, (B, 3, k, k), k = cells+1.

        The field is float32 in [0, 1).
        """
        batch, _, _ = check_shape(shape)
        size = (batch, CHANNELS, self.cells + 1, self.cells + 1)
        return {
            "alpha": uniform(self.min_alpha, self.max_alpha, batch, generator) * self.strength,
            "field": torch.rand(size, generator=generator, device=generator.device),
        }

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Blend the pictures in. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        alpha, field = parameter(params, "alpha", obs), parameter(params, "field", obs)
        return in_pieces(_overlay, obs, alpha, field)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return (
            f"cells={self.cells}, min_alpha={self.min_alpha}, max_alpha={self.max_alpha},"
            f" strength={self.strength}"
        )


def _overlay(obs: Tensor, alpha: Tensor, field: Tensor) -> Tensor:
    """Enlarge and blend.

    Shape:
        - obs, output: (B, 3, H, W)
        - alpha: (B,)
        - field: (B, 3, k, l)
    """
    batch, channels, height, width = obs.shape
    along_y = _interpolation(field.shape[2], height, obs)
    along_x = _interpolation(field.shape[3], width, obs)
    # Interleaved pixels, as the images are: (k, l * 3) -> (H, l * 3) -> (H, W * 3). The second
    # product takes each colour to itself with a matrix that is mostly zeros: one large product is
    # faster than many of three columns.
    picture = along_y @ field.permute(0, 2, 3, 1).flatten(2)
    picture = picture @ torch.kron(
        along_x.T.contiguous(), torch.eye(channels, device=obs.device, dtype=obs.dtype)
    )
    picture = picture.view(batch, height, width, channels).permute(0, 3, 1, 2)
    return match_format(torch.lerp(obs, picture, alpha[:, None, None, None]), obs)


def _interpolation(count: int, size: int, like: Tensor) -> Tensor:
    """Return (size, count): the weights of `count` points, the outer ones in the outer pixels."""
    position = torch.arange(size, device=like.device, dtype=torch.float32)
    position = position * ((count - 1) / max(1, size - 1))
    point = torch.arange(count, device=like.device, dtype=torch.float32)
    return (1 - (position[:, None] - point).abs()).clamp_(min=0).to(like.dtype)
