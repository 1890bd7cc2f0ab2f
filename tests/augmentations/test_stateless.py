"""Functions and Modules of others as augmentations."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import play_numbers, tiny_config
from torch import Tensor, nn

import augmentations
from augmentations import Stateless, global_state
from augmentations.testing import AugmentationError, check_augmentation
from benchmark import suites
from drac.arms.trial import verdicts
from drac.config import build
from drac.errors import ConfigError
from drac.train import train

MODULE = """
import numpy, random, torch
from torch import nn

def invert(images, strength=1.0):
    return images * (1 - strength) + (1 - images) * strength

def dim(images):
    return images * torch.rand(1) * random.random() * numpy.random.rand()

def shrink(images):
    return images[..., 1:]

class Flip(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p
        self.weights = nn.Parameter(torch.rand(3, 1, 1))

    def forward(self, images):
        return (images.flip(-1) if torch.rand(1) < self.p else images) * self.weights

class Dead:
    pass

flip = Flip(1.0)
number = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the working folder."""
    (tmp_path / "its_mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("its_mine", None)


def images(batch: int = 6, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize(
    "spec",
    ["invert", "invert(0.25)", "invert(strength=0.25)", "dim", "Flip", "Flip(0.3)", "flip"],
)
def test_functions_and_modules_keep_the_contract(mine: Path, spec: str) -> None:
    aug = augmentations.make(f"its_mine:{spec}")
    assert len(check_augmentation(aug, sizes=(16,))) >= 17
    assert aug.name == f"its_mine:{spec.partition('(')[0]}"
    assert aug.origin == "its_mine"


def test_arguments_follow_the_images(mine: Path) -> None:
    aug = augmentations.make("its_mine:invert(0.25)")
    assert torch.allclose(aug(images(), generator()), images() * 0.75 + (1 - images()) * 0.25)


def test_each_image_has_a_draw_of_its_own_unless_declared(mine: Path) -> None:
    same = images(1).expand(6, -1, -1, -1)
    each = augmentations.make("its_mine:dim")(same, generator())
    assert len({image.sum().item() for image in each}) == 6
    whole = augmentations.make("its_mine:dim(batch_wide=True)")
    assert len({image.sum().item() for image in whole(same, generator())}) == 1
    assert whole.batch_wide == ("seed",)
    check_augmentation(whole, sizes=(16,))


def test_random_weights_are_the_same_in_every_process(mine: Path) -> None:
    torch.manual_seed(1)
    one = augmentations.make("its_mine:Flip")
    torch.manual_seed(2)
    other = augmentations.make("its_mine:Flip")
    assert torch.equal(one.function.weights, other.function.weights)


def test_the_global_generators_are_left_alone() -> None:
    def draws(images: Tensor) -> Tensor:
        return images * random.random() * np.random.rand() * torch.rand(1)  # noqa: NPY002

    before = global_state.capture()
    Stateless(draws)(images(), generator())
    assert global_state.difference(before, global_state.capture()) is None


def test_a_function_that_keeps_state_is_told() -> None:
    own = np.random.default_rng(0)
    drawing = Stateless(lambda images: images * own.random(), "restless")
    with pytest.raises(AugmentationError, match="'restless'"):
        check_augmentation(drawing, sizes=(16,))
    still = augmentations.make("identity")
    broken, kept = verdicts({"x:y": drawing, "none": None, "i": still, "x:z": Stateless(abs)})
    assert broken.startswith("warning: the augmentation 'x:y' breaks the contract: ")
    assert kept.startswith("the augmentation 'x:z' keeps the contract (1")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("number", "a torch Module or a function of images, not of type int"),
        ("Dead", "objects of this class cannot be called"),
        ("invert(strenth=1)", "unknown argument of its_mine:invert 'strenth' .did you mean"),
        ("invert(1, 2)", "'its_mine:invert': too many positional arguments"),
        ("invert(batch_wide=1)", "batch_wide must be True or False; got 1"),
        ("Flip(1, 2, 3)", "'its_mine:Flip': too many positional arguments"),
        ("inverted", "its_mine.py has no 'inverted' .did you mean 'invert'"),
    ],
)
def test_what_cannot_be_wrapped_is_one_sentence(mine: Path, spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        train(tiny_config(method="drac", augmentation=f"its_mine:{spec}"), mine / "run")
    assert "\n" not in str(error.value)
    assert not (mine / "run").exists()


def test_another_shape_is_refused_in_the_trial(mine: Path) -> None:
    with pytest.raises(ConfigError, match="changes the shape of images from"):
        train(tiny_config(method="drac-its_mine:shrink"), mine / "run")


def test_positional_arguments_of_ours() -> None:
    assert augmentations.make("flip('vertical', 0.25)").p == 0.25
    assert augmentations.make("kornia:RandomInvert(1.0)").arguments == {"max_val": 1.0}
    for spec, message in {
        "flip('vertical', axis='vertical')": "axis is given twice",
        "flip(1, 2, 3)": "at most 2 arguments without their names; got 3",
        "rotate(1)": "at most 0 arguments",
    }.items():
        with pytest.raises(ValueError, match=message):
            augmentations.make(spec)


def test_the_preset_of_a_fidelity_gives_way() -> None:
    from drac.arms.build import build_augmentations

    config = build({"method": "ucb-drac", "arms": ("flip('vertical')", "flip"), "game": "maze"})
    made: Any = build_augmentations(config)
    assert [aug.axis for aug in made.values()] == ["vertical", config.flip_axis]


@pytest.mark.parametrize("method", ["drac", "rad"])
def test_specifications_as_methods(mine: Path, method: str) -> None:
    named = build({"method": f"{method}-its_mine:invert(0.5)", "game": "maze"})
    apart = build({"method": method, "augmentation": "its_mine:invert(0.5)", "game": "maze"})
    assert named == apart
    assert named.method.startswith(f"{method}-invert-0.5-")
    with pytest.raises(ConfigError, match="contradict each other"):
        build({"method": f"{method}-its_mine:invert", "augmentation": "crop"})


def test_several_specifications_in_one_sweep(mine: Path) -> None:
    methods = ("ppo", "drac-its_mine:invert", "drac-flip(axis='vertical')", "drac-crop")
    runs = list(suites.expand("e", methods, ("maze",), (0,), {}))
    assert [config.augmentation for _, config in runs] == [
        None,
        "its_mine:invert",
        "flip(axis='vertical')",
        "crop",
    ]
    assert len({spec.method for spec, _ in runs}) == 4
    assert runs[2][0].method == "drac-flip-axis-vertical"


def test_in_a_suite_file(mine: Path) -> None:
    (mine / "mine.toml").write_text('summary = "s"\nmethods = ["ppo", "drac-its_mine:invert"]\n')
    configs = [config for _, config in suites.get("mine.toml").runs(games=("maze",))]
    assert [config.augmentation for config in configs] == [None, "its_mine:invert"]


def test_a_run_goes_on_with_it_and_notices_other_code(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_numbers(monkeypatch)
    config = tiny_config(method="drac-its_mine:invert", steps=8)
    train(config, mine / "run")
    longer = config.model_copy(update={"steps": 16})
    assert train(longer, mine / "run").steps == 16
    (mine / "its_mine.py").write_text(MODULE + "\n# changed")
    with pytest.raises(ConfigError, match="the source of its_mine has changed"):
        train(config.model_copy(update={"steps": 24}), mine / "run")


TORCHVISION = (
    "RandomPerspective(0.5, p=1.0)",
    "ColorJitter(0.4)",
    "GaussianBlur(3)",
    "RandomErasing",
)


@pytest.mark.parametrize("batch_wide", [False, True])
@pytest.mark.parametrize("spec", TORCHVISION)
def test_torchvision(spec: str, batch_wide: bool) -> None:
    pytest.importorskip("torchvision")
    end = ", batch_wide=True)" if batch_wide else ")"
    full = f"torchvision:{spec if '(' in spec else spec + '('}".removesuffix(")") + end
    aug = augmentations.make(full.replace("(, ", "("))
    assert len(check_augmentation(aug, sizes=(16,))) >= 17
    assert nn.Module in type(aug.function).__mro__


def test_torchvision_may_be_absent_or_lack_a_class() -> None:
    with pytest.raises(ValueError, match="no module 'torchvision|RandomErasing"):
        augmentations.make("torchvision:RandomErasin")
