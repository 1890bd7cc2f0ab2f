"""The rehearsal: runs that were really made, and what docs/rehearsal.md shows of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT
from PIL import Image

from augmentations import PAPER_ARMS
from benchmark import suites
from benchmark.cli import main
from benchmark.store.store import Store
from benchmark.tables.catalogue import TABLES
from drac.games import GAMES

FOLDER = ROOT / "results" / "evidence" / "rehearsal"
PAGE = (ROOT / "docs" / "rehearsal.md").read_text(encoding="utf-8")
SUITES = ("rehearsal", "rehearsal-augmentations")
HARDWARE = {"device": "cpu", "precision": "bf16", "threads": 1, "env_groups": 1}


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    store = Store(FOLDER)
    return store.load(spec for name in SUITES for spec in store.specs(name))


@pytest.mark.parametrize("name", SUITES)
def test_every_run_of_the_suite_is_complete_and_was_run_as_it_says(
    name: str, runs: pd.DataFrame
) -> None:
    suite = suites.get(name)
    expected = dict(
        suites.expand(name, suite.methods, suite.games, suite.seeds, {**suite.options, **HARDWARE})
    )
    own = runs[runs["experiment"] == name]
    assert len(own) == len(expected) == 32
    for run in own.to_dict("records"):
        spec = suites.RunSpec(name, run["method"], run["game"], run["seed"])
        assert run["problems"] == []
        assert run["record"].config == expected[spec]
        assert run["record"].meta["wall_s"] > 60
        assert run["record"].meta["steps"] == expected[spec].num_updates * 2048


def test_the_bandit_moves(runs: pd.DataFrame) -> None:
    arms = runs[runs["method"] == "ucb-drac"].set_index("game")["arms"]
    assert set(arms.index) == set(GAMES)
    assert all(sum(counts.values()) == 24 for counts in arms)
    assert any(sum(count > 0 for count in counts.values()) == len(PAPER_ARMS) for counts in arms)


def test_the_bandits_two_files_agree(runs: pd.DataFrame) -> None:
    for folder in runs["folder"]:
        chosen = pd.read_csv(folder / "arms.csv").query("selected == 1")
        progress = pd.read_csv(folder / "progress.csv")
        assert chosen["arm"].tolist() == progress["arm"].tolist()
        assert chosen["update"].tolist() == progress["update"].tolist()


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the same runs, and what the page's commands make of it."""
    root = tmp_path_factory.mktemp("rehearsal")
    shutil.copytree(FOLDER / "runs", root / "runs")
    assert main(["tables", f"--results={root}", "--experiment", *SUITES]) == 0
    figures = ["--experiment", SUITES[0], "--figure", "bandit-shares"]
    assert main(["figures", f"--results={root}", *figures]) == 0
    return root


def test_the_committed_tables_and_figures_are_made_of_these_runs(made_again: Path) -> None:
    for folder in ("tables", "figures"):
        made, kept = (
            {path.relative_to(root): path for path in (root / folder).rglob("[!.]*.*")}
            for root in (made_again, FOLDER)
        )
        assert made.keys() == kept.keys()
        for name, path in kept.items():
            if path.suffix == ".csv":
                pd.testing.assert_frame_equal(pd.read_csv(path), pd.read_csv(made[name]))
            elif path.suffix != ".png":
                assert path.read_text("utf-8") == made[name].read_text("utf-8"), name


def test_the_page_shows_the_table_of_these_runs(runs: pd.DataFrame) -> None:
    table = TABLES["augmentations"](runs)
    text = table.markdown(160)
    (best,) = re.findall(r"### Best augmentation of each game\n\n(.*?)\n\n", text, re.DOTALL)
    assert len(best.splitlines()) == 2 + len(GAMES)
    assert best in PAGE
    agreed = table.blocks[2].cells.set_index("between").loc["the bandit and the paper"]
    said = re.search(
        r"agrees with the paper on (\S+) of (\d+) games, and would on\s+(\S+) by", PAGE
    )
    assert said
    assert list(said.groups()) == [agreed["agree on"], agreed["games"], agreed["by chance"]]


def test_the_page_shows_the_figure_of_these_runs(made_again: Path) -> None:
    name = Path("figures") / SUITES[0] / "bandit-shares-ucb-drac.png"
    assert f"](../{(FOLDER / name).relative_to(ROOT)})" in PAGE
    pictures = (Image.open(root / name).convert("RGB") for root in (made_again, FOLDER))
    one, other = (np.asarray(picture, dtype=int) for picture in pictures)
    assert one.shape == other.shape
    assert (abs(one - other).max(axis=2) > 32).mean() < 1e-3  # fonts may differ by a shade


def test_they_are_labelled_as_too_short() -> None:
    for path in (FOLDER / "README.md", FOLDER / "tables" / "+".join(SUITES) / "augmentations.md"):
        assert "prove nothing" in " ".join(path.read_text(encoding="utf-8").split())
