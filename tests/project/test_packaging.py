"""Builds the wheel and the sdist, offline, and looks inside."""

from __future__ import annotations

import configparser
import email.message
import email.parser
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from drac.methods import best_augmentations as best

PACKAGES = {"augmentations", "benchmark", "drac", "ucb"}
PYTHONS = ["3.10", "3.11", "3.12"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist, by hatchling itself: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel"]
    run = subprocess.run([*command, "-d", str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    """The wheel's files, name -> content."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def info(wheel: dict[str, bytes], name: str) -> str:
    (content,) = (wheel[path] for path in wheel if path.endswith(f".dist-info/{name}"))
    return content.decode()


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> email.message.Message:
    return email.parser.Parser().parsestr(info(wheel, "METADATA"))


def requirements(
    metadata: email.message.Message, python: str, extra: str = ""
) -> dict[str, Requirement]:
    """Name -> requirement that holds on that Python, with or without an extra."""
    parsed = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    environment = {"python_version": python, "python_full_version": f"{python}.9", "extra": extra}
    return {
        canonicalize_name(requirement.name): requirement
        for requirement in parsed
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


def test_top_level_is_the_four_packages(wheel: dict[str, bytes]) -> None:
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_packages_are_typed(wheel: dict[str, bytes], package: str) -> None:
    assert f"{package}/__init__.py" in wheel
    assert f"{package}/py.typed" in wheel


def test_templates_and_assets_of_the_report_are_shipped(wheel: dict[str, bytes]) -> None:
    here = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for folder in ("templates", "assets")
        for path in (ROOT / "benchmark/report" / folder).iterdir()
    }
    assert len(here) > 5
    assert {name: wheel.get(name) for name in here} == here


def test_published_numbers_are_shipped_as_they_are(wheel: dict[str, bytes]) -> None:
    here = {path.name: path.read_bytes() for path in (ROOT / "results/published").glob("*.csv")}
    there = {
        Path(name).name: content
        for name, content in wheel.items()
        if name.startswith("drac/published/") and name.endswith(".csv")
    }
    assert there == here
    assert {"per_game.csv", "best_augmentation.csv", "score_ranges.csv"} <= set(there)
    assert best.BEST_CSV.parent == ROOT / "results/published"  # where a checkout has it


def test_the_readme_of_an_index_stands_alone(metadata: email.message.Message) -> None:
    page = metadata.get_payload()
    assert isinstance(page, str)
    assert page.startswith("# procgen-drac\n")
    assert "](https://arxiv.org/abs/2006.12862)" in page
    assert re.findall(r"\]\((?!https?:)", page) == []
    assert "![" not in page
    assert metadata["Description-Content-Type"] == "text/markdown"
    urls = [url.split(", ") for url in metadata.get_all("Project-URL", [])]
    assert all(address.startswith("https://") for _, address in urls)
    assert "Paper" in {name for name, _ in urls}


def test_console_scripts(wheel: dict[str, bytes]) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(info(wheel, "entry_points.txt"))
    assert dict(parser["console_scripts"]) == {
        "drac": "drac.cli:main",
        "drac-bench": "benchmark.cli:main",
    }


def test_pythons_and_extras(metadata: email.message.Message) -> None:
    pythons = SpecifierSet(str(metadata["Requires-Python"]))
    assert [f"3.{minor}" for minor in range(8, 15) if f"3.{minor}" in pythons] == PYTHONS
    assert set(metadata.get_all("Provides-Extra", [])) == {
        *("ray", "slurm", "wandb", "mlflow", "onnx", "docs", "dev")
    }


@pytest.mark.parametrize("python", PYTHONS)
def test_one_procgen_and_any_numpy(metadata: email.message.Message, python: str) -> None:
    needed = requirements(metadata, python)
    builds = [str(needed[name].specifier) for name in needed if name.startswith("procgen")]
    assert builds == ["==0.10.7"]
    assert ("procgen" in needed) == (python == "3.10")
    assert all(version in needed["numpy"].specifier for version in ("1.26.4", "2.5.2"))


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_pin_what_is_needed(metadata: email.message.Message, python: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins: dict[str, str] = {}
    for pin in (Requirement(line) for line in lines if not line.startswith("#")):
        if pin.marker is None or pin.marker.evaluate({"python_version": python}):
            version = re.fullmatch(r"==((?:[0-9]|\.|post)+)", str(pin.specifier))
            assert version, f"{pin} is no exact version"
            assert pin.name not in pins, f"{pin.name} is pinned twice for Python {python}"
            pins[pin.name] = version.group(1)
    for name, requirement in requirements(metadata, python, extra="dev").items():
        assert name in pins, f"{name} is not pinned for Python {python}"
        assert pins[name] in requirement.specifier, f"{name}=={pins[name]}, needed: {requirement}"


def test_sdist_has_what_a_checkout_has(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt"}
    expected |= {"tests/project/test_packaging.py", "results/published/per_game.csv"}
    assert expected <= names
    assert not [name for name in names if name.startswith("results/runs")]
