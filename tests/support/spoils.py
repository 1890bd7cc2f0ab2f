"""An augmentation that breaks its contract, and one that has a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations import Augmentation, as_float


class Spoils(Augmentation):
    """Spoil one thing in some calls of apply, the first being 1."""

    name = "spoils"

    def __init__(self, how: str = "nan", calls: Sequence[int] = (1,)) -> None:
        super().__init__()
        self.how, self.calls, self.call = how, calls, 0

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        rows = shape[0] - 1 if self.how == "rows" else shape[0]
        return {"by": torch.rand(rows, generator=generator)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        self.call += 1
        obs = as_float(obs)
        if self.call not in self.calls:
            return obs
        spoiled = {
            "shape": lambda: obs[:, :2],
            "nan": lambda: obs * torch.nan,
            "inf": lambda: obs + torch.inf,
            "bytes": lambda: (obs * 255).to(torch.uint8),
            "double": lambda: obs.double(),
            "bright": lambda: obs * 100 - 50,
            "rows": lambda: obs,
            "nothing": lambda: None,
        }
        return spoiled[self.how]()  # type: ignore[no-untyped-call]


class Counting(Augmentation):
    """Darken by the number of the batch and the mean of all draws so far: its state."""

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
