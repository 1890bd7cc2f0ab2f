"""The conformance kit: it passes what keeps the contract, and names the clause that is broken."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

import augmentations
from augmentations import Augmentation, as_float
from augmentations.clauses import CLAUSES
from augmentations.testing import AugmentationError, check_augmentation

HERE = [clause for clause in CLAUSES if clause != "device" or torch.cuda.is_available()]


def global_state() -> tuple[object, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    numpy = (name, keys.tolist(), *rest)
    cuda = [s.tolist() for s in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else []
    return torch.get_rng_state().tolist(), random.getstate(), numpy, cuda


@pytest.mark.parametrize("spec", [*augmentations.names(), "flip(axis='vertical')"])
def test_every_registered_augmentation_passes(spec: str) -> None:
    assert check_augmentation(augmentations.make(spec), sizes=(16, 33, 64)) == HERE


@pytest.mark.parametrize("clause", CLAUSES)
def test_every_clause_says_what_it_asks_for(clause: str) -> None:
    assert CLAUSES[clause].__doc__


class Good(Augmentation):
    """Brighten each image by a random amount; every class below breaks one thing of it."""

    name = "good"

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        return {"by": torch.rand(shape[0], generator=generator, device=generator.device)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        obs = as_float(obs)
        by = params["by"].to(obs.device, obs.dtype)[:, None, None, None]
        return (obs + 0.2 * by).clamp(0, 1)


def test_a_good_one_passes() -> None:
    assert check_augmentation(Good()) == HERE


class ParamOfOneRow(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(1, generator=generator)}


class ParamThatIsANumber(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(1, generator=generator).item()}

    def apply(self, obs, params):
        return as_float(obs) * params["by"]


class SampleOfATensor(Good):
    def sample(self, shape, generator):
        return torch.rand(shape[0], generator=generator)


class UnknownBatchWide(Good):
    batch_wide = ("angle",)


class Shrinks(Good):
    def apply(self, obs, params):
        return super().apply(obs, params)[..., 1:]


class ReturnsNone(Good):
    def apply(self, obs, params):
        pass


class Raises(Good):
    def sample(self, shape, generator):
        raise RuntimeError("no luck")


class SizeSixteenOnly(Good):
    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return obs + torch.zeros(16, 16, dtype=obs.dtype)


class AlwaysFloat32(Good):
    def apply(self, obs, params):
        return super().apply(obs, params).float()


class BytesOut(Good):
    def apply(self, obs, params):
        return (super().apply(obs, params) * 255).to(torch.uint8)


class UnscaledBytes(Good):
    def apply(self, obs, params):
        return super().apply(obs.float() if obs.dtype == torch.uint8 else obs, params)


class NanForBlack(Good):
    output_range = None

    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return obs / obs.flatten(1).max(1).values.sub(1).abs()[:, None, None, None]


class OutOfRange(Good):
    def apply(self, obs, params):
        return super().apply(obs, params) * 1.5


class OutOfAnotherRange(Good):
    output_range = (-1.0, 0.5)


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


class OwnGenerator(Good):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def sample(self, shape, generator):
        return {"by": torch.from_numpy(self.rng.random(shape[0]))}


class GlobalTorch(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(shape[0])}


class GlobalTorchInApply(Good):
    def apply(self, obs, params):
        torch.rand(1)
        return super().apply(obs, params)


class GlobalNumpy(Good):
    def apply(self, obs, params):
        np.random.rand()  # noqa: NPY002
        return super().apply(obs, params)


class GlobalPython(Good):
    def sample(self, shape, generator):
        random.random()
        return super().sample(shape, generator)


class Remembers(Good):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def apply(self, obs, params):
        self.calls += 1
        return super().apply(obs, params) * (1 if self.calls % 2 else 0.9)


class OneDrawForAll(Good):
    def sample(self, shape, generator):
        return {"by": torch.rand(1, generator=generator).repeat(shape[0])}


class BatchMean(Good):
    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return (obs - obs.mean(0, keepdim=True) * 0.1).clamp(0, 1)


class MixesNeighbours(Good):
    def apply(self, obs, params):
        obs = super().apply(obs, params)
        return (obs + obs.roll(1, 0)) / 2


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


BROKEN: list[tuple[type[Augmentation], str, str]] = [
    (ParamOfOneRow, "parameters", "'by' must have one row for each of the 8 images"),
    (ParamThatIsANumber, "parameters", "'by' must be a tensor, not a float"),
    (SampleOfATensor, "parameters", "sample must return a dict"),
    (UnknownBatchWide, "parameters", "batch_wide parameters that it does not draw: .'angle'"),
    (Raises, "parameters", "'good' fails on images of 16x16 with RuntimeError: no luck"),
    (Shrinks, "shape", r"changes the shape of images from \(8, 3, 16, 16\) to \(8, 3, 16, 15\)"),
    (ReturnsNone, "shape", "must return a tensor, not a NoneType"),
    (SizeSixteenOnly, "shape", "'good' fails on images of 64x64 with RuntimeError"),
    (AlwaysFloat32, "dtype", "returns torch.float32 for images of torch.float16"),
    (BytesOut, "dtype", "returns torch.uint8 for images of torch.uint8; it must be torch.float32"),
    (UnscaledBytes, "scale", "treats uint8 images unlike float ones: they differ by"),
    (NanForBlack, "finite", "NaN or infinite"),
    (OutOfRange, "range", r"but declares output_range \[0, 1\]"),
    (OutOfAnotherRange, "range", r"but declares output_range \[-1, 0.5\]"),
    (InPlace, "mutation", "changes its input .torch.float32"),
    (InPlaceBytes, "mutation", "changes its input .torch.uint8"),
    (ChangesParams, "mutation", "changes the parameter 'by'"),
    (LosesChannelsLast, "layout", "does not return channels_last"),
    (ReadsMemoryOrder, "layout", "treats channels_last images unlike planar ones"),
    (OwnGenerator, "determinism", "draws 'by' differently with the same seed"),
    (GlobalTorch, "determinism", "draws 'by' differently with the same seed"),
    (GlobalTorchInApply, "global state", "uses torch's global generator"),
    (GlobalNumpy, "global state", "uses numpy's global generator"),
    (GlobalPython, "global state", "uses the global generator of Python's random"),
    (Remembers, "state", "applies the same draw differently"),
    (OneDrawForAll, "independence", r"'by' once for the whole batch; .* batch_wide = \('by',\)"),
    (BatchMean, "independence", "lets an image depend on the others"),
    (MixesNeighbours, "independence", "lets an image depend on the others"),
    (CountsRows, "slices", "does not replay in slices: they differ by"),
    (AlternatesByPosition, "slices", "does not replay in slices"),
    (NoEmptyBatch, "empty", "fails on images of 16x16 with RuntimeError"),
    (OtherForward, "call", "called is not sample, then apply"),
]


@pytest.mark.parametrize(("cls", "clause", "message"), BROKEN, ids=[b[0].__name__ for b in BROKEN])
def test_what_is_broken_is_named(cls: type[Augmentation], clause: str, message: str) -> None:
    torch.manual_seed(0)  # as a test of the user may
    before = global_state()
    with pytest.raises(AugmentationError, match=f"^{clause}: .*{message}") as caught:
        check_augmentation(cls())
    assert caught.value.clause == clause
    assert isinstance(caught.value, AssertionError)
    assert "'good'" in str(caught.value)
    assert global_state() == before


def test_every_clause_is_shown_a_class_that_breaks_it() -> None:
    assert {clause for _, clause, _ in BROKEN} == {*CLAUSES} - {"device"}


def test_a_declared_draw_for_the_whole_batch_is_allowed() -> None:
    class Declared(OneDrawForAll):
        batch_wide = ("by",)

    assert check_augmentation(Declared()) == HERE


def test_no_declared_range_allows_any() -> None:
    class Unbounded(OutOfRange):
        output_range = None

    assert check_augmentation(Unbounded()) == HERE


def test_rounding_may_be_allowed() -> None:
    class Rounds(Good):
        def apply(self, obs, params):
            return super().apply(obs, params) * (1 - len(obs) * 1e-5)

    with pytest.raises(AugmentationError, match="^slices"):
        check_augmentation(Rounds())
    assert check_augmentation(Rounds(), atol=1e-3) == HERE


def test_sizes_are_chosen_by_the_caller() -> None:
    assert check_augmentation(SizeSixteenOnly(), sizes=(16,)) == HERE
