"""Random crop: the image shifted by up to `padding` pixels, its border continued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.arguments import check_integer
from augmentations.base import Augmentation, as_float, check_shape, integers, parameter
from augmentations.transforms.pixels import take_pixels


class RandomCrop(Augmentation):
    """Pad with the border pixels, then cut a random window of the original size out.

    Source: Raileanu et al. 2021, appendix; docs/fidelity.md, row "crop".

    Args:
        padding: pixels added on each side; the offset of the window is uniform in 0..2*padding.
    """

    name = "crop"

    def __init__(self, padding: int = 12) -> None:
        super().__init__()
        check_integer("padding", padding, low=0)
        self.padding = padding

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `top` and `left`, int64 (B,): the window's corner in the padded image."""
        batch, _, _ = check_shape(shape)
        return {key: integers(0, 2 * self.padding, (batch,), generator) for key in ("top", "left")}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Cut the windows out. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        # A pixel of the padding is the nearest pixel of the image: clamp instead of padding.
        rows = self._positions(parameter(params, "top", obs), obs.shape[2])
        columns = self._positions(parameter(params, "left", obs), obs.shape[3])
        source = rows[:, :, None] * obs.shape[3] + columns[:, None, :]
        return take_pixels(obs, source.flatten(1))

    def _positions(self, offset: Tensor, size: int) -> Tensor:
        steps = torch.arange(size, device=offset.device) - self.padding
        return (offset[:, None] + steps).clamp(0, size - 1)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"padding={self.padding}"
