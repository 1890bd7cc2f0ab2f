"""The augmentations beyond the paper's eight, against slow loops, kornia, PIL and their laws."""

from __future__ import annotations

import itertools
import math

import kornia
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from real_frames import (
    FRAMES,
    LEVEL,
    OBS,
    assert_uniform,
    assert_uniform_integers,
    draw,
    generator,
    images,
)
from scipy import ndimage, stats

import augmentations
from augmentations.transforms.noise import random_bits, standard_normal

SIZES = pytest.mark.parametrize("size", [16, 32, 64])


@SIZES
@pytest.mark.parametrize(("border", "mode"), [("replicate", "edge"), ("zero", "constant")])
def test_translate_is_a_window_of_the_padded_image(border: str, mode: str, size: int) -> None:
    obs = images(8, size)
    translate = augmentations.make("translate", border=border)
    params = translate.sample(obs.shape, generator(1))
    actual = translate.apply(obs, params)
    for i, image in enumerate(obs.numpy()):
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)), mode=mode)
        top, left = int(params["top"][i]), int(params["left"][i])
        np.testing.assert_array_equal(actual[i], padded[:, top : top + size, left : left + size])


def test_translate_offsets() -> None:
    params = draw("translate", 9000)
    assert_uniform_integers(params["top"], 0, 8)
    assert_uniform_integers(params["left"], 0, 8)
    assert_uniform_integers(params["top"] * 9 + params["left"], 0, 80)


@SIZES
@pytest.mark.parametrize("kernel_size", [1, 3, 7])
def test_blur_agrees_with_kornia(kernel_size: int, size: int) -> None:
    obs = images(8, size)
    blur = augmentations.make("blur", kernel_size=kernel_size)
    params = blur.sample(obs.shape, generator(2))
    actual = blur.apply(obs, params)
    for i, sigma in enumerate(params["sigma"].tolist()):
        expected = kornia.filters.gaussian_blur2d(obs[i : i + 1], kernel_size, (sigma, sigma))
        torch.testing.assert_close(actual[i : i + 1], expected, rtol=0, atol=1e-6)


def test_a_wide_blur_agrees_with_scipy() -> None:
    sigma = [0.5, 1.0, 1.5, 2.0]
    blur = augmentations.make("blur", kernel_size=31)
    actual = blur.apply(OBS[:4], {"sigma": torch.tensor(sigma)})
    for i in range(4):
        expected = [
            ndimage.gaussian_filter(plane, sigma[i], mode="mirror", radius=15)
            for plane in OBS[i].double().numpy()
        ]
        np.testing.assert_allclose(actual[i], expected, atol=1e-6)


def test_blur_of_oblong_images() -> None:
    obs = OBS[:2, :, :20]
    actual = augmentations.make("blur").apply(obs, {"sigma": torch.tensor([0.8, 1.6])})
    for i, sigma in enumerate((0.8, 1.6)):
        expected = kornia.filters.gaussian_blur2d(obs[i : i + 1], 7, (sigma, sigma))
        torch.testing.assert_close(actual[i : i + 1], expected, rtol=0, atol=1e-6)


def test_blur_widths() -> None:
    assert_uniform(draw("blur", 10_000)["sigma"], 0.1, 2.0)
    assert_uniform(draw("blur(strength=0.5, max_sigma=1.0)", 10_000)["sigma"], 0.05, 0.5)


def test_blur_needs_images_larger_than_half_its_kernel() -> None:
    blur = augmentations.make("blur(kernel_size=33)")
    with pytest.raises(ValueError, match="kernel_size=33 needs images of more than 16 pixels"):
        blur.sample((2, 3, 16, 16), generator())
    with pytest.raises(ValueError, match="more than 16 pixels a side; got 16 x 64"):
        blur.apply(torch.zeros(1, 3, 16, 64), {"sigma": torch.ones(1)})


def lowbias32(x: int, key: int = 0) -> int:
    """Chris Wellons' hash in Python's integers, with a key between its rounds."""
    x = (x ^ x >> 16) * 0x7FEB352D % 2**32 ^ key
    x = (x ^ x >> 15) * 0x846CA68B % 2**32
    return x ^ x >> 16


def hashed(seed: int, position: int) -> int:
    first, second = (seed - 2**31) % 2**32, seed >> 32
    for _ in range(4):
        first, second = second, first ^ lowbias32(second)
    return lowbias32(position ^ first, second)


@pytest.mark.parametrize("place", [0, 1, 30, 31, 32, 33, 50, 61])
def test_seeds_that_differ_in_one_bit_have_unrelated_noise(place: int) -> None:
    seeds, count = draw("noise", 100)["seed"], 6144
    turned = random_bits(seeds, count) ^ random_bits(seeds ^ 1 << place, count)
    share = (turned[..., None] >> torch.arange(32) & 1).float().mean(dim=1)
    # Each share of 6144 fair coins; their standard deviation as it should be, and none far off.
    z = (share - 0.5) / (0.5 / math.sqrt(count))
    assert z.abs().max() < 5
    assert abs(float(z.std()) - 1) < 4 / math.sqrt(2 * z.numel())


def test_the_noise_s_bits_are_the_hash_s() -> None:
    seeds = [0, 1, 2**31, 2**32 - 1, 2**40 + 12345, 2**62 - 1]
    actual = random_bits(torch.tensor(seeds), 50)
    for row, seed in zip(actual.tolist(), seeds, strict=True):
        assert [bits % 2**32 for bits in row] == [hashed(seed, position) for position in range(50)]


def test_noise_adds_the_normal_numbers_pixel_by_pixel() -> None:
    params = draw("noise", 8)
    actual = augmentations.make("noise").apply(OBS, params)
    for i in range(8):
        seed, std = int(params["seed"][i]), float(params["std"][i])
        bits = np.array([hashed(seed, position) for position in range(64 * 64 * 3 // 2)])
        radius = np.sqrt(-2 * np.log(((bits & 0xFFFF) + 0.5) / 2**16))
        angle = 2 * np.pi * (bits >> 16) / 2**16
        normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        expected = np.clip(FRAMES[i] / 255 + std * normal.reshape(64, 64, 3), 0, 1)
        np.testing.assert_allclose(actual[i].permute(1, 2, 0), expected, atol=2e-6)


def test_the_noise_is_normal_and_white() -> None:
    noises = standard_normal(draw("noise", 100)["seed"], 64 * 64 * 3)
    assert stats.kstest(noises.flatten().numpy(), stats.norm.cdf).pvalue > LEVEL
    assert noises.abs().max() < 4.87
    # Each image's own, with consecutive seeds too.
    for noise in (noises[:20], standard_normal(torch.arange(20), 64 * 64 * 3)):
        pvalues = [stats.kstest(row, stats.norm.cdf).pvalue for row in noise.numpy()]
        assert stats.kstest(pvalues, stats.uniform.cdf).pvalue > LEVEL
        limit = 5 / math.sqrt(noise.shape[1])
        matrix = np.corrcoef(noise.numpy())
        assert np.abs(matrix - np.eye(20)).max() < limit
        # Neighbours in rows, in columns, in channels, and the two numbers of a pair.
        for lag in (1, 2, 3, 6, 64 * 3, 64 * 64 * 3 // 2):
            product = (noise[:, lag:] * noise[:, :-lag]).mean()
            assert abs(float(product)) < 4 / math.sqrt(noise[:, lag:].numel())
    squares = noises.square() - 1
    assert abs(float((squares[:, 1:] * squares[:, :-1]).mean())) < 4 * 2 / math.sqrt(1.2e6)


def test_noise_parameters() -> None:
    params = draw("noise", 10_000)
    assert_uniform(params["std"], 0.05, 0.2)
    assert_uniform(params["seed"].double(), 0, 2.0**62)
    assert len(params["seed"].unique()) == 10_000
    assert_uniform(draw("noise(min_std=0.1, strength=0.5)", 10_000)["std"], 0.05, 0.1)


@SIZES
def test_posterize_agrees_with_kornia_image_by_image(size: int) -> None:
    obs = images(8, size)
    params = draw("posterize(min_bits=1, max_bits=8)", 8)
    actual = augmentations.make("posterize").apply(obs, params)
    for i, bits in enumerate(params["bits"].tolist()):
        expected = kornia.enhance.posterize(obs[i : i + 1], bits)
        torch.testing.assert_close(actual[i : i + 1], expected, rtol=0, atol=1e-6)


def test_posterize_levels_of_every_value() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(8, 3, 16, 16)
    params = {"bits": torch.arange(1, 9)}
    for obs in (ramp, ramp.float() / 255, ramp.double() / 255, ramp.float() / 255 + 1e-6):
        actual = augmentations.make("posterize").apply(obs, params)
        for bits, image in zip(range(1, 9), (actual * 255).round().long(), strict=True):
            assert image[0].flatten().tolist() == [v >> 8 - bits << 8 - bits for v in range(256)]


def test_posterize_bits() -> None:
    assert_uniform_integers(draw("posterize", 9000)["bits"], 2, 4)
    assert_uniform_integers(draw("posterize(min_bits=4, max_bits=8)", 9000)["bits"], 4, 8)


@SIZES
def test_solarize_agrees_with_kornia_image_by_image(size: int) -> None:
    obs = images(8, size)
    params = draw("solarize", 8)
    actual = augmentations.make("solarize").apply(obs, params)
    for i, threshold in enumerate(params["threshold"].tolist()):
        expected = kornia.enhance.solarize(obs[i : i + 1], threshold)
        torch.testing.assert_close(actual[i : i + 1], expected, rtol=0, atol=1e-6)


def test_solarize_agrees_with_pil() -> None:
    for threshold in (0, 100, 128, 255, 256):
        params = {"threshold": torch.full((8,), (threshold - 0.5) / 255)}
        actual = augmentations.make("solarize").apply(OBS, params)
        for i, frame in enumerate(FRAMES):
            expected = np.asarray(ImageOps.solarize(Image.fromarray(frame), threshold))
            np.testing.assert_allclose(actual[i].permute(1, 2, 0), expected / 255, atol=1e-6)


def test_solarize_thresholds() -> None:
    assert_uniform(draw("solarize", 10_000)["threshold"], 0, 1)
    narrow = draw("solarize(min_threshold=0.4, max_threshold=0.6)", 10_000)
    assert_uniform(narrow["threshold"], 0.4, 0.6)


@SIZES
@pytest.mark.parametrize("grid", [1, 2, 3, 4, 5, 16])
def test_patch_shuffle_moves_the_patches(grid: int, size: int) -> None:
    obs = images(8, size)
    shuffle = augmentations.make("patch-shuffle", grid=grid)
    params = shuffle.sample(obs.shape, generator(5))
    actual = shuffle.apply(obs, params)
    side = size // grid
    for i in range(8):
        expected = obs[i].clone()
        for place, patch in enumerate(params["permutation"][i].tolist()):
            to_y, to_x = place // grid * side, place % grid * side
            y, x = patch // grid * side, patch % grid * side
            expected[:, to_y : to_y + side, to_x : to_x + side] = obs[
                i, :, y : y + side, x : x + side
            ]
        assert torch.equal(actual[i], expected)


def test_patch_shuffle_of_oblong_images_keeps_every_pixel() -> None:
    obs = OBS[:, :, :35]
    shuffle = augmentations.make("patch-shuffle")
    actual = shuffle.apply(obs, shuffle.sample(obs.shape, generator()))
    assert not torch.equal(actual, obs)
    assert torch.equal(actual[:, :, 32:], obs[:, :, 32:])
    assert torch.equal(actual.flatten(1).sort().values, obs.flatten(1).sort().values)


def test_all_orders_of_the_patches_are_equally_likely() -> None:
    permutations = draw("patch-shuffle(grid=2)", 24_000)["permutation"].tolist()
    number = {order: i for i, order in enumerate(itertools.permutations(range(4)))}
    counts = np.bincount([number[tuple(order)] for order in permutations], minlength=24)
    assert stats.chisquare(counts).pvalue > LEVEL
    large = draw("patch-shuffle", 1000)["permutation"]
    assert torch.equal(large.sort(dim=1).values, torch.arange(16).expand(1000, 16))


def test_patch_shuffle_needs_a_pixel_a_patch() -> None:
    shuffle = augmentations.make("patch-shuffle(grid=17)")
    with pytest.raises(ValueError, match="at least 17 pixels a side; got 16 x 16"):
        shuffle.sample((2, 3, 16, 16), generator())


@SIZES
@pytest.mark.parametrize("cells", [1, 6, 15])
def test_overlay_blends_the_enlarged_field(cells: int, size: int) -> None:
    obs = images(8, size)
    overlay = augmentations.make("overlay", cells=cells, min_alpha=0.0, max_alpha=1.0)
    params = overlay.sample(obs.shape, generator(6))
    actual = overlay.apply(obs, params)
    for i, alpha in enumerate(params["alpha"].tolist()):
        field = params["field"][i].double().numpy()
        picture = np.stack([ndimage.zoom(plane, size / (cells + 1), order=1) for plane in field])
        expected = (1 - alpha) * obs[i].numpy() + alpha * picture
        np.testing.assert_allclose(actual[i], expected, atol=2e-6)


def test_a_thumbnail_can_be_overlaid() -> None:
    picture = F.interpolate(OBS.flip(0), size=(9, 17), mode="area")
    actual = augmentations.make("overlay").apply(
        OBS, {"alpha": torch.full((8,), 0.25), "field": picture}
    )
    large = F.interpolate(picture, size=(64, 64), mode="bilinear", align_corners=True)
    torch.testing.assert_close(actual, 0.75 * OBS + 0.25 * large, rtol=0, atol=1e-5)


def test_overlay_parameters() -> None:
    params = draw("overlay", 300)
    assert params["field"].shape == (300, 3, 7, 7)
    assert_uniform(params["field"].flatten(), 0, 1)
    assert params["alpha"].unique().tolist() == [0.5]
    assert_uniform(draw("overlay(min_alpha=0.2, strength=0.5)", 9000)["alpha"], 0.1, 0.25)


@pytest.mark.parametrize("name", ["blur", "noise", "overlay", "color-jitter", "random-conv"])
@SIZES
def test_strength_0_leaves_the_images_as_they_are(name: str, size: int) -> None:
    actual = augmentations.make(name, strength=0)(images(8, size))
    torch.testing.assert_close(actual, images(8, size).contiguous(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["blur", "noise", "overlay", "color-jitter", "random-conv"])
def test_more_strength_changes_more(name: str) -> None:
    changes = []
    for strength in (0.1, 0.4, 0.7, 1.0):
        actual = augmentations.make(name, strength=strength)(OBS)
        changes.append(float((actual - OBS).abs().mean()))
    assert changes == sorted(changes)
    assert changes[-1] > 2 * changes[0] > 0


@pytest.mark.parametrize("name", ["blur", "noise", "overlay", "color-jitter", "random-conv"])
def test_full_strength_is_the_default(name: str) -> None:
    expected = draw(name, 100)
    for key, value in draw(f"{name}(strength=1.0)", 100).items():
        assert torch.equal(value, expected[key])


def test_strength_blends_the_random_convolution_with_the_image() -> None:
    full, part = (augmentations.make("random-conv", strength=s) for s in (1, 0.3))
    convolved = full(OBS, generator(7))
    torch.testing.assert_close(
        part(OBS, generator(7)), 0.3 * convolved + 0.7 * OBS, rtol=0, atol=1e-5
    )


def test_strength_scales_the_ranges_of_color_jitter() -> None:
    params = draw("color-jitter(strength=0.5)", 10_000)
    assert_uniform(params["brightness"], 0.8, 1.2)
    assert_uniform(params["hue"], -0.25, 0.25)


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
        ("translate(border='x')", "border must be one of 'replicate', 'zero'; got 'x'"),
        ("translate(padding=-1)", "padding must be an integer of at least 0; got -1"),
        ("blur(kernel_size=4)", "kernel_size must be odd; got 4"),
        ("blur(kernel_size=0)", "kernel_size must be an integer of at least 1; got 0"),
        ("blur(min_sigma=3)", r"max_sigma must be a number in \[3, 100.0\]; got 2.0"),
        ("blur(strength=1.5)", r"strength must be a number in \[0.0, 1.0\]; got 1.5"),
        ("noise(max_std=-1)", r"max_std must be a number in \[0.05, 1.0\]; got -1"),
        ("noise(strength='1')", r"strength must be a number in \[0.0, 1.0\]; got '1'"),
        ("posterize(min_bits=0)", "min_bits must be an integer of at least 1; got 0"),
        ("posterize(max_bits=9)", r"max_bits must be a number in \[2, 8\]; got 9"),
        ("solarize(min_threshold=2)", r"min_threshold must be a number in \[0.0, 1.0\]; got 2"),
        ("patch-shuffle(grid=0)", "grid must be an integer of at least 1; got 0"),
        ("overlay(cells=0)", "cells must be an integer of at least 1; got 0"),
        ("overlay(max_alpha=0.4)", r"max_alpha must be a number in \[0.5, 1.0\]; got 0.4"),
        ("color-jitter(strength=-1)", r"strength must be a number in \[0.0, 1.0\]; got -1"),
        ("random-conv(strength=True)", r"strength must be a number in \[0.0, 1.0\]; got True"),
    ],
)
def test_impossible_arguments_are_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        augmentations.make(spec)


def test_numbers_must_be_numbers() -> None:
    with pytest.raises(ValueError, match="got nan"):
        augmentations.make("flip", p=float("nan"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("flip(axis='vertical', p=0.25)", "RandomFlip(axis='vertical', p=0.25)"),
        ("rotate", "RandomRotate()"),
        ("translate", "RandomTranslate(padding=4, border='replicate')"),
        ("blur", "RandomBlur(kernel_size=7, min_sigma=0.1, max_sigma=2.0, strength=1.0)"),
        ("noise", "RandomNoise(min_std=0.05, max_std=0.2, strength=1.0)"),
        ("posterize", "RandomPosterize(min_bits=2, max_bits=4)"),
        ("solarize", "RandomSolarize(min_threshold=0.0, max_threshold=1.0)"),
        ("patch-shuffle", "PatchShuffle(grid=4)"),
        ("overlay", "RandomOverlay(cells=6, min_alpha=0.5, max_alpha=0.5, strength=1.0)"),
        ("random-conv", "RandomConv(strength=1.0)"),
    ],
)
def test_repr(spec: str, expected: str) -> None:
    assert repr(augmentations.make(spec)) == expected
