"""An augmentation whose images depend on how many batches there were: its state must be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations import Augmentation, as_float


class Counting(Augmentation):
    """Darken by the number of the batch, and by the mean of all draws so far."""

    name = "counting"

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(()))

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        by = torch.rand(shape[0], generator=generator)
        self.batches += 1
        self.mean += (by.mean() - self.mean) / self.batches
        return {"by": by * 0.5 + self.mean * 0.2 + (self.batches % 7) * 0.01}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        obs = as_float(obs)
        return obs * (1 - params["by"].to(obs)[:, None, None, None])
