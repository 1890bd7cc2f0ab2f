"""The sweep of augmentations, the best of each game three ways, and how far the three agree."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_runs import load, write_run

from augmentations import PAPER_ARMS
from benchmark.scores import published
from benchmark.tables.augmentations import agreement
from benchmark.tables.catalogue import TABLES
from benchmark.tables.table import Table
from drac.games import GAMES

BEST = {
    "sweep": "by the sweep (test return)",
    "bandit": "by the bandit (share of updates)",
    "paper": "by the paper",
}


def best(root: Path, *experiments: str) -> Table:
    return TABLES["augmentations"](load(root, *experiments))


def cell(table: Table, game: str, column: str) -> str:
    return str(table.blocks[1].cells.set_index("game").loc[game, column])


def notes(table: Table) -> str:
    return "\n".join(table.notes)


def sweep(root: Path, scores: dict[str, float], game: str = "coinrun", **options: Any) -> None:
    for name, score in scores.items():
        write_run(root, f"drac-{name}", game, test=(score, score, score), **options)


def test_the_three_columns(tmp_path: Path) -> None:
    sweep(tmp_path, {name: float(k) for k, name in enumerate(PAPER_ARMS)})
    write_run(tmp_path, "ucb-drac", arms={"crop": 6, "flip": 2})
    table = best(tmp_path)
    assert cell(table, "coinrun", BEST["sweep"]) == f"{PAPER_ARMS[-1]} (7.00, best of 8)"
    assert cell(table, "coinrun", BEST["bandit"]) == "crop (75%)"
    assert cell(table, "coinrun", BEST["paper"]) == published.best_augmentation()[0]["coinrun"]
    assert published.best_augmentation()[1] in notes(table)
    assert "lacks" not in notes(table)
    (row,) = table.data.to_dict("records")
    assert (row["sweep"], row["sweep_test_mean"], row["sweep_compared"]) == (PAPER_ARMS[-1], 7.0, 8)
    assert (row["bandit"], row["bandit_share"], row["bandit_seeds"]) == ("crop", 0.75, 1)


def test_seeds_are_averaged_before_augmentations_are_compared(tmp_path: Path) -> None:
    for seed, (crop, flip) in enumerate([(10.0, 6.0), (0.0, 6.0)]):
        sweep(tmp_path, {"crop": crop, "flip": flip}, seed=seed)
    assert cell(best(tmp_path), "coinrun", BEST["sweep"]) == "flip (6.00, best of 2)"


def test_ties_name_all(tmp_path: Path) -> None:
    sweep(tmp_path, {"crop": 3.0, "flip": 3.0, "rotate": 1.0})
    write_run(tmp_path, "ucb-drac", arms={"crop": 4, "flip": 4, "rotate": 2})
    table = best(tmp_path)
    assert cell(table, "coinrun", BEST["sweep"]) == "crop = flip (3.00, best of 3)"
    assert cell(table, "coinrun", BEST["bandit"]) == "crop = flip (40% each)"


def test_many_ties_are_counted_and_the_data_has_them(tmp_path: Path) -> None:
    sweep(tmp_path, dict.fromkeys(PAPER_ARMS, 2.5))
    table = best(tmp_path)
    assert cell(table, "coinrun", BEST["sweep"]) == "8 are equal (2.50, best of 8)"
    assert sorted(table.data["sweep"][0].split(" = ")) == sorted(PAPER_ARMS)


def test_only_one_augmentation_was_run(tmp_path: Path) -> None:
    sweep(tmp_path, {"crop": 3.0})
    table = best(tmp_path)
    assert cell(table, "coinrun", BEST["sweep"]) == "crop (the only one run)"
    assert cell(table, "coinrun", BEST["bandit"]) == "no runs"


def test_the_bandits_share_is_over_all_seeds(tmp_path: Path) -> None:
    write_run(tmp_path, "ucb-drac", seed=0, arms={"crop": 9, "flip": 1})
    write_run(tmp_path, "ucb-drac", seed=1, arms={"crop": 2, "flip": 8})
    assert cell(best(tmp_path), "coinrun", BEST["bandit"]) == "crop (55%)"


def test_missing_augmentations_are_said(tmp_path: Path) -> None:
    sweep(tmp_path, {name: 1.0 for name in PAPER_ARMS if name != "rotate"})
    sweep(tmp_path, {"crop": 1.0, "flip": 0.0}, game="maze")
    said = notes(best(tmp_path))
    assert "The sweep lacks rotate on coinrun:" in said
    assert re.search(r"lacks random-conv, grayscale, rotate, .* on maze:", said)


def test_an_incomplete_augmentation_is_missing(tmp_path: Path) -> None:
    sweep(tmp_path, dict.fromkeys(PAPER_ARMS, 1.0))
    (tmp_path / "runs/exp/drac-flip/coinrun/seed0/eval.csv").unlink()
    table = best(tmp_path)
    assert "best of 7" in cell(table, "coinrun", BEST["sweep"])
    assert "The sweep lacks flip on coinrun" in notes(table)


def test_unequal_seeds_of_augmentations_are_said(tmp_path: Path) -> None:
    sweep(tmp_path, {"crop": 3.0, "flip": 2.0})
    sweep(tmp_path, {"crop": 5.0}, seed=1)
    assert "compared have different seeds on coinrun (1 to 2)." in notes(best(tmp_path))


def test_augmentations_with_different_settings_are_not_compared(tmp_path: Path) -> None:
    sweep(tmp_path, {"crop": 3.0}, steps=256)
    sweep(tmp_path, {"flip": 4.0}, steps=512)
    for seed, fidelity in enumerate(("paper", "released")):
        write_run(tmp_path, "ucb-drac", seed=seed, arms={"crop": 2}, fidelity=fidelity)
    table = best(tmp_path)
    assert cell(table, "coinrun", BEST["sweep"]) == "not comparable: settings differ"
    assert cell(table, "coinrun", BEST["bandit"]) == "not comparable: settings differ"
    assert table.data["sweep"].tolist() == [""]


def test_a_bandit_of_other_settings_than_the_sweep(tmp_path: Path) -> None:
    sweep(tmp_path, {"crop": 3.0, "flip": 4.0}, steps=256)
    for game in ("coinrun", "maze"):
        write_run(tmp_path, "ucb-drac", game, arms={"crop": 3, "flip": 1}, steps=512)
    table = best(tmp_path)
    assert table.cells.to_dict("records") == [{"game": "coinrun", "crop": "3.00", "flip": "4.00"}]
    assert table.bold == {(0, "flip")}
    assert cell(table, "coinrun", BEST["bandit"]) == "crop (75%)"
    assert cell(table, "maze", BEST["sweep"]) == "no runs"
    assert "Mixed steps: 256 (2 runs), 512 (2 runs)" in notes(table)


def test_the_matrix_against_a_slow_loop(tmp_path: Path) -> None:
    rng = random.Random(1)
    scores = {
        (arm, game): [float(rng.randint(0, 30)) for _ in range(3)]
        for arm in PAPER_ARMS
        for game in ("coinrun", "maze")
    }
    for (arm, game), values in scores.items():
        for seed, value in enumerate(values):
            write_run(tmp_path, f"drac-{arm}", game, seed, test=(value, value, value))
    table = best(tmp_path)
    matrix = table.cells.set_index("game")
    assert tuple(matrix.columns) == PAPER_ARMS
    assert tuple(matrix.index) == ("coinrun", "maze")
    for row, game in enumerate(matrix.index):
        means = {arm: sum(scores[arm, game]) / 3 for arm in PAPER_ARMS}
        for arm, mean in means.items():
            std = math.sqrt(sum((value - mean) ** 2 for value in scores[arm, game]) / 2)
            assert matrix.loc[game, arm] == f"{mean:.2f} ± {std:.2f}"
            assert ((row, arm) in table.bold) == (mean == max(means.values()))
            assert table.data.set_index("game").loc[game, f"test_mean_{arm}"] == mean


def test_the_markdown_of_the_matrix_is_readable(tmp_path: Path) -> None:
    for game in GAMES:
        for seed in range(2):
            sweep(tmp_path, dict.fromkeys(PAPER_ARMS, 10.0 + seed), game, seed=seed)
        write_run(tmp_path, "drac-crop", game, seed=7)  # so that cells say how many seeds they have
    text = best(tmp_path).markdown(160)
    assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 160
    assert text.count("| starpilot") == 3  # two parts of the matrix, and the best of each game
    assert "(continued)" in text


def test_agreement_of_the_three(tmp_path: Path) -> None:
    paper, _ = published.best_augmentation()
    for game in ("bigfish", "bossfight", "ninja"):  # crop, flip, color-jitter by the paper
        sweep(tmp_path, {"crop": 3.0, "flip": 2.0}, game)
        write_run(tmp_path, "ucb-drac", game, arms={"crop": 1, "flip": 9})
    rows = best(tmp_path).blocks[2].cells.set_index("between")
    assert [paper[game] for game in ("bigfish", "bossfight", "ninja")] == [
        *("crop", "flip", "color-jitter")
    ]
    assert rows.loc["the sweep and the paper"].tolist() == ["3", "1", "1.0"]
    assert rows.loc["the bandit and the paper"].tolist() == ["3", "1", "1.0"]
    assert rows.loc["the sweep and the bandit"].tolist() == ["3", "0", "0.0"]
    assert rows.loc["all three"].tolist() == ["3", "0", "0.0"]


def test_agreement_of_three_columns_by_hand() -> None:
    one = {"a": "crop", "b": "crop = flip", "c": "rotate", "d": ""}
    two = {"a": "crop", "b": "crop", "c": "rotate", "d": "crop"}
    three = {"a": "flip", "b": "crop = flip", "c": "rotate", "d": "crop"}
    found = agreement(one, two, three)
    assert (found.games, found.agree) == (3, pytest.approx(0.25 + 1))
    crop, rotate = 1.5 * 2 * 0.5, 1 * 1 * 1  # how often each chose it, multiplied
    assert found.by_chance == pytest.approx((crop + rotate) / 3**2)


CHOICES = st.lists(
    st.tuples(*[st.sampled_from(["crop", "flip", "crop = flip", "rotate", ""])] * 2), max_size=6
)


@given(CHOICES)
def test_agreement_against_every_shuffle(pairs: list[tuple[str, str]]) -> None:
    games = [f"g{number}" for number in range(len(pairs))]
    first, second = ({g: p[n] for g, p in zip(games, pairs, strict=True)} for n in (0, 1))
    found = agreement(first, second)
    both = [(a.split(" = "), b.split(" = ")) for a, b in pairs if a and b]

    def shared(a: list[str], b: list[str]) -> float:
        return sum(1 / len(a) / len(b) for arm in a if arm in b)

    assert found.games == len(both)
    # `agree`: of equals each counts for its part, on both sides
    assert found.agree == pytest.approx(sum(shared(a, b) for a, b in both))
    # each game meets every other's choice once in all cyclic shuffles
    by_chance = sum(shared(a, b) for a, _ in both for _, b in both) / max(1, len(both))
    assert found.by_chance == pytest.approx(by_chance)


def test_without_a_sweep_the_bandit_still_stands_beside_the_paper(tmp_path: Path) -> None:
    write_run(tmp_path, "ucb-drac", "maze", arms={"crop": 2, "flip": 0})
    table = best(tmp_path)
    assert table.cells.to_dict("records") == [{"game": "-", "augmentations": "no runs"}]
    assert cell(table, "maze", BEST["bandit"]) == "crop (100%)"
    assert "not available" in table.blocks[2].cells["agree on"].tolist()
