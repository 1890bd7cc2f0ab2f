"""What `sample` draws: ranges and distributions, with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from real_frames import LEVEL, assert_uniform, assert_uniform_integers, draw
from scipy import stats
from torch import Tensor

import augmentations

COUNT = 40_000


def assert_independent(first: Tensor, second: Tensor) -> None:
    assert abs(np.corrcoef(first.numpy(), second.numpy())[0, 1]) < 4 / math.sqrt(len(first))


def test_crop_offsets() -> None:
    params = draw("crop")
    assert_uniform_integers(params["top"], 0, 24)
    assert_uniform_integers(params["left"], 0, 24)
    assert_independent(params["top"], params["left"])
    assert_uniform_integers(draw("crop(padding=2)")["top"], 0, 4)


@pytest.mark.parametrize(("spec", "p"), [("flip", 0.5), ("flip(p=0.2)", 0.2)])
def test_flip_probability(spec: str, p: float) -> None:
    flipped = int(draw(spec)["mask"].sum())
    assert stats.binomtest(flipped, COUNT, p).pvalue > LEVEL


def test_flip_never_and_always() -> None:
    assert not draw("flip(p=0)")["mask"].any()
    assert draw("flip(p=1)")["mask"].all()


def test_quarter_turns() -> None:
    assert_uniform_integers(draw("rotate")["quarter_turns"], 0, 3)


@pytest.mark.parametrize("name", ["cutout", "cutout-color"])
def test_cutout_sizes(name: str) -> None:
    params = draw(name)
    assert_uniform_integers(params["h"], 7, 21)
    assert_uniform_integers(params["w"], 7, 21)
    assert_independent(params["h"], params["w"])


def test_cutout_uniform_placement_given_the_size() -> None:
    params = draw("cutout(min_size=10, max_size=11, placement='uniform')")
    for start, length in (("top", "h"), ("left", "w")):
        for size in (10, 11):
            chosen = params[start][params[length] == size]
            assert_uniform_integers(chosen, 0, 64 - size)
    assert_independent(params["top"], params["left"])


def test_cutout_larger_than_the_image_starts_at_its_corner() -> None:
    params = draw("cutout(min_size=20, placement='uniform')", size=16)
    assert not params["top"].any()


def test_cutout_colors() -> None:
    color = draw("cutout-color")["color"]
    assert_uniform_integers((color * 255).round().to(torch.int64), 0, 254)
    assert torch.equal((color * 255).round() / 255, color)


def test_released_cutout_colors_are_scaled_in_the_first_draw_only() -> None:
    cutout = augmentations.make("cutout-color", color_scale="released")
    generator = torch.Generator().manual_seed(0)
    first, second, third = (cutout.sample((1000, 3, 64, 64), generator) for _ in range(3))
    assert first["color"].max() < 1
    for later in (second, third):
        assert later["color"].max() == 254
        assert torch.equal(later["color"], later["color"].round())


def test_released_cutout_colors_differ_from_unit_only_in_scale() -> None:
    unit = augmentations.make("cutout-color")
    released = augmentations.make("cutout-color", color_scale="released")
    one, other = torch.Generator().manual_seed(7), torch.Generator().manual_seed(7)
    for scale in (1, 255, 255):
        expected = unit.sample((50, 3, 64, 64), one)
        actual = released.sample((50, 3, 64, 64), other)
        assert torch.equal(actual["h"], expected["h"])
        torch.testing.assert_close(actual["color"], expected["color"] * scale)


def test_only_cutout_color_has_a_state() -> None:
    states = {"cutout-color": ["draws"], "random-choice": ["augmentations.6.draws"]}
    for name in augmentations.names():
        assert list(augmentations.make(name).state_dict()) == states.get(name, [])


def test_color_jitter_factors() -> None:
    params = draw("color-jitter")
    for key in ("brightness", "contrast", "saturation"):
        assert_uniform(params[key], 0.6, 1.4)
    assert_uniform(params["hue"], -0.5, 0.5)
    assert_independent(params["brightness"], params["hue"])
    narrow = draw("color-jitter(brightness=0.1, contrast=0, saturation=1.0, hue=0.25)")
    assert_uniform(narrow["brightness"], 0.9, 1.1)
    assert narrow["contrast"].unique().tolist() == [1]
    assert_uniform(narrow["saturation"], 0, 2)
    assert_uniform(narrow["hue"], -0.25, 0.25)


def test_contrast_first_is_one_fair_coin_a_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    jitter = augmentations.make("color-jitter")
    coins = [jitter.sample((5, 3, 64, 64), generator)["contrast_first"] for _ in range(2000)]
    assert all(len(coin.unique()) == 1 and coin.shape == (5,) for coin in coins)
    heads = sum(int(coin[0]) for coin in coins)
    assert stats.binomtest(heads, 2000, 0.5).pvalue > LEVEL


def test_random_conv_weights_are_xavier_normal() -> None:
    weight = draw("random-conv", count=2000)["weight"]
    layer = torch.nn.Conv2d(3, 3, 3)
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(layer.weight)
    deviation = math.sqrt(2 / (fan_in + fan_out))
    assert stats.kstest(weight.flatten().numpy(), stats.norm(0, deviation).cdf).pvalue > LEVEL
    assert_independent(weight[:-1].flatten(), weight[1:].flatten())  # another one for each image
