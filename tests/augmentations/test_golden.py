"""The released implementation's recorded outputs (tests/golden), on real Procgen frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkout import GOLDEN
from torch import Tensor

import augmentations

RECORDED = dict(np.load(GOLDEN / "augmentations.npz"))

CASES = [
    ("grayscale", "grayscale"),
    ("cutout", "cutout"),
    ("cutout-color", "cutout-color"),
    ("flip", "flip(axis='vertical')"),
    ("rotate", "rotate"),
    ("color-jitter/contrast-first", "color-jitter"),
    ("color-jitter/hsv-first", "color-jitter"),
    ("random-conv", "random-conv"),
]


def recorded(case: str) -> tuple[dict[str, Tensor], Tensor]:
    """The parameters and the output of one recorded call."""
    entries = {
        key.removeprefix(f"{case}/"): torch.from_numpy(value)
        for key, value in RECORDED.items()
        if key.startswith(f"{case}/")
    }
    output = entries.pop("out")
    if case.startswith("color-jitter"):
        entries["contrast_first"] = torch.full((8,), case.endswith("contrast-first"))
    return entries, output


@pytest.mark.parametrize(("case", "spec"), CASES)
def test_agrees_with_the_released_code(case: str, spec: str) -> None:
    params, expected = recorded(case)
    aug, obs = augmentations.make(spec), torch.from_numpy(RECORDED["obs"]).permute(0, 3, 1, 2)
    for layout in (obs, obs.contiguous()):
        torch.testing.assert_close(aug.apply(layout, params), expected, rtol=0, atol=1e-5)
    drawn = aug.sample((8, 3, 64, 64), torch.Generator())
    assert drawn.keys() == params.keys()
    for key, value in params.items():
        assert (drawn[key].shape, drawn[key].dtype) == (value.shape, value.dtype), key
