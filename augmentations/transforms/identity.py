"""The augmentation that does nothing: the baseline of a sweep, and a control arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations.base import Augmentation, as_float, check_shape


class Identity(Augmentation):
    """Return the images as floating point, otherwise unchanged."""

    name = "identity"

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Return {}: nothing is random."""
        check_shape(shape)
        return {}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Return `as_float(obs)`, which is `obs` itself if it is floating point."""
        return as_float(obs)
