"""Gaussian blur, of another width for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from augmentations.arguments import check_integer, check_number, check_range
from augmentations.base import (
    Augmentation,
    as_float,
    check_shape,
    match_format,
    parameter,
    uniform,
)
from augmentations.transforms.pixels import in_pieces

# Below it all weight is on the centre: exp(-1 / (2 * 0.05**2)) is 1e-87, nothing in float32, and
# 0.05**2 is not yet.
_NO_BLUR = 0.05


class RandomBlur(Augmentation):
    """Blur each image with a Gaussian of random width; the border is reflected.

    Source: Chen et al. 2020 (SimCLR): sigma uniform in [0.1, 2], the kernel a tenth of the image.

    Args:
        kernel_size: taps along each axis, odd; half of it must be less than the image's sides.
        min_sigma: smallest standard deviation in pixels.
        max_sigma: largest standard deviation; the draw is uniform between both.
        strength: in [0, 1], multiplies both sigmas; 0 leaves the images as they are.
    """

    name = "blur"

    def __init__(
        self,
        kernel_size: int = 7,
        min_sigma: float = 0.1,
        max_sigma: float = 2.0,
        strength: float = 1.0,
    ) -> None:
        super().__init__()
        check_integer("kernel_size", kernel_size, low=1)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd; got {kernel_size}")
        check_range("sigma", min_sigma, max_sigma, 100.0)
        check_number("strength", strength, 0.0, 1.0)
        self.kernel_size = kernel_size
        self.min_sigma = min_sigma
        self.max_sigma = max_sigma
        self.strength = strength

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `sigma`, float32 (B,), in pixels, `strength` included."""
        self._check_size(shape)
        sigma = uniform(self.min_sigma, self.max_sigma, shape[0], generator)
        return {"sigma": sigma * self.strength}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Blur the images. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        self._check_size(obs.shape)
        images = obs.to(torch.promote_types(obs.dtype, torch.float32))
        weights = _gaussian(parameter(params, "sigma", images), self.kernel_size)
        return in_pieces(_blur, images, weights).to(obs.dtype)

    def _check_size(self, shape: Sequence[int]) -> None:
        _, height, width = check_shape(shape)
        if self.kernel_size // 2 >= min(height, width):
            raise ValueError(
                f"a blur with kernel_size={self.kernel_size} needs images of more than"
                f" {self.kernel_size // 2} pixels a side; got {height} x {width}"
            )

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return (
            f"kernel_size={self.kernel_size}, min_sigma={self.min_sigma},"
            f" max_sigma={self.max_sigma}, strength={self.strength}"
        )


def _gaussian(sigma: Tensor, kernel_size: int) -> Tensor:
    """Return (B, kernel_size): exp(-n^2 / (2 sigma^2)) at n taps from the centre, of sum 1."""
    taps = torch.arange(kernel_size, device=sigma.device, dtype=sigma.dtype) - kernel_size // 2
    weights = (-0.5 * (taps / sigma.clamp(min=_NO_BLUR)[:, None]).square()).exp()
    return weights / weights.sum(dim=1, keepdim=True)


def _blur(images: Tensor, weights: Tensor) -> Tensor:
    """Blur along both axes: two convolutions of the whole batch with one group a plane.

    Shape:
        - images, output: (B, 3, H, W)
        - weights: (B, kernel_size)
    """
    batch, channels, height, width = images.shape
    if batch == 0:  # no groups, which conv2d does not know
        return images
    half = weights.shape[1] // 2
    planes = F.pad(images.contiguous(), (half, half, half, half), mode="reflect")
    planes = planes.view(1, batch * channels, height + 2 * half, width + 2 * half)
    kernels = weights.repeat_interleave(channels, dim=0)[:, None, None, :]
    planes = F.conv2d(planes, kernels, groups=batch * channels)
    planes = F.conv2d(planes, kernels.mT, groups=batch * channels)
    return match_format(planes.view(images.shape), images)
