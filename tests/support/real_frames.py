"""Real Procgen frames, generators, and tests of distributions, for the tests of augmentations."""

from __future__ import annotations

import numpy as np
import torch
from checkout import GOLDEN
from scipy import stats
from torch import Tensor

import augmentations

FRAMES = np.load(GOLDEN / "augmentations.npz")["obs"]
"""uint8 (8, 64, 64, 3)."""

LEVEL = 1e-3
"""A correct sampler fails one test in a thousand; the seeds are fixed, so it fails never."""


def images(batch: int = 8, size: int = 64, dtype: torch.dtype = torch.float32) -> Tensor:
    """Frames (batch, 3, size, size), channels_last, as the environments deliver them."""
    rows = torch.arange(batch) % len(FRAMES)
    frames = torch.from_numpy(FRAMES)[rows, 64 - size :, :size].permute(0, 3, 1, 2)
    return frames if dtype == torch.uint8 else (frames.float() / 255).to(dtype)


OBS = images()


def generator(seed: int = 0) -> torch.Generator:
    """A new generator of torch."""
    return torch.Generator().manual_seed(seed)


def draw(spec: str, count: int = 40_000, seed: int = 0, size: int = 64) -> dict[str, Tensor]:
    """The parameters of `count` images."""
    return augmentations.make(spec).sample((count, 3, size, size), generator(seed))


def assert_uniform_integers(values: Tensor, low: int, high: int) -> None:
    """Fail unless all integers from `low` to `high` are equally likely."""
    counts = np.bincount(values.flatten().numpy() - low, minlength=high - low + 1)
    assert len(counts) == high - low + 1
    assert stats.chisquare(counts).pvalue > LEVEL


def assert_uniform(values: Tensor, low: float, high: float) -> None:
    """Fail unless the numbers are uniform in [low, high]."""
    assert stats.kstest(values.numpy(), stats.uniform(low, high - low).cdf).pvalue > LEVEL
