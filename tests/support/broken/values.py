"""Augmentations that return wrong values: of another dtype, NaN, out of range, of unscaled bytes.

Each breaks one clause of the contract. Others are in `broken.draws` and `broken.transforms`.
"""

from __future__ import annotations

import torch

from augmentations import as_float
from broken.draws import Broken, Good


class AlwaysFloat32(Good):
    def apply(self, obs, params):
        return super().apply(obs, params).float()


class BytesOut(Good):
    def apply(self, obs, params):
        return (super().apply(obs, params) * 255).to(torch.uint8)


class UnscaledBytes(Good):
    def apply(self, obs, params):
        return super().apply(obs.float() if obs.dtype == torch.uint8 else obs, params)


class NanForWhite(Good):
    output_range = None

    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return obs / obs.flatten(1).max(1).values.sub(1).abs()[:, None, None, None]


class OutOfRange(Good):
    def apply(self, obs, params):
        return super().apply(obs, params) * 1.5


class OutOfAnotherRange(Good):
    output_range = (-1.0, 0.5)


class NanEverywhere(Good):
    def apply(self, obs, params):
        return super().apply(obs, params) * float("nan")


class NanInHalfPrecision(Good):
    def apply(self, obs, params):
        obs = as_float(obs)
        low, high = obs.amin((1, 2, 3), keepdim=True), obs.amax((1, 2, 3), keepdim=True)
        return super().apply((obs - low) / (high - low + 1e-8), params)


class TooBrightWhereWhite(Good):
    def apply(self, obs, params):
        output, white = super().apply(obs, params), as_float(obs).amin((1, 2, 3)) > 0.9
        return output + 0.1 * white[:, None, None, None].to(output.dtype)


class TooDarkWhereBlack(Good):
    def apply(self, obs, params):
        output, black = super().apply(obs, params), as_float(obs).amax((1, 2, 3)) < 0.1
        return output - 0.3 * black[:, None, None, None].to(output.dtype)


class TooColourful(Good):
    def apply(self, obs, params):
        output, obs = super().apply(obs, params), as_float(obs)
        pure = (obs.amax(1) - obs.amin(1)).mean((1, 2)) > 0.9
        return output + pure[:, None, None, None].to(output.dtype)


class ReusesItsOutput(Good):
    """What it returned before is overwritten by the next call."""

    kept: torch.Tensor | None = None

    def apply(self, obs, params):
        output = super().apply(obs, params)
        if self.kept is None or self.kept.shape != output.shape or self.kept.dtype != output.dtype:
            self.kept = torch.empty_like(output)
        return self.kept.copy_(output)


class SixteenImagesAtMost(Good):
    def apply(self, obs, params):
        return super().apply(obs, params)[:16]


class SqueezesOneImage(Good):
    def sample(self, shape, generator):
        params = super().sample(shape, generator)
        return {key: value.squeeze() if len(value) == 1 else value for key, value in params.items()}


class BatchWideThatVaries(Good):
    @property
    def batch_wide(self):
        return tuple(super().sample((1, 3, 16, 16), torch.Generator()))


BROKEN_VALUES: list[Broken] = [
    (AlwaysFloat32, "dtype", "returns torch.float32 for images of torch.float64"),
    (BytesOut, "dtype", "returns torch.uint8 for images of torch.float32; it must be"),
    (NanEverywhere, "finite", "returns NaN or infinite values for images .* .torch.float32"),
    (NanForWhite, "finite", "NaN or infinite values for images that are white .torch.float32"),
    (NanInHalfPrecision, "finite", "for images that are .* .torch.float16"),
    (UnscaledBytes, "scale", "treats uint8 images unlike float ones: they differ by"),
    (OutOfRange, "range", r"but declares output_range \[0, 1\]"),
    (OutOfAnotherRange, "range", r"but declares output_range \[-1, 0.5\]"),
    (TooBrightWhereWhite, "range", r"values in \[.*, 1.1\] for images that are .*white"),
    (TooDarkWhereBlack, "range", r"values in \[-0.*\] for images that are .*black"),
    (ReusesItsOutput, "state", "overwrites what it returned before"),
    (SixteenImagesAtMost, "shape", r"from \(33, 3, 16, 16\) to \(16, 3, 16, 16\)"),
    (SqueezesOneImage, "parameters", "'by' must have one row for each of the 1 images"),
    (BatchWideThatVaries, "parameters", "declares 'by' batch_wide, but draws it differently"),
    (TooColourful, "range", r"values in \[.*, 2\] for images in pure colours"),
]
