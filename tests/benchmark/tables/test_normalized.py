"""table1: PPO-normalized return against a slow loop, over common games, beside the papers'."""

from __future__ import annotations

import csv
import math
import random
import statistics
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import load, write_run

from benchmark.scores import published
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from benchmark.tables.catalogue import TABLES
from benchmark.tables.table import Table
from drac.games import GAMES

SPLITS = ("train", "test")


def table1(root: Path, *experiments: str) -> Table:
    return TABLES["table1"](load(root, *experiments))


def row(table: Table, split: str, variant: str, scope: str = "common") -> dict[str, Any]:
    data = table.data
    chosen = (data["split"] == split) & (data["variant"] == variant) & (data["scope"] == scope)
    (found,) = data[chosen].to_dict("records")
    return found


def shown(table: Table, block: int, method: str) -> dict[str, str]:
    (found,) = table.blocks[block].cells.query("method == @method").to_dict("records")
    return found


def notes(table: Table) -> str:
    return "\n".join(table.notes)


def write(root: Path, scores: dict[tuple[str, str, int], dict[str, float]]) -> None:
    for (method, game, seed), own in scores.items():
        episodes = {split: [own[split]] * 3 for split in SPLITS}
        arms = {"crop": 2} if method == "ucb-drac" else None
        write_run(root, method, game, seed, arms=arms, **episodes)


def draw(methods: tuple[str, ...], games: tuple[str, ...], seeds: int, root: Path) -> Any:
    rng = random.Random(3)
    scores = {
        (method, game, seed): {split: rng.randint(1, 20) / 2 for split in SPLITS}
        for method in methods
        for game in games
        for seed in range(seeds)
    }
    write(root, scores)
    return scores


def test_all_16_games_against_a_slow_loop(tmp_path: Path) -> None:
    scores = draw(("ppo", "ucb-drac"), GAMES, 3, tmp_path)
    table = table1(tmp_path)
    paper = published.NORMALIZED_SOURCES[0]
    for block, split in enumerate(SPLITS):
        for method in ("ppo", "ucb-drac"):
            means, stds, by_seed = [], [], [0.0] * 3
            for game in GAMES:
                ppo = sum(scores["ppo", game, seed][split] for seed in range(3)) / 3
                own = [100 * scores[method, game, seed][split] / ppo for seed in range(3)]
                means.append(sum(own) / 3)
                stds.append(statistics.stdev(own))
                by_seed = [total + score / 16 for total, score in zip(by_seed, own, strict=True)]
            found = row(table, split, method)
            ordered = sorted(means)
            assert found["games"] == 16
            assert found["median"] == pytest.approx((ordered[7] + ordered[8]) / 2)
            assert found["mean"] == pytest.approx(sum(means) / 16)
            assert found["std"] == pytest.approx(sum(stds) / 16)
            assert found["seed_std"] == pytest.approx(statistics.stdev(by_seed))
            cells = shown(table, block, method)
            assert (cells["games"], cells["seeds"]) == ("16", "3")
            assert cells["mean"] == f"{sum(means) / 16:.1f}"
            theirs = published.normalized(split, paper)[published.NAMES[method]]
            assert (found["published_mean_a"], found["published_std_a"]) == (
                theirs.mean,
                theirs.std,
            )
            if method == "ppo":
                assert found["mean"] == pytest.approx(100)
                assert cells["mean - [a]"] == "100 by definition"
                continue
            pooled = (2 * statistics.variance(by_seed) + 9 * theirs.std**2) / 11
            error = math.sqrt(pooled * (1 / 3 + 1 / 10))
            assert found["difference_a"] == pytest.approx((sum(means) / 16 - theirs.mean) / error)
            assert cells["mean - [a]"] == f"{found['difference_a']:+.1f} SE*"
    assert "WARNING" not in notes(table)


def test_published_rows_are_the_files(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo")
    table = table1(tmp_path)
    with (published.FOLDER / "ppo_normalized.csv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["mode"] == "easy"]
    assert len(rows) == 28
    for published_row in rows:
        source = published.NORMALIZED_SOURCES.index(published_row["source"])
        letter = "abc"[source]
        name = "ppo" if published_row["method"] == "PPO" else published_row["method"]
        cells = shown(table, SPLITS.index(published_row["split"]), name)
        for what in ("median", "mean", "std"):
            if published_row[what]:
                star = "*" if (name, what) == ("ppo", "mean") else ""  # ours has num_envs 8
                assert cells[f"[{letter}] {what}"] == f"{float(published_row[what]):.1f}{star}"
        if name != "ppo":
            assert cells["games"] == "no runs"
    for source in published.NORMALIZED_SOURCES[:2]:
        assert f"{source} (printed; easy mode" in notes(table)
    assert "not available" in table.blocks[1].cells["[b] mean"].tolist()


def test_a_game_missing_for_one_method(tmp_path: Path) -> None:
    scores = draw(("ppo", "ucb-drac"), ("coinrun", "maze", "ninja"), 2, tmp_path)
    for seed in range(2):
        (tmp_path / f"runs/exp/ucb-drac/ninja/seed{seed}/eval.csv").unlink()
    table = table1(tmp_path)
    assert "WARNING: over 2 of 16 games (coinrun, maze), not over all." in notes(table)
    assert "2 of 16 games, those that all methods have" in table.blocks[0].heading
    assert "no comparison" in table.blocks[2].heading

    def mean(method: str, games: tuple[str, ...]) -> float:
        values = []
        for game in games:
            own, ppo = (
                sum(scores[name, game, seed]["test"] for seed in range(2))
                for name in (method, "ppo")
            )
            values.append(100 * own / ppo)
        return sum(values) / len(values)

    common = ("coinrun", "maze")
    assert row(table, "test", "ucb-drac")["mean"] == pytest.approx(mean("ucb-drac", common))
    assert row(table, "test", "ppo", "own")["games"] == 3
    own = row(table, "test", "ucb-drac", "own")
    assert (own["games"], own["mean"]) == (2, pytest.approx(mean("ucb-drac", common)))
    assert shown(table, 1, "ucb-drac")["mean - [a]"] == "other games"


def test_one_run_only_has_no_spread_and_no_interval(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo")
    write_run(tmp_path, "ucb-drac", arms={"crop": 2}, test=(4, 4, 4))
    table = table1(tmp_path)
    assert math.isnan(row(table, "test", "ucb-drac")["std"])
    assert shown(table, 1, "ucb-drac")["std"] == "-"
    assert row(table, "test", "ucb-drac")["mean"] == pytest.approx(200)
    assert "One seed per cell: no spread can be shown." in notes(table)


def test_without_ppo_nothing_is_normalized(tmp_path: Path) -> None:
    write_run(tmp_path, "ucb-drac", arms={"crop": 2})
    table = table1(tmp_path)
    assert shown(table, 0, "ucb-drac")["games"] == "no PPO to compare with"
    assert math.isnan(row(table, "train", "ucb-drac")["mean"])
    assert "ucb-drac: no PPO runs of the same settings to normalize by." in notes(table)


def test_a_game_on_which_ppo_scores_nothing_is_left_out_and_named(tmp_path: Path) -> None:
    for game, value in (("coinrun", 0.0), ("maze", 5.0)):
        write_run(tmp_path, "ppo", game, test=[value] * 3)
        write_run(tmp_path, "ucb-drac", game, arms={"crop": 2}, test=(4, 4, 4))
    table = table1(tmp_path)
    assert row(table, "test", "ucb-drac")["mean"] == pytest.approx(80)
    assert "WARNING: over 1 of 16 games (maze), not over all." in notes(table)


@pytest.mark.parametrize("nothing", ["train", "test"])
def test_where_ppo_scores_nothing_everywhere_that_is_the_reason(
    nothing: str, tmp_path: Path
) -> None:
    for method in ("ppo", "drac-crop"):
        write_run(tmp_path, method, "maze", **{nothing: [0.0] * 3})
    table = table1(tmp_path)
    for block in (0, 1):
        assert shown(table, block, "drac-crop")["games"] == f"PPO's {nothing} return is not above 0"


def test_a_run_is_normalized_by_ppo_of_its_own_protocol(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", "maze", 0, test=(2, 2, 2))
    write_run(tmp_path, "ppo", "maze", 1, test=(8, 8, 8), precision="bf16")
    bf16 = {"arms": {"crop": 2}, "precision": "bf16"}
    write_run(tmp_path, "ucb-drac", "maze", test=(4, 4, 4), **bf16)
    write_run(tmp_path, "drac-crop", "maze", test=(4, 4, 4), build="another")
    table = table1(tmp_path)
    by_label = {v.partition(" ")[0]: v for v in table.data["variant"]}
    assert row(table, "test", by_label["ucb-drac"])["mean"] == pytest.approx(50)
    assert shown(table, 1, by_label["drac-crop"])["games"] == "no PPO to compare with"
    assert "Mixed precision: float32 (2 runs), bf16 (2 runs)" in notes(table)


def test_a_method_that_has_only_begun_is_said(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo")
    Store(tmp_path).add_to_plan("exp", [RunSpec("exp", "drac-flip", "maze", 0)])
    table = table1(tmp_path)
    assert shown(table, 0, "drac-flip")["games"] == "no runs"
    assert "drac-flip/maze/seed0 (not started)" in notes(table)


def test_hard_runs_stand_beside_hard_numbers(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", "maze", mode="hard", levels="0-499")
    table = table1(tmp_path)
    assert shown(table, 1, "ppo")["[c] mean"] == "100.0*"
    assert not [column for column in table.blocks[1].cells if column.startswith("[a]")]
    assert "Table 4 (printed; hard mode; 200M steps; 5 seeds" in notes(table)


def test_a_game_where_ppo_loses_is_left_out_and_said(tmp_path: Path) -> None:
    for method in ("ppo", "ucb-drac"):
        write_run(tmp_path, method, "maze", test=(5, 5, 5))
        write_run(tmp_path, method, "fruitbot", test=(-1, -2, -3))
    table = table1(tmp_path)
    assert row(table, "test", "ucb-drac")["games"] == 1
    assert notes(table).count("Left out: fruitbot, where PPO's test return is not above 0.") == 1
    rest = "bigfish, bossfight, caveflyer, chaser, climber, coinrun, dodgeball, heist and 6 more"
    assert f"ucb-drac lacks {rest}." in notes(table)
    assert f"ppo lacks {rest}." in notes(table)


def test_doubles_that_ended_differently_are_a_warning(tmp_path: Path) -> None:
    for experiment, score in (("one", 2.0), ("two", 7.0)):
        write_run(tmp_path, "ppo", "maze", experiment=experiment, test=(score,) * 3)
        write_run(tmp_path, "ppo", "heist", experiment=experiment, test=(3.0,) * 3)
    said = notes(table1(tmp_path, "one", "two"))
    assert "In several experiments and counted once: 2 runs." in said
    assert (
        "WARNING: different results in several experiments, one is counted: ppo/maze/seed0 (that of"
        " one)." in said
    )


def test_other_settings_than_the_protocols_are_a_warning(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", "maze", gamma=0.9)
    write_run(tmp_path, "drac-crop", "maze")
    table = table1(tmp_path)
    assert row(table, "test", "drac-crop")["games"] == 1
    assert row(table, "test", "ppo [gamma=0.9]")["games"] == 1
    warning = "WARNING: the methods compared were not all trained with the same gamma."
    assert warning in table.notes
    assert warning in TABLES["per-game"](load(tmp_path)).notes


@pytest.mark.parametrize("name", ["table1", "per-game"])
def test_a_star_stands_at_what_other_options_are_compared_with(tmp_path: Path, name: str) -> None:
    usual = {"num_envs": 64, "num_steps": 256, "steps": 2**15}
    for game in GAMES:
        write_run(tmp_path, "ppo", game, test=(5, 5, 5), **usual)
        write_run(tmp_path, "ucb-drac", game, arms={"crop": 2}, ucb_window=7, **usual)
    table = TABLES[name](load(tmp_path))
    starred = {
        (column if name == "per-game" else cells["method"])
        for block in table.blocks
        for cells in block.cells.to_dict("records")
        for column, cell in cells.items()
        if cell.endswith("*")
    }
    assert starred
    assert all("ucb-drac" in one.casefold() for one in starred)
    assert any("ucb_window 7" in note for note in table.notes)
    assert sum("Where a * stands" in note for note in table.notes) == 1
    options = table.data.set_index("method")["other_options"]
    assert {*options["ucb-drac"]} == {"ucb_window 7"}
    assert {*options["ppo"]} == {""}


def test_equal_seeds_are_no_error_to_compare_by(tmp_path: Path) -> None:
    for method, game, seed in product(("ppo", "ucb-drac"), GAMES, (0, 1)):
        equal = method == "ucb-drac" and game != "maze"
        write_run(tmp_path, method, game, seed, test=[0.1 if equal else seed + 1.0] * 3)
    table = table1(tmp_path)
    assert shown(table, 1, "ucb-drac")["mean - [a]"] == "equal seeds"
    assert math.isnan(row(table, "test", "ucb-drac")["difference_a"])
    blocks = TABLES["per-game"](load(tmp_path)).blocks
    cells = blocks[0].cells.set_index("game")
    assert cells.loc["heist", "ucb-drac - [a]"] == "not available"
    assert cells.loc["maze", "ucb-drac - [a]"].endswith(" SE*")


def test_a_note_says_which_of_the_two_lacks_a_game(tmp_path: Path) -> None:
    for method, game in (("ppo", "maze"), ("ppo", "heist"), ("drac-crop", "maze"),
                         ("drac-crop", "ninja")):  # fmt: skip
        write_run(tmp_path, method, game)
    said = notes(table1(tmp_path))
    assert "PPO, by which drac-crop is normalized, lacks ninja." in said
    assert "PPO, by which ppo" not in said
    assert "or PPO does" not in said


def test_ppo_of_two_devices_is_one_baseline(tmp_path: Path) -> None:
    """Beside PPO with another learning rate, which is none."""
    for game, device in (("coinrun", "cpu"), ("starpilot", "cuda")):
        write_run(tmp_path, "ppo", game, device=device)
        write_run(tmp_path, "ppo", game, 1, learning_rate=1e-4, device=device)
        write_run(tmp_path, "ucb-drac", game, arms={"crop": 2}, device=device)
    table = table1(tmp_path)
    assert row(table, "test", "ucb-drac")["games"] == 2
    assert any(note.startswith("Mixed device: ") for note in table.notes)
