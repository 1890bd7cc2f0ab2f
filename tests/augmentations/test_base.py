"""What every augmentation keeps beyond the conformance kit, and the base class's own behaviour.

The kit's clauses are checked of each in test_testing_honest.py.
"""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from real_frames import generator, images
from torch import Tensor

import augmentations
from augmentations import Augmentation, as_float
from augmentations.base import parameter

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


def is_channels_last(obs: Tensor) -> bool:
    return obs.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.full
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
@pytest.mark.parametrize("size", [17, 64])
def test_slices_replay(spec: str, size: int) -> None:
    aug = augmentations.make(spec)
    obs = images(100, size)  # more than one cache-sized piece
    params = aug.sample(obs.shape, generator())
    whole = aug.apply(obs, params)
    for a, b in [(0, 0), (0, 1), (7, 90), (90, 91), (91, 100)]:
        part = aug.apply(obs[a:b], {key: value[a:b] for key, value in params.items()})
        torch.testing.assert_close(part, whole[a:b], rtol=0, atol=1e-6)
    assert is_channels_last(whole)


@every_augmentation
def test_layout_does_not_matter(spec: str) -> None:
    aug = augmentations.make(spec)
    obs = images(8)
    params = aug.sample(obs.shape, generator())
    planar = aug.apply(obs.contiguous(), params)
    assert planar.is_contiguous()
    torch.testing.assert_close(aug.apply(obs, params), planar, rtol=0, atol=1e-6)
    # A view that is neither: every other column of wider images.
    strided = torch.zeros(8, 3, 64, 128)[..., ::2].copy_(obs)
    torch.testing.assert_close(aug.apply(strided, params), planar, rtol=0, atol=1e-6)


@every_augmentation
def test_dtypes_agree(spec: str) -> None:
    aug = augmentations.make(spec)
    params = aug.sample((8, 3, 64, 64), generator())
    expected, in_bytes = aug.apply(images(8), params), images(8, dtype=torch.uint8)
    assert torch.equal(aug.apply(in_bytes, params), expected)  # scaled first
    precise = aug.apply(in_bytes.double() / 255, params)
    torch.testing.assert_close(precise.float(), expected, rtol=0, atol=1e-5)


@every_augmentation
def test_gradients_pass_through(spec: str) -> None:
    # Nobody differentiates the pixels in training; who looks at saliency maps does.
    aug = augmentations.make(spec)
    obs = images(2, dtype=torch.float64).contiguous().requires_grad_()
    aug.apply(obs, aug.sample(obs.shape, generator(1))).sum().backward()
    assert obs.grad is not None
    assert obs.grad.isfinite().all()


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@every_augmentation
def test_on_cuda_it_agrees_with_the_cpu_and_never_waits(spec: str) -> None:
    aug = augmentations.make(spec)
    obs = images(8)
    params = aug.sample(obs.shape, generator())
    expected = aug.apply(obs, params)
    actual = aug.apply(obs.cuda(), params)
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=1e-5)

    on_device, own = obs.cuda(), torch.Generator("cuda").manual_seed(0)
    try:
        torch.cuda.set_sync_debug_mode("error")
        drawn = aug.sample(on_device.shape, own)
        output = aug.apply(on_device, drawn)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(value.is_cuda for value in drawn.values())
    assert is_channels_last(output)
