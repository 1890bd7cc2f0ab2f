"""What the clauses of an augmentation's contract are checked on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from augmentations import guards
from augmentations.base import CHANNELS, Augmentation

BATCH = 8


@dataclass(frozen=True)
class Case:
    """What the clauses are checked on: an augmentation, and images of one size."""

    aug: Augmentation
    size: int
    atol: float

    @property
    def name(self) -> str:
        """What the augmentation is called in messages."""
        return guards.title(self.aug)

    def images(self, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
        """Return (8, 3, size, size) images: coarse patches with noise, from 0 to 255 or [0, 1]."""
        noise = generator(seed)
        coarse = torch.rand(BATCH, CHANNELS, 4, 4, generator=noise)
        fine = torch.rand(BATCH, CHANNELS, self.size, self.size, generator=noise)
        patches = F.interpolate(coarse, size=(self.size, self.size))
        images = (patches * 1.4 - 0.2 + (fine - 0.5) * 0.2).clamp(0, 1).mul(255).round()
        return images.to(torch.uint8) if dtype == torch.uint8 else (images / 255).to(dtype)

    def sample(self, seed: int = 0, batch: int = BATCH) -> dict[str, Tensor]:
        """Draw parameters with a new generator."""
        return self.aug.sample((batch, CHANNELS, self.size, self.size), generator(seed))

    def require(self, holds: bool, message: str) -> None:
        """Raise Broken with the message, unless the condition holds."""
        if not holds:
            raise guards.Broken(f"the augmentation {self.name!r} {message}")

    def require_equal(self, one: Tensor, other: Tensor, message: str, atol: float = 0.0) -> None:
        """Raise Broken unless two tensors agree to within `atol`."""
        if one.shape != other.shape:
            raise guards.Broken(f"the augmentation {self.name!r} {message}: the shapes differ")
        if one.numel() and not torch.allclose(one, other, rtol=0, atol=atol):
            off = (one.double() - other.double()).abs().max().item()
            raise guards.Broken(
                f"the augmentation {self.name!r} {message}: they differ by {off:.3g}"
            )


def generator(seed: int, device: str = "cpu") -> torch.Generator:
    """Return a new generator."""
    return torch.Generator(device).manual_seed(seed)
