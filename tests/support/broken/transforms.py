"""Augmentations that break the contract where they transform images, each one thing of it.

Those that break it where they draw are in `broken.draws`, wrong values in `broken.values`.
"""

from __future__ import annotations

import numpy as np
import torch

from augmentations.base import match_format
from broken.draws import Broken, Good


class Shrinks(Good):
    def apply(self, obs, params):
        return super().apply(obs, params)[..., 1:]


class ReturnsNone(Good):
    def apply(self, obs, params):
        pass


class SizeSixteenOnly(Good):
    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return obs + torch.zeros(16, 16, dtype=obs.dtype)


class InPlace(Good):
    def apply(self, obs, params):
        if obs.is_floating_point():
            obs.mul_(0.5)
        return super().apply(obs, params)


class InPlaceBytes(Good):
    def apply(self, obs, params):
        if obs.dtype == torch.uint8:
            obs //= 2
            obs *= 2
        return super().apply(obs, params)


class ChangesParams(Good):
    def apply(self, obs, params):
        output = super().apply(obs, params)
        params["by"].mul_(0.5)
        return output


class LosesChannelsLast(Good):
    def apply(self, obs, params):
        return super().apply(obs, params).contiguous()


class ReadsMemoryOrder(Good):
    def apply(self, obs, params):
        output = super().apply(obs, params)
        if not obs.is_contiguous():
            output = output.flip(3).contiguous(memory_format=torch.channels_last)
        return output


class GlobalTorchInApply(Good):
    def apply(self, obs, params):
        torch.rand(1)
        return super().apply(obs, params)


class GlobalNumpy(Good):
    def apply(self, obs, params):
        np.random.rand()  # noqa: NPY002
        return super().apply(obs, params)


class Remembers(Good):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def apply(self, obs, params):
        self.calls += 1
        return super().apply(obs, params) * (1 if self.calls % 2 else 0.9)


class BatchMean(Good):
    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return (obs - obs.mean(0, keepdim=True) * 0.1).clamp(0, 1)


class CountsRows(Good):
    def apply(self, obs, params):
        return super().apply(obs, params) * (1 - len(obs) / 100)


class AlternatesByPosition(Good):
    def apply(self, obs, params):
        output = super().apply(obs, params)
        sign = torch.arange(len(output)).remainder(2)[:, None, None, None]
        return torch.where(sign == 0, output, 1 - output)


class NoEmptyBatch(Good):
    def apply(self, obs, params):
        obs.max()
        return super().apply(obs, params)


class OtherForward(Good):
    def forward(self, obs, generator=None):
        return super().forward(obs, generator) * 0.9


class ShrinksUnlessEmpty(Good):
    def apply(self, obs, params):
        output = super().apply(obs, params)
        return match_format(output[..., 1:], obs) if len(obs) else output


class InPlaceDouble(Good):
    dtype = torch.float64

    def apply(self, obs, params):
        output = super().apply(obs, params).clone()
        if obs.dtype == self.dtype:
            obs.zero_()
        return output


class InPlaceHalf(InPlaceDouble):
    dtype = torch.float16


class InPlaceBfloat16(InPlaceDouble):
    dtype = torch.bfloat16


class AddsAParameter(Good):
    def apply(self, obs, params):
        params["done"] = params["by"]
        return super().apply(obs, params)


class GlobalInApplyPutBack(Good):
    def apply(self, obs, params):
        obs = super().apply(obs, params)
        with torch.random.fork_rng():
            return (obs + torch.rand(1) * 0.1).clamp(0, 1).to(obs.dtype)


class RemembersTheLastBatch(Good):
    def __init__(self):
        super().__init__()
        self.last = None

    def apply(self, obs, params):
        if obs is not self.last:
            self.last, self.output = obs, super().apply(obs, params)
        return self.output


class RequiresGrad(Good):
    def __init__(self):
        super().__init__()
        self.weight = torch.ones((), requires_grad=True)

    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return obs * self.weight.to(obs.dtype)


class DrawsRequireGrad(Good):
    def sample(self, shape, generator):
        return {
            key: value.requires_grad_() for key, value in super().sample(shape, generator).items()
        }

    def apply(self, obs, params):
        return super().apply(obs, params).detach()


class MixesEverySecond(Good):
    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return (obs + obs.roll(2, 0)) / 2


class OnTheCpu(Good):
    def apply(self, obs, params):
        return super().apply(obs, params).cpu()


BROKEN_TRANSFORMS: list[Broken] = [
    (Shrinks, "shape", r"changes the shape of images from \(8, 3, 16, 16\) to \(8, 3, 16, 15\)"),
    (ShrinksUnlessEmpty, "shape", "changes the shape of images"),
    (ReturnsNone, "shape", "must return a tensor, not a NoneType"),
    (GlobalTorchInApply, "global state", "uses torch's global generator"),
    (GlobalNumpy, "global state", "uses numpy's global generator"),
    (GlobalInApplyPutBack, "global state", "transforms images from a global generator, and puts"),
    (InPlace, "mutation", "changes its input .torch.float32"),
    (InPlaceBytes, "mutation", "changes its input .torch.uint8"),
    (InPlaceDouble, "mutation", "changes its input .torch.float64"),
    (InPlaceHalf, "mutation", "changes its input .torch.float16"),
    (InPlaceBfloat16, "mutation", "changes its input .torch.bfloat16"),
    (ChangesParams, "mutation", "changes the parameter 'by'"),
    (AddsAParameter, "mutation", "adds or removes parameters in apply"),
    (Remembers, "state", "applies the same draw differently"),
    (RemembersTheLastBatch, "state", "remembers images or parameters that were replaced"),
    (RequiresGrad, "gradient", "returns images that require a gradient"),
    (DrawsRequireGrad, "gradient", "draws 'by' so that it requires a gradient"),
    (LosesChannelsLast, "layout", "does not return channels_last"),
    (ReadsMemoryOrder, "layout", "treats channels_last images unlike planar ones"),
    (BatchMean, "independence", "lets an image depend on the others"),
    (MixesEverySecond, "independence", "lets an image depend on the others"),
    (CountsRows, "slices", "does not replay in slices: they differ by"),
    (AlternatesByPosition, "slices", "does not replay in slices"),
    (NoEmptyBatch, "empty", "fails on images of 16x16 with RuntimeError"),
    (OtherForward, "call", "called is not sample, then apply"),
    (OnTheCpu, "device", "returns images on another device than its input's"),
]
