"""The table and the figure of trials, against values worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from synthetic_runs import load, write_run

from benchmark.analysis import histories
from benchmark.figures.catalogue import FIGURES
from benchmark.figures.drawing import SCREEN
from benchmark.tables.catalogue import TABLES, not_applicable


def write(root: Path, seed: int, train: tuple[float, ...], test: tuple[float, ...]) -> None:
    options = {"eval_episodes": 4, "episodes_per_trial": 2}
    write_run(root, "rl2-ppo", "maze", seed, train=train, test=test, **options)


def test_each_episode_of_a_trial_is_a_row(tmp_path: Path) -> None:
    write(tmp_path, 0, (1, 2, 3, 6), (0, 10, 0, 0))
    write(tmp_path, 1, (5, 5, 7, 9), (10, 0, 0, 10))
    write_run(tmp_path, "ppo", "maze", train=(1, 2, 3, 4), test=(1, 2, 3, 4), eval_episodes=4)
    runs = load(tmp_path)
    table = TABLES["trials"](runs)
    assert table.data["label"].eq("rl2-ppo").all()
    found = {(row["split"], row["episode"]): row for row in table.data.to_dict("records")}
    assert set(found) == {(split, episode) for split in ("train", "test") for episode in (1, 2)}
    second = found["train", 2]
    assert (second["trials"], second["return"]) == (4, 5.5)
    assert second["gain"] == pytest.approx((1 + 3 + 0 + 2) / 4)
    deviations = [(gain - 1.5) ** 2 for gain in (1, 3, 0, 2)]
    assert second["gain_error"] == pytest.approx(math.sqrt(sum(deviations) / 3 / 4))
    assert found["train", 1]["gain"] == found["train", 1]["gain_error"] == 0
    assert (found["test", 1]["return"], found["test", 2]["return"]) == (2.5, 5.0)
    shown = table.cells.to_dict("records")[1]
    assert (shown["return"], shown["more than the first"]) == ("5.50 +- 1.44", "+1.50 +- 0.65")
    (drawing,) = FIGURES["trials"](histories.load(runs), SCREEN)
    assert drawing.data.equals(table.data)


def test_nothing_to_say_without_trials(tmp_path: Path) -> None:
    write_run(tmp_path)
    write_run(tmp_path, "rl2-ppo", episodes_per_trial=1, game="maze")
    assert "no run plays trials" in not_applicable(load(tmp_path))["trials"]
    runs = load(tmp_path)
    for path in tmp_path.rglob("*.csv"):
        path.unlink()  # nothing is read
    assert TABLES["trials"](runs).data.empty
    assert FIGURES["trials"](histories.load(load(tmp_path)), SCREEN) == []
