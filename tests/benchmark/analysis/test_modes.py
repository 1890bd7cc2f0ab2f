"""Runs of modes without published score ranges, and on all levels, in tables and figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_runs import ARMS, load, write_run

from benchmark import cli
from benchmark.analysis import histories
from benchmark.figures import catalogue as figures
from benchmark.figures.drawing import SCREEN
from benchmark.tables import catalogue as tables

NO_RANGES = "No score ranges are published for memory mode"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Runs of four methods in memory mode."""
    for method in ("ppo", "rand-fm", "drac-crop", "ucb-drac"):
        own = {"arms": ARMS, "chosen_from": tuple(ARMS)} if method == "ucb-drac" else {}
        for seed in range(2):
            train = (3.0 + seed, 5.0, 6.0)
            write_run(tmp_path, method, "maze", seed, mode="memory", train=train, **own)
    return tmp_path


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_says_that_there_are_no_ranges(name: str, root: Path) -> None:
    runs = load(root)
    if name == "recomputed":
        return  # of published numbers alone
    table = tables.TABLES[name](runs)
    assert any(NO_RANGES in note for note in table.notes)
    assert not [column for column in table.data.columns if "min_max" in column]
    if name == "levels":
        assert table.data.empty


@pytest.mark.parametrize("name", figures.FIGURES)
def test_figures_normalize_by_ppo_or_leave_such_runs_out(name: str, root: Path) -> None:
    found = histories.load(load(root))
    drawings = figures.FIGURES[name](found, SCREEN)
    if name.startswith("levels"):
        assert drawings == []
    without = found.where(found.runs["method"] != "ppo")
    drawings = figures.FIGURES[name](without, SCREEN)
    if name in ("aggregate", "intervals", "profiles", "levels-train", "levels-test"):
        assert drawings == []
    for drawing in drawings:
        assert NO_RANGES in drawing.caption


def test_others_beside_them_are_still_drawn(root: Path) -> None:
    write_run(root, "rand-fm", "maze", 0, "more")
    found = histories.load(load(root, "exp", "more"))
    without = found.where(found.runs["method"] != "ppo")
    for name in ("intervals", "levels-train"):
        (drawing,) = figures.FIGURES[name](without, SCREEN)
        assert set(drawing.data["label"]) == {"rand-fm [mode=easy]"}


def test_comparisons_refuse_and_name_the_table(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", "rand-fm", "ppo", "--results", str(root)]) == 2
    said = capsys.readouterr().err
    assert "memory mode has no published score ranges" in said
    assert "drac-bench tables --table per-game" in said
    assert cli.main(["report", "--results", str(root), "--out", str(root / "site")]) == 0


def test_runs_on_all_levels_stand_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        write_run(tmp_path, "ppo", "maze", seed, "all", levels="all")
        write_run(tmp_path, "ppo", "maze", seed, "some")
    runs = load(tmp_path, "all", "some")
    table = tables.TABLES["per-game"](runs)
    assert {"ppo [levels=all]", "ppo [levels=0-199]"} <= set(table.data["variant"])
    assert any("is no generalization gap" in note for note in table.notes)
    (drawing,) = figures.FIGURES["levels-train"](histories.load(runs), SCREEN)
    assert set(drawing.data["label"]) == {"ppo [levels=0-199]"}
    assert cli.main(["compare", "all:ppo", "some:ppo", "--results", str(tmp_path)]) == 0
    assert "cannot be said: their runs differ in levels (all and 0-199)" in " ".join(
        capsys.readouterr().out.split()
    )
