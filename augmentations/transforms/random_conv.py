"""Random convolution: every image through its own random 3x3 filter bank."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from augmentations.arguments import check_number
from augmentations.base import (
    CHANNELS,
    Augmentation,
    as_float,
    check_shape,
    match_format,
    parameter,
)
from augmentations.transforms.pixels import in_pieces

KERNEL = 3


class RandomConv(Augmentation):
    """Convolve each image with its own 3x3 kernels, 3 -> 3 channels, zero padding, no bias.

    The weights are Xavier-normal: N(0, 2 / (fan_in + fan_out)) with both fans 3*3*3. The result is
    not clamped: it leaves [0, 1], as in the released code.

    Source: Lee et al. 2020 (network randomization); Raileanu et al. 2021, appendix;
    docs/fidelity.md, row "random-conv".

    Args:
        strength: in [0, 1]; the result is strength * convolved + (1 - strength) * image, so that
            0 leaves the images as they are.
    """

    name = "random-conv"
    output_range = None

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        check_number("strength", strength, 0.0, 1.0)
        self.strength = strength

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `weight`, float32 (B, 3, 3, 3, 3): image, output channel, input channel, y, x.

        The share of the image itself, 1 - strength, is in the weights of the middle.
        """
        batch, _, _ = check_shape(shape)
        size = (batch, CHANNELS, CHANNELS, KERNEL, KERNEL)
        fan = CHANNELS * KERNEL * KERNEL
        normal = torch.randn(size, generator=generator, device=generator.device)
        weight = normal * (math.sqrt(2 / (fan + fan)) * self.strength)
        middle = weight[..., KERNEL // 2, KERNEL // 2].diagonal(dim1=1, dim2=2)
        middle += 1 - self.strength
        return {"weight": weight}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Convolve. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        return in_pieces(_convolve, obs, parameter(params, "weight", obs))

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"strength={self.strength}"


def _convolve(obs: Tensor, weight: Tensor) -> Tensor:
    """Correlate image b with weight[b]; as F.conv2d with one group an image, but faster on CPU.

    The three horizontal neighbours become channels of a matrix with one column a pixel, rows of
    the image one after another. A vertical shift is then a contiguous slice of columns, and the
    convolution three batched matrix products, one for each row of the kernel.

    Shape:
        - obs: (B, 3, H, W)
        - weight: (B, 3, 3, 3, 3)
        - output: (B, 3, H, W)
    """
    batch, channels, height, width = obs.shape
    padded = F.pad(obs.contiguous(), (1, 1, 1, 1))
    taps = torch.stack([padded[..., dx : dx + width] for dx in range(KERNEL)], dim=2)
    taps = taps.view(batch, channels * KERNEL, (height + 2) * width)
    output = obs.new_zeros(batch, channels, height * width)
    for dy in range(KERNEL):
        kernel_row = weight[..., dy, :].reshape(batch, channels, channels * KERNEL)
        shifted = taps[..., dy * width : (dy + height) * width]
        output.baddbmm_(kernel_row, shifted)
    return match_format(output.view(obs.shape), obs)
