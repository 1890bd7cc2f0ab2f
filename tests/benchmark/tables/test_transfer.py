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
    """A run of 256 steps on levels 0-199, evaluated there: 6 on average."""
    run_dir = write_run(root, "ppo", "maze", 3, experiment, **options)
    evaluated(run_dir, "levels0-199-each1-seed0-step256", 5, 7)
    return run_dir


def begun(root: Path, own_seed: int = 0, **facts: Any) -> Path:
    """A run of 512 steps on other levels that begins with the weights of that one."""
    run_dir = write_run(root, "ppo", "maze", own_seed, steps=512, levels="7-9", init_from="a")
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
        ({"each2-seed0-step512": (2, 3)}, "6.00, not measured"),
        ({"each1-seed0-step256": (2, 3)}, "6.00, not measured"),
        ({"each1-seed0-step512": ()}, "6.00, not measured"),
        ({"each1-seed0-step512": (float("nan"),)}, "6.00, not measured"),
        ({"each3-seed0-step512": (9,), "each1-seed0-step512": (2, 3)}, "6.00, 2.50"),
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


@pytest.mark.parametrize("source", ["", "\0", "/dev/zero", "a" * 5000, None, [3]], ids=repr)
def test_a_source_that_is_no_run_is_looked_for_in_the_store(tmp_path: Path, source: Any) -> None:
    trained_before(tmp_path)
    begun(tmp_path, source=source)
    assert before(tmp_path) == "0-199: 6.00, not measured"


def test_the_run_that_was_named_is_the_one(tmp_path: Path) -> None:
    """Of two in the store that fit, nobody knows; of two seeds, both must be known."""
    trained_before(tmp_path)
    trained_before(tmp_path, "tuned", learning_rate=1e-3)
    run_dir = begun(tmp_path)
    evaluated(run_dir, "levels0-199-each1-seed0-step512", 2, 3)
    assert before(tmp_path) == "0-199: not measured, 2.50"
    other = begun(tmp_path, 1, source=str(trained_before(tmp_path / "elsewhere")))
    assert before(tmp_path) == "0-199: not measured"
    evaluated(other, "levels0-199-each1-seed0-step512", 4, 5)
    assert before(tmp_path) == "0-199: not measured, 3.50"


def test_no_link_out_of_the_store_is_followed(tmp_path: Path) -> None:
    elsewhere = trained_before(tmp_path / "elsewhere")
    inside = trained_before(tmp_path)
    begun(tmp_path)
    file = "evaluations/levels0-199-each1-seed0-step256.csv"
    (inside / file).unlink()
    (inside / file).symlink_to(elsewhere / file)
    assert before(tmp_path) == "0-199: not measured"


def test_nothing_to_say_without_trained_weights(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert "no run begins with trained weights" in not_applicable(load(tmp_path))["transfer"]
