"""The bandit's table: counts, means, and the update with which it settled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from synthetic_runs import load, write_csv, write_run

from augmentations import slug
from benchmark.analysis import histories
from benchmark.figures.catalogue import FIGURES
from benchmark.figures.drawing import SCREEN
from benchmark.tables.bandit import settled
from benchmark.tables.catalogue import TABLES
from benchmark.tables.table import Table
from drac.runs import logs

LONG = {"steps": 1280}  # ten updates


def write(
    root: Path, choices: str, game: str = "maze", seed: int = 0, method: str = "ucb-drac"
) -> None:
    """Write a run that chose these arms, one letter an update; an arm's mean is its count / 10."""
    arms = {"c": "crop", "f": "flip", "r": "rotate"}
    counts = {arm: choices.count(letter) for letter, arm in arms.items()}
    run_dir = write_run(root, method, game, seed, arms=counts, **LONG)
    assert len(choices) == 10
    write_csv(
        run_dir / "progress.csv",
        logs.PROGRESS_COLUMNS,
        (
            {"step": 128 * u, "update": u, "arm": arms[letter], "charts/SPS": 1}
            for u, letter in enumerate(choices, start=1)
        ),
    )
    write_csv(
        run_dir / "arms.csv",
        logs.ARM_COLUMNS,
        (
            {"update": u, "arm": arm, "count": choices[:u].count(x), "mean": choices.count(x) / 10}
            for u in range(1, 11)
            for x, arm in arms.items()
        ),
    )


def bandit(root: Path) -> Table:
    return TABLES["bandit"](load(root))


def rows(table: Table, block: int) -> list[dict[str, Any]]:
    return table.blocks[block].cells.to_dict("records")


@pytest.mark.parametrize(
    ("choices", "update"),
    [
        ("cccccccccc", 1),
        ("fccccccccc", 2),
        ("cfcccccccc", 1),  # nine of ten: 90 % from the first on
        ("ccffffffff", 3),
        ("cfcfcfcfcf", 10),  # only the last update, which is a tenth of ten
        ("ccccccccff", 9),
    ],
)
def test_settled(choices: str, update: int) -> None:
    assert settled(choices) == update


def test_never_settled() -> None:
    assert settled("cf" * 10) is None  # the last alone is less than a tenth
    assert settled("") is None


@given(st.text("cfr", min_size=1, max_size=80))
def test_settled_against_a_slow_loop(choices: str) -> None:
    expected = None
    for begin in reversed(range(len(choices))):
        rest = choices[begin:]
        share = rest.count(rest[0]) / len(rest)
        if len(rest) * 10 >= len(choices) and share >= 0.9 - 1e-12:
            expected = begin + 1
    assert settled(choices) == expected


def test_counts_means_and_settling(tmp_path: Path) -> None:
    write(tmp_path, "ccffffffff")
    write(tmp_path, "cccccccccc", seed=1)
    write(tmp_path, "cfrcfrcfrc", seed=2)
    table = bandit(tmp_path)
    (choice,) = rows(table, 0)
    assert choice == {
        "game": "maze",
        "seeds": "3",
        "updates": "10",
        "most chosen": "crop (53%)",  # 2 + 10 + 4 of 30
        "seeds that settled": "3 of 3",
        "on": "crop (2), flip (1)",
        "after this share of training": "20% (0% to 90%)",
    }
    (shares,) = rows(table, 1)
    assert shares == {"game": "maze", "crop": "53%", "flip": "37%", "rotate": "10%"}
    assert table.blocks[1].bold == {(0, "crop")}
    (means,) = rows(table, 2)  # over the seeds that chose the arm
    assert means["crop"] == f"{(0.2 + 1.0 + 0.4) / 3:.3f}"
    assert means["flip"] == f"{(0.8 + 0.3) / 2:.3f}"
    assert means["rotate"] == "0.300"
    data = table.data.query("seed == 0 and arm == 'flip'").to_dict("records")
    assert [(row["count"], row["share"], row["mean"]) for row in data] == [(8, 0.8, 0.8)]
    assert [(row["settled_update"], row["settled_step"]) for row in data] == [(3, 384)]
    assert len(table.data) == 9
    assert "The first update's arm: crop (3 runs)." in table.notes


def test_arms_nobody_chose_have_no_mean(tmp_path: Path) -> None:
    write(tmp_path, "cccccccccc")
    table = bandit(tmp_path)
    assert rows(table, 2) == [{"game": "maze", "crop": "1.000", "flip": "-", "rotate": "-"}]
    assert rows(table, 1)[0]["flip"] == "0%"


def test_every_method_that_chooses_has_its_rows_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, "cccccccccc")
    write(tmp_path, "cfcfcfcfcf", method="rand-drac")
    write_run(tmp_path, "drac-crop", "maze", **LONG)
    write_run(tmp_path, "ppo", "maze", **LONG)
    table = bandit(tmp_path)
    assert [row["method"] for row in rows(table, 0)] == ["rand-drac", "ucb-drac"]
    assert rows(table, 0)[0]["most chosen"] == "crop = flip (50%)"
    assert "All 2 planned runs are complete." in table.notes


def test_runs_that_differ_stand_apart(tmp_path: Path) -> None:
    write(tmp_path, "cccccccccc")
    write_run(tmp_path, "ucb-drac", "maze", 1, arms={"crop": 10}, ucb_window=3, **LONG)
    table = bandit(tmp_path)
    assert [row["method"] for row in rows(table, 0)] == [*("ucb-drac", "ucb-drac [ucb_window=3]")]
    assert any("Mixed ucb_window: 10 (1 run), 3 (1 run)" in note for note in table.notes)


def test_no_bandit_at_all(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo")
    table = bandit(tmp_path)
    assert rows(table, 0) == [{"game": "-", "bandit": "no runs"}]
    assert table.data.empty


def test_arms_of_ones_own_have_short_names_unless_two_would_be_confused(tmp_path: Path) -> None:
    """The data have all of a name; "a|b" is no specification, and stays."""
    arms = {"mine:Dim(by=0.9)": 4, "crop": 1, "mine:Crop": 1, "a:Dim": 1, "b:Dim": 1, "a|b": 2}
    run_dir = write_run(tmp_path, "ucb-drac", "maze", arms=arms, **LONG)
    chosen = pd.read_csv(run_dir / "arms.csv")
    chosen["selected"] = (chosen["arm"] == next(iter(arms))).astype(int)
    chosen.to_csv(run_dir / "arms.csv", index=False)
    table = bandit(tmp_path)
    names = ["game", "dim-by-0.9", "crop", *map(slug, ("mine:Crop", "a:Dim", "b:Dim")), "a|b"]
    for block in (1, 2):
        assert list(rows(table, block)[0]) == names
    assert rows(table, 0)[0]["on"] == "dim-by-0.9"
    assert "The first update's arm: dim-by-0.9 (1 run)." in table.notes
    assert table.data["arm"].tolist() == [*arms]
    assert {*table.data["settled_arm"]} == {"mine:Dim(by=0.9)"}
    drawn = FIGURES["bandit-shares"](histories.load(load(tmp_path)), SCREEN)[0]
    assert {"dim-by-0.9", slug("a:Dim")} < {t.get_text() for t in drawn.figure.findobj(Text)}
