"""A package outside the repository adds an augmentation; a broken one beside it disturbs nobody."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from virtual_environment import Environment, create

pytestmark = pytest.mark.full  # tests/augmentations/test_plugins.py installs without pip

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{project}"
version = "2.5"

[project.entry-points."procgen_drac.augmentations"]
{name} = "{package}.images:Darken"

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""

DARKEN = '''
import torch
from augmentations import Augmentation, as_float


class Darken(Augmentation):
    """Halve the brightness of every image."""

    name = "darken"

    def sample(self, shape, generator):
        return {}

    def apply(self, obs, params):
        return as_float(obs) / 2
'''

BROKEN = "raise RuntimeError('the blades are missing')\n"

TINY = [
    *("--num-envs", "4", "--num-steps", "16", "--steps", "128", "--hidden-size", "8"),
    *("--epochs", "1", "--eval-episodes", "1"),
    *("--device", "cpu", "--precision", "float32"),
]


def write_package(folder: Path, package: str, name: str, code: str) -> Path:
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    (folder / package / "images.py").write_text(code)
    (folder / "pyproject.toml").write_text(
        PYPROJECT.format(project=package.replace("_", "-"), package=package, name=name)
    )
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with two plug-ins, one of which cannot be imported."""
    folder = tmp_path_factory.mktemp("plugins")
    made = create(folder / "venv")
    made.install(write_package(folder / "good", "darken_plugin", "darken", DARKEN))
    made.install(write_package(folder / "bad", "shred_plugin", "shred", BROKEN))
    return made


def test_both_are_listed_the_broken_one_with_its_error(
    environment: Environment, tmp_path: Path
) -> None:
    done = environment.run("drac", "augmentations", "list", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: " ".join(line.split()) for line in done.stdout.splitlines() if line}
    assert lines["darken"] == "darken darken-plugin 2.5 Halve the brightness of every image."
    assert lines["shred"].startswith("shred shred-plugin 2.5 not available: ")
    assert "the blades are missing" in lines["shred"]
    assert lines["crop"].startswith("crop built-in ")


@pytest.mark.slow
def test_it_is_an_arm(environment: Environment, tmp_path: Path) -> None:
    words = ["drac", "train", "--game", "coinrun", "--method", "ucb-drac"]
    words += ["--arms", "crop", "darken", "--run-dir", "run", *TINY]
    words += ["--ucb-initial", "try-each-once"]
    done = environment.run(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "run" / "arms.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows if row["selected"] == "1"] == ["crop", "darken"]
    assert {row["arm"] for row in rows} == {"crop", "darken"}


def test_the_broken_one_is_refused_by_name(environment: Environment, tmp_path: Path) -> None:
    words = ["drac", "train", "--method", "drac-shred", "--run-dir", "run", *TINY]
    done = environment.run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "shred-plugin 2.5" in done.stderr
    assert "the blades are missing" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_the_package_there_is_no_such_name(tmp_path: Path) -> None:
    done = create(tmp_path / "venv").run("drac", "train", "--method", "drac-darken", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown method 'drac-darken'" in done.stderr
