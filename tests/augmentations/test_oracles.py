"""Each augmentation against a slow, independent loop over real Procgen frames."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from real_frames import FRAMES, OBS, generator, images

import augmentations


@pytest.mark.parametrize("padding", [0, 3, 12])
@pytest.mark.parametrize("size", [16, 64])
def test_crop_is_a_window_of_the_replicate_padded_image(padding: int, size: int) -> None:
    obs = images(8, size)
    crop = augmentations.make("crop", padding=padding)
    params = crop.sample(obs.shape, generator(1))
    for key, extremes in (("top", [0, 0, 2, 2, 1]), ("left", [0, 2, 0, 2, 1])):
        params[key][:5] = torch.tensor(extremes) * padding  # the four corners and the middle
    actual = crop.apply(obs, params)
    for i, image in enumerate(obs.numpy()):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)), mode="edge")
        top, left = int(params["top"][i]), int(params["left"][i])
        window = padded[:, top : top + size, left : left + size]
        np.testing.assert_array_equal(actual[i], window)


@pytest.mark.parametrize(("axis", "dimension"), [("horizontal", 1), ("vertical", 0)])
def test_flip_mirrors_the_masked_images(axis: str, dimension: int) -> None:
    mask = torch.tensor([True, False, False, True, True, False, True, False])
    actual = augmentations.make("flip", axis=axis).apply(OBS, {"mask": mask})
    for i in range(8):
        frame = np.flip(FRAMES[i], dimension) if mask[i] else FRAMES[i]  # (H, W, 3)
        expected = frame.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(actual[i], expected)


def test_rotate_turns_counter_clockwise() -> None:
    turns = torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])
    actual = augmentations.make("rotate").apply(OBS, {"quarter_turns": turns})
    for i in range(8):
        expected = np.rot90(FRAMES[i], int(turns[i]))  # first towards second axis
        np.testing.assert_array_equal(
            actual[i], expected.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        )


def test_rotate_refuses_oblong_images() -> None:
    rotate = augmentations.make("rotate")
    with pytest.raises(ValueError, match="square images; got 16 x 32"):
        rotate.sample((2, 3, 16, 32), torch.Generator())
    with pytest.raises(ValueError, match="square images; got 16 x 32"):
        rotate.apply(torch.zeros(1, 3, 16, 32), {"quarter_turns": torch.tensor([1])})


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("placement", ["tied", "uniform"])
@pytest.mark.parametrize("name", ["cutout", "cutout-color"])
def test_cutout_paints_the_box(name: str, placement: str, size: int) -> None:
    obs = images(8, size)
    cutout = augmentations.make(name, placement=placement)
    params = cutout.sample(obs.shape, generator(2))
    actual = cutout.apply(obs, params)
    for i in range(8):
        h, w = int(params["h"][i]), int(params["w"][i])
        top, left = 12 + h, 24 + w
        if placement == "uniform":
            top, left = int(params["top"][i]), int(params["left"][i])
        expected = obs[i].clone()
        color = params["color"][i] if name == "cutout-color" else torch.zeros(3)
        expected[:, top : top + h, left : left + w] = color[:, None, None]
        assert torch.equal(actual[i], expected)


def test_grayscale_is_the_luma_of_pillow_s_formula() -> None:
    actual = augmentations.make("grayscale").apply(OBS, {})
    luma = (FRAMES.astype(np.float64) @ [0.299, 0.587, 0.114]) / 255
    for channel in range(3):
        np.testing.assert_allclose(actual[:, channel], luma, atol=1e-6)
    assert torch.equal(actual[:, 0], actual[:, 1])
    assert torch.equal(actual[:, 0], actual[:, 2])


def jittered(image: np.ndarray, params: dict[str, float], contrast_first: bool) -> np.ndarray:
    """One (64, 64, 3) image in [0, 1] through colorsys, pixel by pixel."""

    def contrast(pixels: np.ndarray) -> np.ndarray:
        mean = pixels.mean((0, 1))
        return np.clip((pixels - mean) * params["contrast"] + mean, 0, 1)

    pixels = contrast(image) if contrast_first else image
    turned = np.empty_like(pixels)
    for index in np.ndindex(64, 64):
        h, s, v = colorsys.rgb_to_hsv(*pixels[index])
        h = (h + params["hue"] * 255 / 360) % 1
        s, v = min(s * params["saturation"], 1), min(v * params["brightness"], 1)
        turned[index] = colorsys.hsv_to_rgb(h, s, v)
    return turned if contrast_first else contrast(turned)


@pytest.mark.parametrize("contrast_first", [False, True])
def test_color_jitter_agrees_with_colorsys(contrast_first: bool) -> None:
    jitter = augmentations.make("color-jitter")
    obs = OBS[::4]
    params = jitter.sample(obs.shape, generator(3))
    params["contrast_first"] = torch.full((2,), contrast_first)
    actual = jitter.apply(obs, params)
    for i in range(2):
        values = {key: float(value[i]) for key, value in params.items()}
        image = obs[i].permute(1, 2, 0).numpy().astype(np.float64)
        expected = jittered(image, values, contrast_first).transpose(2, 0, 1)
        np.testing.assert_allclose(actual[i], expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_color_jitter_of_gray_and_black_pixels_is_finite(dtype: torch.dtype) -> None:
    grays = torch.linspace(0, 1, 256, dtype=dtype).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    jitter = augmentations.make("color-jitter")
    ones = torch.ones(1)
    params = {"brightness": ones, "contrast": ones, "saturation": ones * 1.4, "hue": ones / 4}
    params["contrast_first"] = torch.tensor([True])
    actual = jitter.apply(grays, params)
    # No hue, so nothing to turn or to saturate.
    torch.testing.assert_close(actual, grays.contiguous())


def test_color_jitter_may_mix_both_orders_in_a_batch() -> None:
    jitter = augmentations.make("color-jitter")
    params = jitter.sample(OBS.shape, generator(4))
    coin = torch.arange(8) % 2 == 0
    mixed = jitter.apply(OBS, params | {"contrast_first": coin})
    for first in (False, True):
        alone = jitter.apply(OBS, params | {"contrast_first": torch.full((8,), first)})
        torch.testing.assert_close(mixed[coin == first], alone[coin == first], rtol=0, atol=0)


@pytest.mark.parametrize("size", [16, 64])
def test_random_conv_is_conv2d_with_its_own_weights_per_image(size: int) -> None:
    obs = images(8, size)
    conv = augmentations.make("random-conv")
    params = conv.sample(obs.shape, generator(5))
    actual = conv.apply(obs, params)
    for i in range(8):
        expected = F.conv2d(obs[i : i + 1], params["weight"][i], padding=1)[0]
        torch.testing.assert_close(actual[i], expected, rtol=0, atol=1e-5)
    assert actual.min() < 0  # not clamped


def test_random_conv_of_an_oblong_image() -> None:
    obs = OBS[:2, :, :20]
    conv = augmentations.make("random-conv")
    params = conv.sample(obs.shape, torch.Generator())
    expected = [F.conv2d(obs[i], params["weight"][i], padding=1) for i in range(2)]
    torch.testing.assert_close(conv.apply(obs, params), torch.stack(expected), rtol=0, atol=1e-5)


def test_identity_returns_the_same_numbers() -> None:
    assert torch.equal(augmentations.make("identity").apply(OBS, {}), OBS)
