"""The table of our curves beside those of others, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_runs import load, write_csv, write_run

from benchmark.scores import curves
from benchmark.scores.reading import Told
from benchmark.tables.catalogue import TABLES, not_applicable
from drac.runs import logs


def ours(root: Path, seed: int, test: dict[int, float], train: float = 9.0) -> None:
    """Write a run of four updates: its test return at steps, and one of training."""
    run_dir = write_run(root, "ppo", "maze", seed, steps=512)
    rows = (
        {"step": step, "split": split, "level_seed": level, "return": mean + change, "length": 9}
        for step, mean in test.items()
        for split in ("train", "test")
        for level, change in ((5, -1.0), (6, 0.0), (7, 1.0))
    )
    write_csv(run_dir / "eval.csv", logs.EVAL_COLUMNS, rows)
    progress = pd.read_csv(run_dir / "progress.csv").assign(train_return=train)
    progress.to_csv(run_dir / "progress.csv", index=False)


def theirs(root: Path, *points: Sequence[Any], mode: str = "easy") -> None:
    rows = [("theirs", "maze", mode, *point) for point in points]
    path = root / "theirs.csv"
    pd.DataFrame(rows, columns=curves.COLUMNS).to_csv(path, index=False)
    curves.save(curves.read_all([path], "theirs", Told()), root)


def rows_of(root: Path) -> dict[tuple[str, int], dict[Any, Any]]:
    data = TABLES["curves"](load(root)).data.to_dict("records")
    return {(row["split"], row["step"]): row for row in data}


def test_ours_at_each_evaluation_beside_theirs(tmp_path: Path) -> None:
    ours(tmp_path, 0, {128: 1, 256: 2, 512: 3})
    ours(tmp_path, 1, {128: 1, 256: 4, 512: 5})
    theirs(tmp_path, ("test", 0, 200, 4), ("test", 0, 312, 12), ("test", 0, 9000, 12),
           ("test", 1, 256, 4), ("test", 1, 300, 4), ("train", 0, 0, 6), ("train", 0, 600, 6),
           )  # fmt: skip
    rows = rows_of(tmp_path)
    assert {*rows} == {(split, step) for split in ("test", "train") for step in (128, 256, 512)}
    row = rows["test", 256]
    assert (row["runs"], row["ours"], row["ours_std"]) == (2, 3, pytest.approx(2**0.5))
    assert (row["other"], row["other_runs"], row["theirs"]) == ("theirs", 2, 6)  # 8 and 4
    assert (row["theirs_low"], row["theirs_high"], row["ratio"]) == (4, 8, 0.5)
    assert rows["test", 512]["other_runs"] == 1  # the other run ends before
    assert (rows["train", 128]["ours"], rows["train", 128]["ratio"]) == (9, 1.5)


def test_what_is_below_half_of_theirs_is_said(tmp_path: Path) -> None:
    ours(tmp_path, 0, {256: 2, 512: 1})
    theirs(tmp_path, ("test", 0, 0, 4), ("test", 0, 512, 4))
    table = TABLES["curves"](load(tmp_path))
    assert "WARNING: below half of theirs: ppo/maze, test at 512." in table.notes
    (cell,) = [c for c in table.cells.to_dict("records") if c["step"] == "512"]
    assert (cell["ours"], cell["theirs"], cell["ours / theirs"]) == ("1.00", "4.00 (n=1)", "0.25")


@pytest.mark.parametrize("point", [("hard", "test"), ("easy", "train")])
def test_other_modes_and_splits_are_not_compared(tmp_path: Path, point: tuple[str, str]) -> None:
    ours(tmp_path, 0, {512: 1})
    mode, split = point
    theirs(tmp_path, (split, 0, 0, 4), (split, 0, 512, 4), mode=mode)
    if mode == "hard":
        assert "no curves" in not_applicable(load(tmp_path))["curves"]
    else:
        assert {split for split, _ in rows_of(tmp_path)} == {"train"}


def test_without_complete_runs_or_curves(tmp_path: Path) -> None:
    ours(tmp_path, 0, {512: 1})
    assert "import-curves" in not_applicable(load(tmp_path))["curves"]
    theirs(tmp_path, ("test", 0, 512, 4))
    (tmp_path / "runs/exp/ppo/maze/seed0/arms.csv").unlink()
    assert TABLES["curves"](load(tmp_path)).cells.to_numpy().tolist() == [
        ["-", "-", "no complete runs"]
    ]
