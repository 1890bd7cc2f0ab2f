"""Tables: exact numbers from small stores, and nothing hidden."""

from __future__ import annotations

import csv
import io
import math
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_runs import write_run

from augmentations import PAPER_ARMS
from benchmark import published, tables
from benchmark.store import Store
from benchmark.suites import RunSpec
from benchmark.table import Table
from drac.games import GAMES


def load(root: Path, *experiments: str) -> pd.DataFrame:
    store = Store(root)
    return store.load(s for e in experiments or ("exp",) for s in store.specs(e))


def per_game(root: Path, *experiments: str) -> Table:
    return tables.per_game(load(root, *experiments))


def best(root: Path, *experiments: str) -> Table:
    return tables.best_augmentations(load(root, *experiments))


def cell(table: Table, game: str, column: str) -> str:
    return str(table.cells.set_index("game").loc[game, column])


def numbers(table: Table, game: str, variant: str) -> dict[str, Any]:
    (row,) = table.data[(table.data["game"] == game) & (table.data["variant"] == variant)].to_dict(
        "records"
    )
    return row


def notes(table: Table) -> str:
    return "\n".join(table.notes)


BEST = {
    "sweep": "by the sweep (test return)",
    "bandit": "by the bandit (share of updates)",
    "paper": "by the paper",
}


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
    "steps": ({"steps": 256}, {"steps": 512}, ("ppo [steps=256]", "ppo [steps=512]")),
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
    assert "1 runs are in several experiments and are counted once" in notes(table)


def test_settings_are_said(tmp_path: Path) -> None:
    write_run(tmp_path, steps=256)
    write_run(tmp_path, game="maze", steps=512)
    said = notes(per_game(tmp_path))
    assert "steps 256 / 512, fidelity paper, mode easy, levels 0-199, precision float32" in said
    assert "procgen_build procgen 0.10.7, eval_episodes 3" in said


def test_short_runs_are_called_short(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", steps=256)
    assert "97,656 times shorter" in notes(per_game(tmp_path))
    assert "prove nothing" in notes(best(tmp_path))


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
                assert text == f"{float(row['mean']):.1f}{spread}"
    said = notes(table)
    assert f"[a] {plr} (printed; easy mode; 25M steps; 10 seeds" in said
    assert f"[b] {figures} (digitised; easy mode; 23.55M steps; 10 seeds" in said
    assert "Published per-game test returns of drac-crop: not available." in said
    crop = table.data[table.data["method"] == "drac-crop"]
    assert crop.filter(like="published").isna().all(axis=None)
    assert not [column for column in table.cells if "published drac" in column]


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
    assert columns == ["published PPO test [c]", "published UCB-DrAC test [c]"]
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
    assert tuple(best(tmp_path).cells["game"]) == GAMES


# --- best augmentation --------------------------------------------------------------------------


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


# --- form ---------------------------------------------------------------------------------------


def cells_of(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_markdown_is_well_formed_and_csv_reads_back(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", "coinrun")
    write_run(tmp_path, "ucb-drac", "maze", arms={"a|b": 1, "flip": 1}, steps=512)
    Store(tmp_path).add_to_plan("exp", [RunSpec("exp", "drac-crop", "maze", 0)])
    for make in tables.ALL:
        table = make(load(tmp_path))
        text = table.markdown()
        assert text.startswith(f"## {table.title}\n\n|")
        assert text.endswith("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len(lines) == len(table.cells) + 2
        assert {cells_of(line) for line in lines} == {len(table.cells.columns)}
        assert {len(line) for line in lines} == {len(lines[0])}
        assert set(lines[1]) == {"|", "-"}
        assert "nan" not in text.split("\n\n")[1]
        back = pd.read_csv(io.StringIO(table.data.to_csv(index=False)))
        assert list(back.columns) == list(table.data.columns)
        assert len(back) == len(table.data)
        numeric = table.data.select_dtypes("number")
        pd.testing.assert_frame_equal(back[numeric.columns], numeric, check_dtype=False)


def test_line_breaks_cannot_break_a_table() -> None:
    table = Table("t", "T", pd.DataFrame({"a": ["x\ny"]}), pd.DataFrame(), ("one\ntwo",))
    assert table.markdown() == "## T\n\n| a   |\n|-----|\n| x y |\n\n- one two\n"


def test_every_run_has_a_row(tmp_path: Path) -> None:
    write_run(tmp_path)
    Store(tmp_path).add_to_plan("exp", [RunSpec("exp", "ucb-drac", "maze", 0)])
    done, planned = tables.every_run(load(tmp_path)).to_dict("records")
    assert (done["method"], done["test"], done["problems"], done["steps"]) == ("ppo", 2.0, "", 300)
    assert (planned["method"], planned["problems"]) == ("ucb-drac", "not started")
    assert math.isnan(planned["test"])
