"""The table of transfer, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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


def test_levels_that_nobody_learned_from_scratch(tmp_path: Path) -> None:
    write(tmp_path, {512: (5, 3)}, experiment="scratch")
    write(tmp_path, {512: (9, 4)}, init_from="a", levels="1000-1019")
    table = TABLES["transfer"](load(tmp_path, "scratch", "exp"))
    rows = {row["init_from"]: row for row in table.data.to_dict("records")}
    assert rows["a"]["scratch_last"] != rows["a"]["scratch_last"]  # NaN


def test_nothing_to_say_without_trained_weights(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert "no run begins with trained weights" in not_applicable(load(tmp_path))["transfer"]
