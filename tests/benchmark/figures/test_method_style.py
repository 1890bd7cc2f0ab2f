"""One look a method: fixed by its name, distinct for those that are compared."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from augmentations import PAPER_ARMS
from benchmark.figures import method_style
from benchmark.figures.method_style import of_augmentation, of_method
from drac import methods

COMPARED = ["ppo", "ucb-drac", *(f"drac-{arm}" for arm in PAPER_ARMS)]


def test_methods_that_are_compared_differ_also_in_grey() -> None:
    looks = [of_method(name) for name in COMPARED]
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.marker for look in looks}) == len(looks)


def test_no_two_methods_of_the_list_look_alike() -> None:
    names = [m.name for m in methods.METHODS.values() if not m.is_family]
    families = [m.name for m in methods.METHODS.values() if m.is_family]
    names += [f"{family}-{arm}" for family in families for arm in PAPER_ARMS]
    assert all(method_style._of_family(f"{family}-crop") for family in families)
    assert len({of_method(name) for name in names}) == len(names)


def test_an_augmentation_has_the_colour_of_its_method() -> None:
    for arm in PAPER_ARMS:
        assert of_augmentation(arm) == of_method(f"drac-{arm}")


@pytest.mark.parametrize("method", [*COMPARED, "rad-crop", "my-own-method"])
def test_other_settings_are_paler_and_dashed_otherwise(method: str) -> None:
    plain, other = of_method(method), of_method(f"{method} at 2,048 steps")
    for part in ("colour", "dashes", "marker"):
        assert getattr(plain, part) != getattr(other, part)
    assert of_method(f"{method} at 2,048 steps") == other


@given(st.text(min_size=1))
def test_any_name_has_a_look(name: str) -> None:
    look = of_method(name)
    assert re.fullmatch("#[0-9a-f]{6}", look.colour)
    assert look == of_method(name)


def test_hatches_of_the_papers_arms_differ() -> None:
    assert len(set(method_style.HATCHES)) >= len(PAPER_ARMS)


def test_a_plug_in_does_not_look_like_ucb_drac() -> None:
    red = np.array(to_rgb(of_method("ucb-drac").colour))
    for name in ("drac-vignette", "drac-mine", *(f"drac-my{number}" for number in range(99))):
        assert np.abs(red - to_rgb(of_method(name).colour)).sum() > 0.4
