"""The table of transfer, against values worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import load, write_csv, write_run

from benchmark.tables.catalogue import TABLES, not_applicable
from drac.runs import logs

Curve = Mapping[int, tuple[float, float]]


def write(root: Path, curve: Curve, seed: int = 0, experiment: str = "exp", **options: str) -> None:
    """Write a run of four updates, and its means on both splits by steps."""
    run_dir = write_run(root, "ppo", "maze", seed, experiment, steps=512, **options)
    rows = (
        {"step": step, "split": split, "level_seed": level, "return": mean + change, "length": 9}
        for step, means in curve.items()
        for split, mean in zip(("train", "test"), means, strict=True)
        for level, change in ((5, -1.0), (6, 0.0), (7, 1.0))
    )
    write_csv(run_dir / "eval.csv", logs.EVAL_COLUMNS, rows)


def test_trained_weights_beside_new_ones(tmp_path: Path) -> None:
    write(tmp_path, {128: (2, 2), 256: (3, 2), 384: (4, 3), 512: (5, 3)}, experiment="scratch")
    write(tmp_path, {128: (4, 4), 256: (5, 6), 384: (8, 5), 512: (9, 4)}, init_from="a")
    write(tmp_path, {128: (4, 4), 256: (7, 6), 384: (8, 5), 512: (9, 2)}, seed=1, init_from="a")
    write(tmp_path, {128: (1, 1), 256: (1, 1), 384: (1, 1), 512: (1, 1)}, seed=0,
          experiment="other", init_from="b")  # fmt: skip
    table = TABLES["transfer"](load(tmp_path, "scratch", "exp", "other"))
    rows = {row["init_from"]: row for row in table.data.to_dict("records")}
    assert rows[""]["last"] == rows[""]["scratch_last"] == rows["a"]["scratch_last"] == 5
    assert rows["a"]["steps_to_scratch"] == 256  # 6.0 is the mean of both seeds
    assert (rows["a"]["seeds"], rows["a"]["first"], rows["a"]["last"]) == (2, 4, 9)
    assert (rows["a"]["test_best"], rows["a"]["test_best_step"], rows["a"]["test_last"]) == (
        6, 256, 3,
    )  # fmt: skip
    shown = {row["method"]: row for row in table.cells.to_dict("records")}
    assert shown["ppo [init_from=b]"]["steps to scratch's last"] == "not reached"
    assert shown["ppo [init_from=a]"]["test: best"] == "6.00 at 256"
    assert [row[BEFORE] for row in shown.values()] == ["-", "not measured", "not measured"]


def test_levels_that_nobody_learned_from_scratch(tmp_path: Path) -> None:
    write(tmp_path, {512: (5, 3)}, experiment="scratch")
    write(tmp_path, {512: (9, 4)}, init_from="a", levels="1000-1019")
    table = TABLES["transfer"](load(tmp_path, "scratch", "exp"))
    rows = {row["init_from"]: row for row in table.data.to_dict("records")}
    assert rows["a"]["scratch_last"] != rows["a"]["scratch_last"]  # NaN


BEFORE = "levels before: then, now"


def evaluated(run_dir: Path, name: str, *returns: float) -> None:
    """Write what `drac evaluate --levels` leaves."""
    (run_dir / "evaluations").mkdir(exist_ok=True)
    rows = ({"return": value} for value in returns)
    write_csv(run_dir / "evaluations" / f"{name}.csv", (*logs.EVAL_COLUMNS, "note"), rows)


def trained_before(root: Path, experiment: str = "before", **options: Any) -> Path:
    """A run of 256 steps on levels 0-199, evaluated there twice: 6 and 8 on average."""
    run_dir = write_run(root, "ppo", "maze", 3, experiment, **options)
    evaluated(run_dir, "levels0-199-each1-seed0-step256", 5, 7)
    evaluated(run_dir, "levels0-199-each2-seed0-step256", 7, 8, 9, 8)
    return run_dir


def begun(root: Path, own_seed: int = 0, own_levels: str = "7-9", **facts: Any) -> Path:
    """A run of 512 steps that begins with the weights of that one."""
    run_dir = write_run(root, "ppo", "maze", own_seed, steps=512, levels=own_levels, init_from="a")
    known = {"method": "ppo", "game": "maze", "mode": "easy", "levels": "0-199", "seed": 3}
    meta = json.loads((run_dir / "meta.json").read_text())
    meta["init_from"] = {"source": "a", **known, "step": 256, **facts}
    (run_dir / "meta.json").write_text(json.dumps(meta))
    return run_dir


def before(root: Path) -> str:
    (row,) = TABLES["transfer"](load(root)).cells.to_dict("records")
    return str(row[BEFORE])


@pytest.mark.parametrize(
    ("evaluations", "shown"),
    [
        ({"each1-seed0-step512": (2, 3)}, "6.00, 2.50"),
        ({"each1-seed1-step512": (2, 3)}, "6.00, not measured"),
        ({"each3-seed0-step512": (2, 3)}, "6.00, not measured"),
        ({"each1-seed0-step256": (2, 3)}, "6.00, not measured"),
        ({"each1-seed0-step512": ()}, "6.00, not measured"),
        ({"each1-seed0-step512": (float("nan"),)}, "6.00, not measured"),
        ({"each3-seed0-step512": (9,), "each1-seed0-step512": (2, 3)}, "6.00, 2.50"),
        ({"each1-seed0-step512": (2, 3), "each2-seed0-step512": (1, 1, 1, 1)}, "8.00, 1.00"),
        ({}, "6.00, not measured"),
    ],
)
def test_what_is_forgotten_of_the_levels_before(
    tmp_path: Path, evaluations: dict[str, tuple[float, ...]], shown: str
) -> None:
    """As many episodes of each level, and one seed, of both; each run as it is at its end."""
    trained_before(tmp_path)
    run_dir = begun(tmp_path)
    for name, returns in evaluations.items():
        evaluated(run_dir, f"levels0-199-{name}", *returns)
    assert before(tmp_path) == f"0-199: {shown}"


@pytest.mark.parametrize(
    "facts",
    [
        {"levels": "0-99"},
        {"game": "coinrun"},
        {"seed": 2},
        {"mode": "hard"},
        {"step": 128},
        {"seed": "../../before/ppo/maze/seed3"},
        {"levels": None},
    ],
    ids=str,
)
def test_weights_of_which_meta_json_says_something_else(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    trained_before(tmp_path)
    begun(tmp_path, **facts)
    levels = f"{facts.get('levels', '0-199')}: ".replace("None: ", "")
    assert before(tmp_path) == f"{levels}not measured"


@pytest.mark.parametrize(
    "source", ["", "\0", "/dev/zero", "a" * 5000, None, [3]], ids=lambda s: repr(s)[:9]
)
def test_a_source_that_is_no_run_is_looked_for_in_the_store(tmp_path: Path, source: Any) -> None:
    trained_before(tmp_path)
    begun(tmp_path, source=source)
    assert before(tmp_path) == "0-199: 6.00, not measured"


def test_of_two_runs_that_fit_nobody_knows_unless_one_was_named(tmp_path: Path) -> None:
    trained_before(tmp_path)
    trained_before(tmp_path, "tuned", learning_rate=1e-3)
    begun(tmp_path)
    assert before(tmp_path) == "0-199: not measured"
    begun(tmp_path / "named", source=str(tmp_path / "runs/tuned/ppo/maze/seed3"))
    assert before(tmp_path / "named") == "0-199: 6.00, not measured"


def test_of_two_seeds_both_must_be_known(tmp_path: Path) -> None:
    trained_before(tmp_path)
    first, second = begun(tmp_path), begun(tmp_path, 1)
    evaluated(first, "levels0-199-each1-seed0-step512", 2, 3)
    assert before(tmp_path) == "0-199: 6.00, not measured"
    evaluated(second, "levels0-199-each1-seed0-step512", 4, 5)
    assert before(tmp_path) == "0-199: 6.00, 3.50"


def test_a_run_that_goes_on_with_the_same_levels_is_not_taken_for_its_source(
    tmp_path: Path,
) -> None:
    trained_before(tmp_path)
    run_dir = begun(tmp_path, own_seed=3, own_levels="0-199")
    evaluated(run_dir, "levels0-199-each1-seed0-step256", 2, 3)
    evaluated(run_dir, "levels0-199-each1-seed0-step512", 4, 5)
    assert before(tmp_path) == "0-199: 6.00, 4.50"


@pytest.mark.parametrize(
    "linked", ["evaluations/levels0-199-each1-seed0-step256.csv", "evaluations", ""]
)
def test_no_link_out_of_the_store_is_followed(tmp_path: Path, linked: str) -> None:
    elsewhere, inside = trained_before(tmp_path / "elsewhere"), trained_before(tmp_path)
    begun(tmp_path)
    (inside / "evaluations/levels0-199-each2-seed0-step256.csv").unlink()
    (inside / linked).rename(tmp_path / "away")
    (inside / linked).symlink_to(elsewhere / linked)
    assert before(tmp_path) == "0-199: not measured"


def test_nothing_to_say_without_trained_weights(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert "no run begins with trained weights" in not_applicable(load(tmp_path))["transfer"]
