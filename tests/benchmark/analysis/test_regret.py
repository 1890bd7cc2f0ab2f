"""The regret of choosing augmentations: closed forms, a slow loop, and runs of a store."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_runs import load, write_csv, write_run

from benchmark.analysis import histories
from benchmark.analysis.regret import regrets, static_regret
from benchmark.figures.catalogue import FIGURES
from benchmark.figures.drawing import SCREEN
from drac.runs import logs

LONG = {"steps": 1280}  # ten updates


def test_the_best_arm_in_hindsight_is_one_arm() -> None:
    """Each update's best would have had 1 a time; no single arm has: changing was better."""
    returns = {"crop": np.array([1.0, 0.0, 1.0, 0.0]), "flip": np.array([0.0, 1.0, 0.0, 1.0])}
    found = static_regret(["crop", "flip", "crop", "flip"], returns)
    assert found["regret"].tolist() == [0.0, -0.5, pytest.approx(2 / 3 - 1), -0.5]
    worst = static_regret(["flip", "crop", "flip", "crop"], returns)
    assert worst["regret"].tolist() == [1.0, 0.5, pytest.approx(2 / 3), 0.5]


_RETURN = st.one_of(st.just(math.nan), st.floats(-10, 40))


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), _RETURN, _RETURN, _RETURN), max_size=25),
    st.integers(0, 3),
)
def test_a_slow_loop_agrees(rows: list[tuple[str, float, float, float]], missing: int) -> None:
    returns = {arm: np.array([row[i] for row in rows]) for i, arm in enumerate("abc", start=1)}
    returns["c"] = returns["c"][: max(0, len(rows) - missing)]  # one run is shorter
    found = static_regret([row[0] for row in rows], returns).to_dict("records")
    sums, own, number = dict.fromkeys("abc", 0.0), 0.0, 0
    for update, (chosen, *each) in enumerate(rows):
        if update >= len(returns["c"]) or chosen == "d" or any(map(math.isnan, each)):
            continue
        for arm, value in zip("abc", each, strict=True):
            sums[arm] += value
        own += each["abc".index(chosen)]
        row = found[number]
        number += 1
        assert (row["update"], row["arm"]) == (update, chosen)
        assert row["regret"] == pytest.approx((max(sums.values()) - own) / number, abs=1e-9)
        assert row["best_return"] - row["chosen_return"] == row["regret"]
        assert sums[row["best"]] == pytest.approx(max(sums.values()))
    assert number == len(found)


def write(root: Path, method: str, arms: str, returns: list[float], **options: object) -> None:
    """Write a run with these arms (a letter an update) and training returns."""
    names = {"c": "crop", "f": "flip", "r": "rotate", "-": "none"}
    run_dir = write_run(root, method, "maze", **{**LONG, **options})
    write_csv(
        run_dir / "progress.csv",
        logs.PROGRESS_COLUMNS,
        (
            {"step": 128 * u, "update": u, "arm": names[a], "train_return": r, "charts/SPS": 1}
            for u, (a, r) in enumerate(zip(arms, returns, strict=True), start=1)
        ),
    )
    if method == "ucb-drac":
        write_csv(
            run_dir / "arms.csv",
            logs.ARM_COLUMNS,
            (
                {"update": u, "arm": name, "count": 1, "mean": 0, "selected": int(names[a] == name)}
                for u, a in enumerate(arms, start=1)
                for name in ("crop", "flip", "rotate")
            ),
        )


def test_runs_are_held_against_the_fixed_ones_of_the_same_settings(tmp_path: Path) -> None:
    write(tmp_path, "ucb-drac", "cfrccccccc", [9.0] * 10)
    write(tmp_path, "drac-crop", "c" * 10, [2.0] * 10)
    write(tmp_path, "drac-flip", "f" * 10, [3.0] * 10)
    write(tmp_path, "drac-rotate", "r" * 10, [50.0] * 10, precision="bf16")  # not alike
    found = histories.load(load(tmp_path))
    table = regrets(found)
    assert len(table) == 9  # the update of rotate does not count
    assert {*table["best"]} == {"flip"}
    assert table["step"].iloc[-1] == 1280
    assert table["regret"].iloc[-1] == pytest.approx((9 * 3 - (8 * 2 + 3)) / 9)
    (drawing,) = FIGURES["bandit-regret"](found, SCREEN)
    assert any("9 of 10" in note for note in drawing.notes)
    assert any("0.89 of flip's 3.00" in note for note in drawing.notes)


def test_one_fixed_augmentation_is_nothing_to_regret(tmp_path: Path) -> None:
    write(tmp_path, "ucb-drac", "c" * 10, [9.0] * 10)
    write(tmp_path, "drac-crop", "c" * 10, [2.0] * 10)
    assert FIGURES["bandit-regret"](histories.load(load(tmp_path)), SCREEN) == []
