"""The levels table: which levels were solved, from eval.csv."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import load, write_run

from benchmark.analysis.comparable import counted
from benchmark.tables.catalogue import TABLES
from benchmark.tables.levels import level_successes, solved
from drac.games import GAMES, normalize_score

GOAL_GAMES = ("coinrun", "heist", "jumper", "leaper", "maze", "ninja")


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_solved_is_half_way_between_the_published_scores(game: str, mode: str) -> None:
    returns = np.linspace(-5, 60, 200)
    expected = [normalize_score(float(value), game, mode) >= 0.5 for value in returns]
    assert solved(returns, game, mode).tolist() == expected
    assert {True, False} == set(expected)


@pytest.mark.parametrize("game", GOAL_GAMES)
@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_reaching_the_goal_is_solving_the_level(game: str, mode: str) -> None:
    assert solved([0.0, 10.0], game, mode).tolist() == [False, True]


def test_levels_against_a_slow_loop(tmp_path: Path) -> None:
    rng = random.Random(5)
    expected: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
    for method in ("ppo", "drac-crop"):
        for game in ("coinrun", "starpilot"):
            for seed in range(3):
                drawn = {
                    split: [rng.choice([0.0, 10.0, 40.0]) for _ in range(5)]
                    for split in ("train", "test")
                }
                write_run(tmp_path, method, game, seed, eval_episodes=5, **drawn)
                for split, values in drawn.items():
                    for level, value in enumerate(values):  # its episodes are on levels 0, 1, ...
                        expected[game, method, split, level].append(value)
    found = level_successes(counted(load(tmp_path)))
    assert len(found) == len(expected) == 2 * 2 * 2 * 5
    for row in found.to_dict("records"):
        own = expected[row["game"], row["variant"], row["split"], row["level_seed"]]
        assert row["episodes"] == len(own) == 3
        assert row["solved"] == sum(normalize_score(v, row["game"]) >= 0.5 for v in own)
        assert row["mean_return"] == pytest.approx(sum(own) / 3)


def test_what_is_shown(tmp_path: Path) -> None:
    write_run(tmp_path, train=(10, 0, 0), test=(0, 10, 10))
    write_run(tmp_path, seed=1, train=(10, 10, 0), test=(0, 0, 10))
    table = TABLES["levels"](load(tmp_path))
    train, test = (block.cells.to_dict("records")[0] for block in table.blocks)
    assert train == {
        "game": "coinrun",
        "method": "ppo",
        "levels": "3",
        "episodes": "6",
        "episodes solved": "50%",
        "levels always solved": "1 (33%)",
        "never solved": "1 (33%)",
        "never solved: seeds": "2 (2x)",
    }
    assert test["never solved: seeds"] == "0 (2x)"
    assert test["levels always solved"] == "1 (33%)"
    assert "half-way" in "\n".join(table.notes)


def test_levels_that_cannot_be_solved_are_marked(tmp_path: Path) -> None:
    write_run(tmp_path, game="jumper", train=[0] * 6, test=[10] * 6, eval_episodes=6)
    table = TABLES["levels"](load(tmp_path))
    assert table.data["note"].tolist() == [*[""] * 5, "cannot be solved"] * 2
    assert "0, 1, 2, 3 and 2 more" in table.blocks[0].cells["never solved: seeds"].tolist()
    write_run(tmp_path, game="jumper", seed=1, train=[10] * 5 + [0], test=[0] * 6, eval_episodes=6)
    (cell,) = TABLES["levels"](load(tmp_path)).blocks[0].cells["never solved: seeds"]
    assert cell == "5 (2x) cannot be solved"


def test_long_lists_are_counted_to_their_end(tmp_path: Path) -> None:
    write_run(tmp_path, train=[0] * 9, test=[10] * 9, eval_episodes=9)
    train, test = TABLES["levels"](load(tmp_path)).blocks
    assert train.cells["never solved: seeds"].tolist() == ["0, 1, 2, 3 and 5 more"]
    assert test.cells["never solved: seeds"].tolist() == ["none"]


def test_incomplete_runs_do_not_count(tmp_path: Path) -> None:
    broken = write_run(tmp_path)
    (broken / "meta.json").unlink()
    table = TABLES["levels"](load(tmp_path))
    assert table.cells["method"].tolist() == ["no runs"]
    assert table.data.empty
    assert list(table.data)[:4] == ["game", "variant", "split", "level_seed"]
