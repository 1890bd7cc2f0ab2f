"""An augmentation that is found by its path, and is not always finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations import Augmentation, as_float


class Rarely(Augmentation):
    """Return NaN in the calls of `calls`, from 1, which a test sets."""

    name = "rarely"
    calls: Sequence[int] = ()

    def __init__(self) -> None:
        super().__init__()
        self.call = 0

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        self.call += 1
        return {}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        return as_float(obs) * (torch.nan if self.call in type(self).calls else 1)
