"""Tables: exact numbers from small stores, and nothing hidden."""

from __future__ import annotations

import csv
import math
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import ttest_ind
from synthetic_runs import load, write_run

from benchmark.scores import published
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from benchmark.tables.catalogue import TABLES
from benchmark.tables.table import Table
from drac.games import GAMES

WHAT = ("test", "train", "gap")
"""What the blocks of the table show, in their order."""


def per_game(root: Path, *experiments: str) -> Table:
    return TABLES["per-game"](load(root, *experiments))


def cell(table: Table, game: str, column: str) -> str:
    """A cell by what it shows: "ppo train", "published PPO test [a]"."""
    (what,) = re.findall(r" (train|test|gap)(?![a-z])", column)
    cells = table.blocks[WHAT.index(what)].cells.set_index("game")
    return str(cells.loc[game, column.replace(f" {what}", "")])


def numbers(table: Table, game: str, variant: str) -> dict[str, Any]:
    (row,) = table.data[(table.data["game"] == game) & (table.data["variant"] == variant)].to_dict(
        "records"
    )
    return row


def notes(table: Table) -> str:
    return "\n".join(table.notes)


# --- per game -----------------------------------------------------------------------------------


def test_means_deviations_and_gaps_against_a_slow_loop(tmp_path: Path) -> None:
    rng = random.Random(0)
    episodes: dict[tuple[str, str, int], dict[str, list[float]]] = defaultdict(dict)
    for method in ("ppo", "ucb-drac"):
        for game in ("coinrun", "maze"):
            for seed in range(3):
                drawn = {
                    s: [float(rng.randint(0, 20)) for _ in range(3)] for s in ("train", "test")
                }
                episodes[method, game, seed] = drawn
                write_run(tmp_path, method, game, seed, **drawn)
    table = per_game(tmp_path)
    for method in ("ppo", "ucb-drac"):
        for game in ("coinrun", "maze"):
            means: dict[str, list[float]] = {"train": [], "test": [], "gap": []}
            for seed in range(3):
                own = episodes[method, game, seed]
                means["train"].append(sum(own["train"]) / 3)
                means["test"].append(sum(own["test"]) / 3)
                means["gap"].append(sum(own["train"]) / 3 - sum(own["test"]) / 3)
            row = numbers(table, game, method)
            assert row["seeds"] == 3
            for name, values in means.items():
                mean = sum(values) / 3
                std = math.sqrt(sum((value - mean) ** 2 for value in values) / 2)
                assert row[f"{name}_mean"] == pytest.approx(mean)
                assert row[f"{name}_std"] == pytest.approx(std)
                assert cell(table, game, f"{method} {name}") == f"{mean:.2f} ± {std:.2f}"
    assert "All 12 planned runs are complete." in notes(table)
    assert "3 seeds per cell" in notes(table)


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    write_run(tmp_path)
    table = per_game(tmp_path)
    assert cell(table, "coinrun", "ppo train") == "4.00"
    assert cell(table, "coinrun", "ppo gap") == "2.00"
    assert math.isnan(numbers(table, "coinrun", "ppo")["test_std"])
    assert "One seed per cell: no spread" in notes(table)


def test_incomplete_runs_are_listed_and_not_counted(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    broken = write_run(tmp_path, seed=1, test=(100, 100, 100))
    (broken / "meta.json").unlink()
    store = Store(tmp_path)
    store.add_to_plan("exp", [RunSpec("exp", "ucb-drac", "coinrun", 0)])
    table = per_game(tmp_path)
    assert cell(table, "coinrun", "ppo test") == "2.00"
    assert cell(table, "coinrun", "ucb-drac test") == "missing"
    assert numbers(table, "coinrun", "ucb-drac")["seeds"] == 0
    assert "Missing: 2 of 3 planned runs" in notes(table)
    assert "ppo/coinrun/seed1 (no readable meta.json)" in notes(table)
    assert "ucb-drac/coinrun/seed0 (not started)" in notes(table)


def test_a_long_list_of_missing_runs_is_counted_to_its_end(tmp_path: Path) -> None:
    Store(tmp_path).add_to_plan("exp", [RunSpec("exp", "ppo", "maze", k) for k in range(20)])
    table = per_game(tmp_path)
    assert "Missing: 20 of 20" in notes(table)
    assert "and 12 more" in notes(table)
    assert cell(table, "maze", "ppo train") == "missing"


def test_unequal_seeds_are_said_and_shown(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, "ppo", "coinrun", seed)
    write_run(tmp_path, "ppo", "maze", 0)
    table = per_game(tmp_path)
    assert "Seeds per cell differ, 1 to 3: ppo/maze has 1." in notes(table)
    assert cell(table, "coinrun", "ppo train") == "4.00 ± 0.00 (n=3)"
    assert cell(table, "maze", "ppo train") == "4.00 (n=1)"


APART: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, str]]] = {
    "steps": ({"steps": 256}, {"steps": 512}, ("ppo at 256 steps", "ppo at 512 steps")),
    "fidelity": (
        {"fidelity": "paper"},
        {"fidelity": "released"},
        ("ppo [fidelity=paper]", "ppo [fidelity=released]"),
    ),
    "precision": (
        {"precision": "float32"},
        {"precision": "bf16"},
        ("ppo [precision=float32]", "ppo [precision=bf16]"),
    ),
    "build": (
        {"build": "procgen"},
        {"build": "mirror"},
        ("ppo [procgen_build=procgen]", "ppo [procgen_build=mirror]"),
    ),
    "preset overridden": ({}, {"residual": "released"}, ("ppo", "ppo [residual=released]")),
    "levels": ({}, {"levels": "0-9"}, ("ppo [levels=0-199]", "ppo [levels=0-9]")),
}


@pytest.mark.parametrize("what", APART)
def test_runs_that_differ_are_never_averaged(tmp_path: Path, what: str) -> None:
    first, second, labels = APART[what]
    write_run(tmp_path, seed=0, test=(1, 1, 1), **first)
    write_run(tmp_path, seed=1, test=(9, 9, 9), **second)
    table = per_game(tmp_path)
    assert [numbers(table, "coinrun", label)["test_mean"] for label in labels] == [1.0, 9.0]
    assert [cell(table, "coinrun", f"{label} test") for label in labels] == ["1.00", "9.00"]
    assert set(table.data["variant"]) == set(labels)
    assert set(table.data["method"]) == {"ppo"}


def test_a_preset_and_a_departure_from_it_are_kept_apart(tmp_path: Path) -> None:
    # With a run of the other fidelity around, naming the fidelity alone would unite the first two.
    write_run(tmp_path, seed=0, test=(1, 1, 1), fidelity="released")
    write_run(tmp_path, seed=1, test=(5, 5, 5), fidelity="released", residual="impala")
    write_run(tmp_path, seed=2, test=(9, 9, 9), fidelity="paper")
    table = per_game(tmp_path)
    assert dict(zip(table.data["variant"], table.data["test_mean"], strict=True)) == {
        "ppo [fidelity=released]": 1.0,
        "ppo [fidelity=released, residual=impala]": 5.0,
        "ppo [fidelity=paper]": 9.0,
    }


def test_options_of_the_bandit_do_not_part_methods_without_one(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", experiment="a")
    write_run(tmp_path, "ucb-drac", experiment="b", arms={"crop": 2}, ucb_window=5)
    table = per_game(tmp_path, "a", "b")
    assert set(table.data["variant"]) == {"ppo", "ucb-drac"}


def test_bandits_with_other_arms_are_kept_apart(tmp_path: Path) -> None:
    write_run(tmp_path, "ucb-drac", experiment="a", arms={"crop": 2}, chosen_from=("crop", "flip"))
    write_run(tmp_path, "ucb-drac", experiment="b", arms={"flip": 2}, chosen_from=("flip",))
    table = per_game(tmp_path, "a", "b")
    assert set(table.data["variant"]) == {"ucb-drac [arms=crop flip]", "ucb-drac [arms=flip]"}


def test_a_run_in_two_experiments_is_one_seed(tmp_path: Path) -> None:
    for experiment in ("a", "b"):
        write_run(tmp_path, experiment=experiment)
    table = per_game(tmp_path, "a", "b")
    assert numbers(table, "coinrun", "ppo")["seeds"] == 1
    assert "In several experiments and counted once: 1 run." in notes(table)


def test_settings_are_said(tmp_path: Path) -> None:
    write_run(tmp_path, steps=256)
    write_run(tmp_path, game="maze", steps=512)
    said = notes(per_game(tmp_path))
    assert "steps 256 / 512, fidelity paper, mode easy, levels 0-199, precision float32" in said
    assert "procgen_build procgen 0.10.7, eval_episodes 3" in said


def test_short_runs_are_called_short(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", steps=256)
    assert "97,656 times shorter" in notes(per_game(tmp_path))
    assert "prove nothing" in notes(per_game(tmp_path))


def test_runs_as_long_as_the_published_are_not(tmp_path: Path) -> None:
    long = {"num_envs": 4096, "num_steps": 2048, "steps": 25_000_000, "minibatches": 8}
    write_run(tmp_path, **long)
    said = notes(per_game(tmp_path))
    assert "shorter" not in said
    assert "25,000,000" in said


def test_other_levels_are_said(tmp_path: Path) -> None:
    write_run(tmp_path, levels="0-9")
    assert "Trained on levels 0-9 (easy); the published runs on 0-199" in notes(per_game(tmp_path))


def test_published_numbers_are_the_files_with_source_and_kind(tmp_path: Path) -> None:
    for method in ("ppo", "ucb-drac", "drac-crop"):
        for game in GAMES:
            write_run(tmp_path, method, game)
    table = per_game(tmp_path)
    plr, figures, _ = published.PER_GAME_SOURCES
    with (published.FOLDER / "per_game.csv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if (r["split"], r["mode"]) == ("test", "easy")]
    for method, name in (("ppo", "PPO"), ("ucb-drac", "UCB-DrAC")):
        for letter, source in (("a", plr), ("b", figures)):
            found = [r for r in rows if (r["method"], r["source"]) == (name, source)]
            assert len(found) == 16
            for row in found:
                value = numbers(table, row["game"], method)[f"published_test_{letter}_mean"]
                assert value == float(row["mean"])
                text = cell(table, row["game"], f"published {name} test [{letter}]")
                spread = f" ± {float(row['std']):.1f}" if row["std"] else ""
                assert text == f"{float(row['mean']):.1f}{spread}*"
    said = notes(table)
    assert f"[a] {plr} (printed; easy mode; 25M steps; 10 seeds" in said
    assert f"[b] {figures} (digitised; easy mode; 23.55M steps; 10 seeds" in said
    assert "Published per-game test returns of drac-crop: not available in these sources" in said
    crop = table.data[table.data["method"] == "drac-crop"]
    assert crop.filter(like="published").isna().all(axis=None)
    assert not [c for block in table.blocks for c in block.cells if "Crop-DrAC" in c]


def test_a_number_that_nobody_published_is_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = published.per_game

    def without_maze(*args: str) -> dict[str, tuple[float, float]]:
        return {game: value for game, value in known(*args).items() if game != "maze"}

    monkeypatch.setattr(published, "per_game", without_maze)
    write_run(tmp_path, game="maze")
    table = per_game(tmp_path)
    assert cell(table, "maze", "published PPO test [a]") == "not available"
    assert math.isnan(numbers(table, "maze", "ppo")["published_test_a_mean"])


def test_hard_mode_stands_beside_hard_numbers_only(tmp_path: Path) -> None:
    write_run(tmp_path, game="maze", mode="hard", levels="0-499")
    Store(tmp_path).add_to_plan("exp", [RunSpec("exp", "ucb-drac", "maze", 0)])
    table = per_game(tmp_path)
    columns = [column for column in table.cells if column.startswith("published")]
    assert columns == ["published PPO [c]", "published UCB-DrAC [c]"]
    hard = published.per_game("ppo", "test", "hard", published.PER_GAME_SOURCES[2])["maze"]
    assert numbers(table, "maze", "ppo")["published_test_c_mean"] == hard[0]
    assert not [column for column in table.data if column.startswith("published_test_a")]
    assert "hard mode; 200M steps; 5 seeds" in notes(table)


def test_easy_and_hard_runs_have_their_own_numbers(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, mode="hard")
    table = per_game(tmp_path)
    easy, hard = (numbers(table, "coinrun", f"ppo [mode={mode}]") for mode in ("easy", "hard"))
    for letter, there, absent in (("a", easy, hard), ("b", easy, hard), ("c", hard, easy)):
        assert not math.isnan(there[f"published_test_{letter}_mean"])
        assert math.isnan(absent[f"published_test_{letter}_mean"])
        assert cell(table, "coinrun", f"published PPO test [{letter}]") != "not available"


def test_games_are_in_the_papers_order(tmp_path: Path) -> None:
    for game in reversed(GAMES):
        write_run(tmp_path, game=game)
    assert tuple(per_game(tmp_path).cells["game"]) == GAMES
    for block in per_game(tmp_path).blocks:
        assert tuple(block.cells["game"]) == GAMES


# --- beside the published numbers ---------------------------------------------------------------


def test_the_difference_is_in_pooled_standard_errors(tmp_path: Path) -> None:
    scores = {"maze": [4.0, 6.0, 9.0], "coinrun": [7.0]}
    for game, values in scores.items():
        for seed, value in enumerate(values):
            write_run(tmp_path, "ppo", game, seed, test=[value] * 3)
    table = per_game(tmp_path)
    plr = published.PER_GAME_SOURCES[0]
    for game, values in scores.items():
        mean, std = published.per_game("ppo", "test", "easy", plr)[game]
        n, m, ours = len(values), 10, sum(values) / len(values)
        squares = sum((value - ours) ** 2 for value in values)  # 0 for one seed
        pooled = math.sqrt((squares + (m - 1) * std**2) / (n + m - 2))
        expected = (ours - mean) / (pooled * math.sqrt(1 / n + 1 / m))
        assert numbers(table, game, "ppo")["difference_test_a"] == pytest.approx(expected)
        text = cell(table, game, "ppo test - [a]")
        assert text == f"{expected:+.1f} SE*"
    # a figure has no standard deviation: its numbers stand there, and no difference to them
    assert "published PPO [b]" in table.cells
    assert "ppo - [b]" not in table.cells
    assert math.isnan(numbers(table, "maze", "ppo")["difference_test_b"])


def test_published_training_returns_stand_beside_ours(tmp_path: Path) -> None:
    write_run(tmp_path, "ucb-drac", "maze", arms={"crop": 2})
    table = per_game(tmp_path)
    figures = published.PER_GAME_SOURCES[1]
    mean, _ = published.per_game("ucb-drac", "train", "easy", figures)["maze"]
    assert cell(table, "maze", "published UCB-DrAC train [b]") == f"{mean:.1f}*"
    assert "published UCB-DrAC [a]" not in table.blocks[1].cells  # nobody printed it


# --- the best method ----------------------------------------------------------------------------

CLEAR = {"ppo": [1.0, 2.0, 3.0], "drac-crop": [2.0, 1.0, 2.0], "drac-flip": [9.0, 9.5, 10.0]}
CLOSE = {"ppo": [1.0, 2.0, 3.0], "drac-crop": [9.4, 9.0, 9.9], "drac-flip": [9.0, 9.5, 10.0]}


def write_scores(root: Path, scores: dict[str, list[float]], game: str = "maze") -> None:
    for method, values in scores.items():
        for seed, value in enumerate(values):
            write_run(root, method, game, seed, test=[value] * 3)


def test_the_best_is_bold_where_every_other_is_worse_by_welch_and_holm(tmp_path: Path) -> None:
    write_scores(tmp_path, CLEAR)
    write_scores(tmp_path, CLOSE, "coinrun")
    table = per_game(tmp_path)
    assert table.bold == {(1, "drac-flip")}  # maze; on coinrun flip is no better than crop
    assert [numbers(table, "maze", m)["best_test"] for m in CLEAR] == [False, False, True]
    assert not any(numbers(table, "coinrun", method)["best_test"] for method in CLOSE)
    p_values = [ttest_ind(CLEAR["drac-flip"], CLEAR[m], equal_var=False).pvalue for m in CLEAR]
    assert sorted(p_values)[0] * 2 < 0.05  # Holm: the smaller of two is doubled
    assert sorted(p_values)[1] < 0.05
    close = ttest_ind(CLOSE["drac-flip"], CLOSE["drac-crop"], equal_var=False).pvalue
    assert close > 0.05
    assert "Welch" in notes(table)
    assert "| **9.50 ± 0.50** |" in table.markdown()


def test_one_seed_is_never_bold(tmp_path: Path) -> None:
    write_scores(tmp_path, {"ppo": [1.0], "drac-crop": [100.0]})
    assert per_game(tmp_path).bold == frozenset()


def test_runs_of_another_protocol_are_not_said_to_be_better(tmp_path: Path) -> None:
    write_scores(tmp_path, CLEAR)
    write_run(tmp_path, "ppo", "maze", 7, precision="bf16")
    table = per_game(tmp_path)
    assert table.bold == frozenset()
    assert not table.data["best_test"].any()
    assert "Nothing is in bold" in notes(table)
