"""`drac augmentations`: the list, the gallery, and that bad input is one sentence."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from spoils import Spoils

import augmentations
from augmentations import PAPER_ARMS, Augmentation, as_float, plugins, registry
from drac.arms import catalogue
from drac.arms.catalogue import Entry
from drac.cli import main
from drac.commands.augmentations import listing
from drac.errors import ConfigError
from drac.pictures import gallery


class Half(Augmentation):
    """Halve every value.

    More than a line.
    """

    name = "half"

    def __init__(self, times: int, mode: str = "all") -> None:
        super().__init__()

    def sample(self, shape: Any, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {}

    def apply(self, obs: torch.Tensor, params: Any) -> torch.Tensor:
        return as_float(obs) / 2


class Picky(Half):
    def __init__(self, times: int = 0) -> None:
        raise ValueError("times must be at least 1")


class Point:
    """An entry point."""

    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value
        self.dist = type("Distribution", (), {"name": "my-plugin", "version": "3"})

    def load(self) -> Any:
        if self.value == "broken":
            raise ImportError("no such\nmodule")
        return Half


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half, registered for one test."""
    monkeypatch.setattr(registry, "_TABLE", {**registry._TABLE, "half": Half})


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """One plug-in that works, one that cannot be imported, and one that wants a name we have."""
    points = [Point("half", "works"), Point("lost", "broken"), Point("crop", "other:Crop")]
    found = {point.name: (point,) for point in points}
    monkeypatch.setattr(plugins, "offered", lambda *kind: found)


# The list


def test_every_built_in_augmentation_is_described() -> None:
    found = {entry.name: entry for entry in catalogue.entries()}
    assert set(registry.names()) <= set(found)
    for name in registry.names():
        entry = found[name]
        assert (entry.source, entry.error) == ("built-in", "")
        assert entry.summary.endswith((".", ":")), entry
        assert augmentations.make(entry.spec).name == name  # the defaults are literals
    assert found["crop"].spec == "crop(padding=12)"
    assert found["grayscale"].options == ""


@pytest.mark.usefixtures("half")
def test_options_without_a_default_and_classes_of_ones_own() -> None:
    (entry,) = (entry for entry in catalogue.entries() if entry.name == "half")
    assert entry == Entry("half", __name__, "Halve every value.", "times=..., mode='all'")


@pytest.mark.usefixtures("offered")
def test_plugins_that_do_not_work_are_listed_with_the_reason() -> None:
    found = catalogue.entries()
    by_source = {(entry.name, entry.source): entry for entry in found}
    assert by_source["half", "my-plugin 3"].summary == "Halve every value."
    assert "ImportError: no such module" in by_source["lost", "my-plugin 3"].error
    assert "taken" in by_source["crop", "my-plugin 3"].error
    assert by_source["crop", "built-in"].error == ""
    text = listing(found)
    assert [line for line in text.splitlines() if line.startswith("lost ")] == [
        line for line in text.splitlines() if "no such module" in line
    ]
    assert "half(times=..., mode='all')" in text


def test_the_list_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augmentations", "list"]) == 0
    out = capsys.readouterr().out
    assert "crop(padding=12)" in out
    assert "kornia:" in out


@pytest.mark.usefixtures("half", "offered")
def test_without_specifications_all_that_need_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._TABLE, "picky", Picky)
    made = catalogue.make(())
    assert "picky" not in made
    assert list(made)[:8] == list(augmentations.PAPER_ARMS)
    assert "half" not in made
    assert "lost" not in made


# The gallery


def test_frames_are_of_different_levels_and_repeat() -> None:
    first, again = (gallery.game_frames("bigfish", 6, seed=3) for _ in range(2))
    assert first.obs.shape == (6, 3, 64, 64)
    assert len(set(first.levels)) == 6
    assert all(0 <= level < 200 for level in first.levels)
    assert first.levels == again.levels
    assert torch.equal(first.obs, again.obs)
    assert first.obs.std(dim=(2, 3)).mean(dim=1).min() > 0.02  # something is seen
    assert first.levels != gallery.game_frames("bigfish", 6, seed=4).levels


def test_levels_repeat_only_where_there_are_too_few() -> None:
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    levels = np.array([5, 5, 5, 7, 7, 5])
    assert {levels[index] for index in gallery._telling(images, levels, 2)} == {5, 7}
    assert sorted(gallery._telling(images, levels, 6)) == list(range(6))


def test_draws_do_not_depend_on_the_other_columns() -> None:
    frames = gallery.Frames(torch.rand(2, 3, 16, 16), (1, 2))
    crop = gallery.augmented("crop", augmentations.make("crop"), frames, draws=3, seed=0)
    gallery.augmented("flip", augmentations.make("flip"), frames, draws=3, seed=0)
    again = gallery.augmented("crop", augmentations.make("crop"), frames, draws=3, seed=0)
    assert np.array_equal(crop.images, again.images)
    assert crop.images.shape == (3, 2, 16, 16, 3)
    assert not np.array_equal(crop.images[0], crop.images[1])
    assert not crop.clipped


def test_values_outside_of_the_range_are_clipped_and_the_picture_says_so() -> None:
    frames = gallery.Frames(torch.ones(1, 3, 16, 16), (7,))
    identity = augmentations.make("identity")
    identity.apply = lambda obs, params: 3 * obs - 1.5
    column = gallery.augmented("wild", identity, frames, draws=1, seed=0)
    assert (column.images.min(), column.images.max()) == (1, 1)
    assert gallery.title(column) == "wild\n(clipped)"
    figure = gallery.paint("maze", frames, [column], draws=1)
    texts = [text.get_text() for text in figure.texts]
    assert "level 7" in texts
    assert any("wild (1.50 to 1.50)" in text.replace("\n", " ") for text in texts)


def test_tiles_are_the_frames_pixel_by_pixel(tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "g.png"
    words = ["--frames", "2", "--draws", "2", "--augmentations", "identity", "flip(p=1.0)"]
    assert main(["augmentations", "show", "--game", "maze", "--out", str(out), *words]) == 0
    assert [path.name for path in out.parent.iterdir()] == ["g.png"]
    picture = image.imread(out)[..., :3]
    frame = gallery.game_frames("maze", 2, seed=0).obs[0].permute(1, 2, 0).numpy()
    rows = range(picture.shape[0] - 127)
    zoomed = frame.repeat(2, 0).repeat(2, 1)
    (top,) = (
        row for row in rows if np.allclose(picture[row : row + 128, 14:142], zoomed, atol=3e-3)
    )
    for number, tile in ((1, zoomed), (2, zoomed[:, ::-1])):
        left = 14 + number * 134
        for line in (top, top + 134):
            found = picture[line : line + 128, left : left + 128]
            np.testing.assert_allclose(found, tile, atol=3e-3)


@pytest.mark.parametrize("draws", [1, 2, 3])
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(
    "specs", [["crop"], ["crop", "cutout-color(color_scale='released')"], list(PAPER_ARMS)]
)
def test_no_text_stands_on_another_or_on_a_tile(number: int, draws: int, specs: list[str]) -> None:
    frames = gallery.Frames(torch.full((number, 3, 64, 64), 0.5), tuple(range(number)))
    columns = [gallery.augmented(s, augmentations.make(s), frames, draws, seed=0) for s in specs]
    figure = gallery.paint("coinrun", frames, columns, draws)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    height, width = canvas.buffer_rgba().shape[:2]
    boxes = [text.get_window_extent() for text in figure.texts]
    for box, other in combinations(boxes, 2):
        assert not box.overlaps(other)
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    (tiles,) = figure.images
    for box in boxes:
        rows = slice(height - round(box.y1), height - round(box.y0))
        under = tiles.get_array()[rows, round(box.x0) : round(box.x1)]
        assert (under == 1).all()


def test_the_same_picture_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        words = ["--frames", "1", "--draws", "1", "--augmentations", "crop"]
        assert main(["augmentations", "show", "--out", str(tmp_path / name), *words]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ("crop", ["crop"]),
        ("flip(axis='vertical')", ["flip(", "axis='vertical')"]),
        (
            "kornia:RandomGaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))",
            ["kornia:", "RandomGaussianBlur(", "kernel_size=(3, 3),", "sigma=(0.1, 2.0))"],
        ),
    ],
)
def test_titles_are_wrapped_where_one_would(spec: str, lines: list[str]) -> None:
    column = gallery.Column(spec, np.zeros((1, 1, 1, 1, 3), np.float32), 0, 1)
    assert gallery.title(column).split("\n") == lines


def test_a_very_long_title_ends() -> None:
    spec = f"compose(augmentations=({', '.join(['crop'] * 50)}))"
    column = gallery.Column(spec, np.zeros((1, 1, 1, 1, 3), np.float32), 0, 1)
    assert len(gallery.title(column).split("\n")) <= 5
    assert gallery.title(column).endswith("...")


@pytest.mark.parametrize(("how", "message"), [("shape", "changes the shape"), ("nan", "NaN")])
def test_an_augmentation_that_breaks_images_is_named(how: str, message: str) -> None:
    frames = gallery.Frames(torch.rand(1, 3, 16, 16), (0,))
    with pytest.raises(ConfigError, match=message) as error:
        gallery.augmented("mine", Spoils(how), frames, draws=1, seed=0)
    assert "'mine'" in str(error.value)
