"""The conformance kit raises no false alarm: what keeps the contract in unusual ways passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from broken.draws import Good
from matrix import sampled

import augmentations
from augmentations import Augmentation, Compose, RandomChoice
from augmentations.testing import CLAUSES, check_augmentation

HERE = [clause for clause in CLAUSES if clause != "device" or torch.cuda.is_available()]
SIZES = (16, 17, 64)

# Constants, rare and frequent events, the ends of every range.
UNUSUAL = [
    "crop(padding=0)",
    "crop(padding=200)",
    "random-conv(strength=0.0)",
    "flip(axis='vertical')",
    "flip(p=0.0)",
    "flip(p=0.01)",
    "flip(p=0.05)",
    "flip(p=0.97)",
    "flip(p=1.0)",
    "cutout(max_size=0, min_size=0)",
    "cutout(max_size=99, min_size=0, placement='uniform')",
    "cutout(max_size=5, min_size=5, placement='uniform')",
    "cutout-color(placement='uniform')",
    "color-jitter(strength=0.0)",
    "color-jitter(brightness=1.0, contrast=1.0, hue=0.0, saturation=1.0)",
    "translate(padding=30, border='zero')",
    "blur(kernel_size=1)",
    "blur(kernel_size=15, min_sigma=5.0, max_sigma=5.0)",
    "noise(min_std=1.0, max_std=1.0)",
    "noise(strength=0.0)",
    "posterize(min_bits=8, max_bits=8)",
    "solarize(min_threshold=0.0, max_threshold=0.0)",
    "patch-shuffle(grid=1)",
    "patch-shuffle(grid=2)",
    "patch-shuffle(grid=16)",
    "overlay(cells=1, max_alpha=1.0)",
    "kornia:RandomInvert(p=0.0)",
    "kornia:RandomInvert(p=0.05)",
    "kornia:RandomInvert(p=1.0)",
    "kornia:RandomInvert(p=0.3, same_on_batch=True)",
    "kornia:RandomChannelDropout(p=0.5)",
    "kornia:RandomPerspective(p=0.5)",
]

GROUPS = {
    "of one": Compose(["identity"]),
    "out of range": Compose(["random-conv", "color-jitter"]),
    "in a group": Compose(["grayscale", Compose(["flip(p=0.0)", "crop"])]),
    "choice of one": RandomChoice(["identity"]),
    "choice of two": RandomChoice(["flip", "random-conv"]),
    "choice of groups": RandomChoice([Compose(), RandomChoice(["cutout-color", "noise"])]),
}


@pytest.fixture
def doubles() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("spec", augmentations.names())
def test_every_built_in_passes(spec: str) -> None:
    assert check_augmentation(augmentations.make(spec), sizes=(17,)) == HERE


@pytest.mark.full
@pytest.mark.parametrize("spec", [*augmentations.names(), *UNUSUAL])
def test_what_is_there_passes_at_every_size(spec: str) -> None:
    assert check_augmentation(augmentations.make(spec), sizes=SIZES) == HERE


SOME = ("flip(p=0.05)", "cutout(max_size=0, min_size=0)", "kornia:RandomChannelDropout(p=0.5)")


@pytest.mark.parametrize("spec", SOME)
def test_some_unusual_ones_pass(spec: str) -> None:
    assert check_augmentation(augmentations.make(spec), sizes=(17,)) == HERE


@pytest.mark.parametrize("name", GROUPS)
def test_groups_pass(name: str) -> None:
    assert check_augmentation(GROUPS[name], sizes=(17,)) == HERE


DOUBLES = [*augmentations.names(), "kornia:RandomAffine(degrees=9.0)"]


@pytest.mark.parametrize("spec", sampled(DOUBLES, ("color-jitter", "noise")))
@pytest.mark.usefixtures("doubles")
def test_it_passes_where_double_precision_is_the_default(spec: str) -> None:
    assert check_augmentation(augmentations.make(spec), sizes=(17, 64)) == HERE


def test_it_passes_without_gradients_and_in_inference_mode() -> None:
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            assert check_augmentation(augmentations.make("color-jitter"), sizes=(17,)) == HERE


class NumbersTheImages(Good):
    def sample(self, shape, generator):
        number = torch.arange(shape[0], dtype=torch.int32)[:, None].expand(-1, 2)
        return {**super().sample(shape, generator), "number": number}


class WritesNanForNothing(Good):
    def sample(self, shape, generator):
        by = super().sample(shape, generator)["by"]
        return {"by": torch.where(by < 0.3, float("nan"), by)}

    def apply(self, obs, params):
        return super().apply(obs, {"by": params["by"].nan_to_num(0.0)})


class OtherSizesEachDraw(Good):
    batch_wide = ("size", "kernel")

    def sample(self, shape, generator):
        size = int(torch.randint(1, 4, (1,), generator=generator))
        kernel = torch.rand(size, generator=generator).expand(shape[0], size)
        size = torch.full(shape[:1], size)
        return {**super().sample(shape, generator), "size": size, "kernel": kernel}


class ConstantParameter(Good):
    def sample(self, shape, generator):
        return {**super().sample(shape, generator), "limit": torch.ones(shape[0], 0)}


class ReadsTheGlobalStateOfNothing(Good):
    """It puts the global generator back, and nothing comes of what it drew there."""

    def apply(self, obs, params):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return super().apply(obs, params)


@pytest.mark.parametrize(
    "cls",
    [
        NumbersTheImages,
        WritesNanForNothing,
        OtherSizesEachDraw,
        ConstantParameter,
        ReadsTheGlobalStateOfNothing,
    ],
)
def test_what_looks_suspicious_passes(cls: type[Augmentation]) -> None:
    assert check_augmentation(cls(), sizes=(16,)) == HERE
