"""docs/methods.md has every method, and docs/fidelity.md options that exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest
import torch
from checkout import DOCS

from drac.config import TrainConfig
from drac.config.fidelity import PRESETS
from drac.methods import METHODS, register
from drac.methods.listing import markdown
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs
from drac.objectives.objective import make as make_objective
from drac.rollout import Minibatch

PAGE = (DOCS / "methods.md").read_text(encoding="utf-8")
FIDELITY = (DOCS / "fidelity.md").read_text(encoding="utf-8")
SECTIONS = {
    name: text
    for heading, text in re.findall(
        r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    for name in heading.split(", ")
}


def test_the_table_is_that_of_the_code() -> None:
    """The command above it makes it anew."""
    assert markdown() in PAGE
    assert "drac.methods.listing import markdown" in PAGE.partition(markdown())[0]
    assert PAGE.partition(markdown())[2].startswith("\n\n")  # no further rows


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_section_with_an_equation_and_a_source(name: str) -> None:
    assert name in SECTIONS, f"docs/methods.md has no section ## {name}"
    text = SECTIONS[name]
    assert re.search(r"^    \S.*\S", text, re.MULTILINE), "no equation"
    assert re.search(r"\bSource: ", " ".join(text.split())), "no source"


def test_every_section_is_a_method_s() -> None:
    assert SECTIONS.keys() == {*METHODS, "A method of your own"}


def test_the_example_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code runs as it stands, in the files that it names: an objective twice PPO's."""
    method, loss = re.findall(r"```python\n(.*?)```", SECTIONS["A method of your own"], re.DOTALL)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/method.py").write_text(method)
    (tmp_path / "my_package/loss.py").write_text(loss)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("drac.methods.registry.METHODS", dict(METHODS))
    register(resolve_name("my_package.method:METHOD"))
    ones = torch.ones(2)
    samples = Minibatch(torch.rand(2, 3, 8, 8), ones.long(), -ones, ones, ones, ones)
    inputs = Inputs(samples, samples.obs, None, {})
    network = ActorCritic(4, (3, 8, 8), 8)
    mine, ppo = (
        make_objective(TrainConfig(method=name))(network, inputs)[0]
        for name in ("my-method", "ppo")
    )
    assert mine.item() == pytest.approx(2 * ppo.item())
    assert ppo.item() != 0
    for name in ("my_package.method", "my_package.loss", "my_package"):
        sys.modules.pop(name)


# docs/fidelity.md


def rows() -> list[tuple[str, list[str]]]:
    """(what, the other cells) of the tables whose last column is called option."""
    found: list[tuple[str, list[str]]] = []
    for table in re.findall(r"(?:^\|.*\n)+", FIDELITY, re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        cells = [[cell.strip() for cell in line] for line in lines]
        if cells[0][-1] == "option":
            found += [(line[0], line[1:]) for line in cells[2:]]
    return found


def options_of(cell: str) -> set[str]:
    return {word.replace("-", "_") for word in re.findall(r"--([a-z0-9-]+)", cell)}


def test_there_are_tables() -> None:
    assert len(rows()) > 20
    assert all(len(cells) == 3 for _, cells in rows())


@pytest.mark.parametrize(("what", "cells"), rows(), ids=[what for what, _ in rows()])
def test_a_row_names_options_that_exist_and_a_difference_names_one(
    what: str, cells: list[str]
) -> None:
    paper, released, option = cells
    assert options_of(option) <= TrainConfig.model_fields.keys()
    assert bool(option) == bool(options_of(option)), "the last column holds options only"
    if not option:
        assert released.startswith("same") or "not reproduced" in paper + released, (
            "the two differ: name the option that switches, or say that it is not reproduced"
        )


def test_every_option_of_a_preset_has_a_row() -> None:
    named = set().union(*(options_of(cells[-1]) for _, cells in rows()))
    assert PRESETS["released"].keys() <= named
