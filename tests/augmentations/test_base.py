"""The contract that every augmentation keeps, and the base class's own behaviour."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from checkout import GOLDEN
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import augmentations
from augmentations import Augmentation, as_float
from augmentations.base import parameter

FRAMES = torch.from_numpy(np.load(GOLDEN / "augmentations.npz")["obs"])

SPECS = [
    *augmentations.names(),
    "flip(axis='vertical')",
    "cutout(placement='uniform')",
    "cutout-color(color_scale='released', placement='uniform')",
    "translate(border='zero')",
    "blur(kernel_size=3, strength=0.5)",
    "patch-shuffle(grid=3)",
    "compose(augmentations=('random-choice', 'noise', 'flip'))",
]
DTYPES = [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64]

every_augmentation = pytest.mark.parametrize("spec", SPECS)


def images(batch: int, size: int = 64, dtype: torch.dtype = torch.float32) -> Tensor:
    """Real frames, channels_last, as the environments deliver them."""
    frames = FRAMES[torch.arange(batch) % len(FRAMES), 64 - size :, :size].permute(0, 3, 1, 2)
    return frames if dtype == torch.uint8 else (frames.float() / 255).to(dtype)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def is_channels_last(obs: Tensor) -> bool:
    return obs.is_contiguous(memory_format=torch.channels_last)


@every_augmentation
@given(
    batch=st.integers(0, 9),
    size=st.sampled_from([16, 32, 64]),
    dtype=st.sampled_from(DTYPES),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
)
def test_contract(
    spec: str, batch: int, size: int, dtype: torch.dtype, channels_last: bool, seed: int
) -> None:
    aug = augmentations.make(spec)
    obs = images(batch, size, dtype)
    if not channels_last:
        obs = obs.contiguous()
    before, global_state = obs.clone(), torch.get_rng_state()

    params = aug.sample(obs.shape, generator(seed))
    given = {key: value.clone() for key, value in params.items()}
    output = aug.apply(obs, params)

    assert output.shape == obs.shape
    assert output.dtype == (torch.float32 if dtype == torch.uint8 else dtype)
    assert output.isfinite().all()
    if batch > 0:  # nothing has no layout
        assert is_channels_last(output) if channels_last else output.is_contiguous()
    assert torch.equal(obs, before)
    assert all(torch.equal(params[key], value) for key, value in given.items())
    assert all(value.shape[0] == batch for value in params.values())
    assert torch.equal(torch.get_rng_state(), global_state)
    assert torch.equal(aug.apply(obs, params), output)


@every_augmentation
@given(cuts=st.lists(st.integers(0, 12), max_size=3).map(sorted), seed=st.integers(0, 1000))
def test_slices_replay(spec: str, cuts: list[int], seed: int) -> None:
    aug = augmentations.make(spec)
    obs = images(12)
    params = aug.sample(obs.shape, generator(seed))
    edges = [0, *cuts, 12]
    pieces = [
        aug.apply(obs[a:b], {key: value[a:b] for key, value in params.items()})
        for a, b in itertools.pairwise(edges)
    ]
    torch.testing.assert_close(torch.cat(pieces), aug.apply(obs, params), rtol=0, atol=1e-6)


@every_augmentation
def test_large_batches_agree_with_small_ones(spec: str) -> None:
    aug = augmentations.make(spec)
    obs = images(150)  # more than one cache-sized piece
    params = aug.sample(obs.shape, generator())
    whole = aug.apply(obs, params)
    one = aug.apply(obs[140:141], {key: value[140:141] for key, value in params.items()})
    torch.testing.assert_close(whole[140:141], one, rtol=0, atol=1e-6)
    assert is_channels_last(whole)


@every_augmentation
def test_the_generator_decides_everything(spec: str) -> None:
    first = augmentations.make(spec).sample((64, 3, 64, 64), generator(5))
    again = augmentations.make(spec).sample((64, 3, 64, 64), generator(5))
    other = augmentations.make(spec).sample((64, 3, 64, 64), generator(6))
    assert all(torch.equal(again[key], value) for key, value in first.items())
    assert not first or any(not torch.equal(other[key], value) for key, value in first.items())


@every_augmentation
def test_layout_does_not_matter(spec: str) -> None:
    aug = augmentations.make(spec)
    obs = images(8)
    params = aug.sample(obs.shape, generator())
    planar = aug.apply(obs.contiguous(), params)
    torch.testing.assert_close(aug.apply(obs, params), planar, rtol=0, atol=1e-6)
    # A view that is neither: every other column of wider images.
    strided = torch.zeros(8, 3, 64, 128)[..., ::2].copy_(obs)
    torch.testing.assert_close(aug.apply(strided, params), planar, rtol=0, atol=1e-6)


@every_augmentation
def test_uint8_is_scaled_first(spec: str) -> None:
    aug = augmentations.make(spec)
    params = aug.sample((8, 3, 64, 64), generator())
    from_bytes = aug.apply(images(8, dtype=torch.uint8), params)
    assert torch.equal(from_bytes, aug.apply(images(8), params))


@every_augmentation
def test_float64_agrees_with_float32(spec: str) -> None:
    aug = augmentations.make(spec)
    params = aug.sample((8, 3, 64, 64), generator())
    precise = aug.apply(images(8, dtype=torch.uint8).double() / 255, params)
    torch.testing.assert_close(precise.float(), aug.apply(images(8), params), rtol=0, atol=1e-5)


@every_augmentation
def test_gradients_pass_through(spec: str) -> None:
    # Nobody differentiates the pixels in training; who looks at saliency maps does.
    aug = augmentations.make(spec)
    obs = images(2, dtype=torch.float64).contiguous().requires_grad_()
    aug.apply(obs, aug.sample(obs.shape, generator(1))).sum().backward()
    assert obs.grad is not None
    assert obs.grad.isfinite().all()


@every_augmentation
def test_forward_samples_and_applies(spec: str) -> None:
    obs = images(8)
    expected_params = augmentations.make(spec).sample(obs.shape, generator(3))
    expected = augmentations.make(spec).apply(obs, expected_params)
    assert torch.equal(augmentations.make(spec)(obs, generator(3)), expected)


def test_without_a_generator_the_module_s_own_advances() -> None:
    obs = images(8)
    crop = augmentations.make("crop")
    calls = [crop(obs) for _ in range(3)]
    assert not torch.equal(calls[0], calls[1])
    shared = generator(0)
    assert all(torch.equal(augmentations.make("crop")(obs, shared), call) for call in calls)
    crop.seed(0)
    assert torch.equal(crop(obs), calls[0])
    crop.seed(1)
    assert not torch.equal(crop(obs), calls[0])


@every_augmentation
def test_copies_and_pickles_continue_alike(spec: str) -> None:
    obs = images(8)
    aug = augmentations.make(spec)
    aug(obs)
    copies = [copy.deepcopy(aug), pickle.loads(pickle.dumps(aug))]  # noqa: S301
    expected = aug(obs)
    assert all(torch.equal(other(obs), expected) for other in copies)


@every_augmentation
def test_what_is_no_image_is_refused(spec: str) -> None:
    aug = augmentations.make(spec)
    params = aug.sample((2, 3, 16, 16), generator())
    for shape in [(3, 16, 16), (2, 16, 16, 3), (2, 4, 16, 16), (2, 3, 0, 0), (1, 2, 3, 16, 16)]:
        with pytest.raises(ValueError, match=r"\(B, 3, H, W\); got"):
            aug.sample(shape, generator())
        with pytest.raises(ValueError, match=r"\(B, 3, H, W\); got"):
            aug.apply(torch.zeros(shape), params)
    for dtype in (torch.int64, torch.bool):
        with pytest.raises(ValueError, match=rf"uint8 or floating point; got {dtype}"):
            aug.apply(torch.zeros(2, 3, 16, 16, dtype=dtype), params)


@every_augmentation
def test_parameters_that_do_not_fit_are_refused(spec: str) -> None:
    aug = augmentations.make(spec)
    params = aug.sample((4, 3, 16, 16), generator())
    for key in params:
        with pytest.raises(ValueError, match=f"{key!r} must have one row for each of the 4"):
            aug.apply(images(4, 16), params | {key: params[key][:3]})
        rest = {other: value for other, value in params.items() if other != key}
        own = key.rpartition(".")[2]  # a group's member names its own parameters
        with pytest.raises(ValueError, match=f"{own!r} is missing; given: "):
            aug.apply(images(4, 16), rest)


def test_parameter_takes_the_dtype_of_floating_images_only() -> None:
    obs = images(2, dtype=torch.float64)
    params = {"factor": torch.ones(2), "count": torch.ones(2, dtype=torch.int64)}
    assert parameter(params, "factor", obs).dtype == torch.float64
    assert parameter(params, "count", obs).dtype == torch.int64


def test_as_float() -> None:
    obs = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    np.testing.assert_array_equal(
        as_float(obs)[0, 0].flatten(), np.arange(256, dtype=np.float32) / np.float32(255)
    )
    floats = images(2)
    assert as_float(floats) is floats
    assert is_channels_last(as_float(images(2, dtype=torch.uint8)))


def test_augmentation_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Augmentation()  # type: ignore[abstract]


def test_each_built_in_knows_its_name() -> None:
    assert [augmentations.make(name).name for name in augmentations.names()] == list(
        augmentations.names()
    )


def test_repr_shows_the_arguments() -> None:
    flip = augmentations.make("flip", axis="vertical", p=0.25)
    assert repr(flip) == "RandomFlip(axis='vertical', p=0.25)"
    assert repr(augmentations.make("rotate")) == "RandomRotate()"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("crop(padding=-1)", "padding must be an integer of at least 0; got -1"),
        ("crop(padding=1.5)", "padding must be an integer of at least 0; got 1.5"),
        ("crop(padding=True)", "padding must be an integer of at least 0; got True"),
        ("flip(axis='x')", "axis must be one of 'horizontal', 'vertical'; got 'x'"),
        ("flip(p=1.1)", r"p must be a number in \[0.0, 1.0\]; got 1.1"),
        ("flip(p='1')", r"p must be a number in \[0.0, 1.0\]; got '1'"),
        ("cutout(min_size=22)", "max_size must be an integer of at least 22; got 21"),
        ("cutout(placement='x')", "placement must be one of 'tied', 'uniform'; got 'x'"),
        ("cutout-color(color_scale=1)", "color_scale must be one of 'unit', 'released'; got 1"),
        ("color-jitter(hue=0.6)", r"hue must be a number in \[0.0, 0.5\]; got 0.6"),
        ("color-jitter(contrast=2)", r"contrast must be a number in \[0.0, 1.0\]; got 2"),
    ],
)
def test_impossible_arguments_are_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        augmentations.make(spec)


def test_numbers_must_be_numbers() -> None:
    with pytest.raises(ValueError, match="got nan"):
        augmentations.make("flip", p=float("nan"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@every_augmentation
def test_on_cuda_it_agrees_with_the_cpu_and_never_waits(spec: str) -> None:
    aug = augmentations.make(spec)
    obs = images(8)
    params = aug.sample(obs.shape, generator())
    expected = aug.apply(obs, params)
    actual = aug.apply(obs.cuda(), params)
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=1e-5)

    on_device, own = obs.cuda(), torch.Generator("cuda").manual_seed(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = aug.sample(on_device.shape, own)
        output = aug.apply(on_device, drawn)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(value.is_cuda for value in drawn.values())
    assert is_channels_last(output)
