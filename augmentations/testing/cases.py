"""What the clauses of an augmentation's contract are checked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from augmentations import guards
from augmentations.base import CHANNELS, Augmentation

BATCH = 8
MANY = 33  # images of the largest batch
RUNS = 8  # generators, of each of which are taken
RUN = 4  # draws in a row


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
        coarse = _enlarge(_uniform((BATCH, CHANNELS, 4, 4), noise), self.size)
        fine = _uniform((BATCH, CHANNELS, self.size, self.size), noise)
        return _in_dtype((coarse * 1.4 - 0.2 + (fine - 0.5) * 0.2).clamp(0, 1), dtype)

    def gallery(self, dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, Tensor]:
        """Return images (3, size, size) of 8 kinds by what they are, in another order each seed.

        The order turns, so that each kind gets to each row of a batch.
        """
        noise = generator(seed)
        fine = _uniform((CHANNELS, self.size, self.size), noise)
        gray = fine[:1].expand_as(fine)
        patches = _enlarge(_uniform((1, CHANNELS, 4, 4), noise), self.size)[0]
        kinds = {
            "that are black": torch.zeros_like(fine),
            "that are white": torch.ones_like(fine),
            "that are nearly black": fine * 0.04,
            "that are nearly white": 1 - fine * 0.04,
            "in pure colours": _saturated(patches).float(),
            "in shades of gray": gray,
            "of black and white pixels": (gray > 0.5).float(),
            "with patches and noise": self.images(seed=seed)[0],
        }
        names = [*kinds][seed % len(kinds) :] + [*kinds][: seed % len(kinds)]
        return {name: _in_dtype(kinds[name], dtype) for name in names}

    def sample(self, seed: int = 0, batch: int = BATCH) -> dict[str, Tensor]:
        """Draw parameters with a new generator."""
        return self._draw(generator(seed), batch)

    def runs(self) -> list[list[dict[str, Tensor]]]:
        """Draw with RUNS new generators, RUN times in a row with each."""
        generators = [generator(seed) for seed in range(RUNS)]
        return [[self._draw(source) for _ in range(RUN)] for source in generators]

    def _draw(self, source: torch.Generator, batch: int = BATCH) -> dict[str, Tensor]:
        return self.aug.sample((batch, CHANNELS, self.size, self.size), source)

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


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree in shape, dtype and all values, where NaN equals NaN."""
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and bool(equal(one, other).all())


def equal(one: Tensor, other: Tensor) -> Tensor:
    """Return where two tensors agree; NaN equals NaN."""
    return (one == other) | ((one != one) & (other != other))


def _uniform(size: Sequence[int], source: torch.Generator) -> Tensor:
    """Draw float32 numbers in [0, 1), whatever the defaults of torch are set to."""
    return torch.rand(*size, generator=source, dtype=torch.float32, device="cpu")


def _enlarge(images: Tensor, size: int) -> Tensor:
    return F.interpolate(images, size=(size, size))


def _saturated(patches: Tensor) -> Tensor:
    """Return 1 for the largest channel of each pixel, 0 for the smallest, either for the third."""
    lowest, highest = patches.amin(0), patches.amax(0)
    return ((patches > 0.5) | (patches == highest)) & (patches > lowest)


def _in_dtype(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Return images in [0, 1] rounded to the levels of 8 bits; uint8 in 0..255."""
    levels = images.mul(255).round()
    return levels.to(dtype) if dtype == torch.uint8 else (levels / 255).to(dtype)
