"""Modules of the working folder that have the names of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

from benchmark.engines import process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with files that have names of packages, and a plug-in."""
    for name in ("augmentations", "ucb", "numpy", "drac"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    (tmp_path / "its_plug_in.py").write_text("print('found')\n")
    return tmp_path


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_they_hide_nothing_from_the_children_of_a_sweep(folder: Path) -> None:
    done = run(process.command(["-m", "drac.cli", "--version"]), folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("drac ")
    assert run(process.command(["-m", "its_plug_in"]), folder).stdout == "found\n"


def test_a_sweep_finds_the_same_copy_of_an_installed_plug_in_as_drac(tmp_path: Path) -> None:
    installed, here = tmp_path / "site", tmp_path / "here"
    for place in (installed, here):
        place.mkdir()
        (place / "twice.py").write_text(f"WHERE = {place.name!r}\n")
    shows = "from augmentations.plugins import load_place\nprint(load_place('twice:WHERE'))\n"
    for place in (installed, here):
        (place / "shows.py").write_text(shows)
    ways = [[sys.executable, str(installed / "shows.py")], [sys.executable, "-m", "shows"]]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{installed}"}
    found = [
        subprocess.run(words, cwd=here, env=env, capture_output=True, text=True, check=True).stdout
        for words in (*ways, process.command(["-m", "shows"]))
    ]
    assert found == ["here\n"] * 3


@pytest.mark.parametrize("program", ["drac.cli", "benchmark.cli"])
@pytest.mark.parametrize("name", ["augmentations", "ucb"])
def test_otherwise_a_sentence_names_the_file(tmp_path: Path, name: str, program: str) -> None:
    (tmp_path / f"{name}.py").touch()
    done = run([sys.executable, "-m", program, "--version"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"{tmp_path / name}.py has the name of the package {name} of")
    assert "rename it" in done.stderr


def test_a_package_of_that_name_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "ucb").mkdir()
    (tmp_path / "ucb" / "__init__.py").touch()
    done = run([sys.executable, "-m", "drac.cli", "--version"], tmp_path)
    assert done.stderr.startswith(f"{tmp_path / 'ucb' / '__init__.py'} has the name")
