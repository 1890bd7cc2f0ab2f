"""The robustness table, from what `drac evaluate --robustness` leaves in a run."""

from __future__ import annotations

import csv
import math
import random
import statistics
from pathlib import Path

import pytest
from synthetic_runs import load, write_csv, write_run

from benchmark.scores import published
from benchmark.tables.catalogue import TABLES
from benchmark.tables.table import Table

COLUMNS = ("metric", "game", "split", "variant", "pairs", "value", "standard_error")
METRICS = ("JSD", "value difference", "cycle-consistency 2-way %", "cycle-consistency 3-way %")


def write(
    root: Path, method: str, game: str, seed: int, values: dict[tuple[str, str], float | str]
) -> Path:
    """`values` are by metric and variant."""
    run_dir = write_run(root, method, game, seed, arms={"crop": 2} if "ucb" in method else None)
    rows = (
        {
            "metric": metric,
            "game": game,
            "split": "test",
            "variant": variant,
            "pairs": 90,
            "value": value,
            "standard_error": 0.1,
        }
        for (metric, variant), value in values.items()
    )
    write_csv(run_dir / "robustness.csv", COLUMNS, rows)
    (run_dir / "robustness.json").write_text('{"step": 256}')
    return run_dir


def robustness(root: Path) -> Table:
    return TABLES["robustness"](load(root))


def shown(table: Table, method: str, metric: str, change: str = "background") -> dict[str, str]:
    cells = table.cells
    chosen = (cells["method"] == method) & (cells["metric"] == metric)
    (row,) = cells[chosen & (cells["what differs"] == change)].to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_means_and_medians_against_a_slow_loop(tmp_path: Path) -> None:
    rng = random.Random(2)
    drawn = {}
    for method in ("ppo", "ucb-drac"):
        for game in ("bigfish", "coinrun", "maze"):
            for seed in range(2):
                values = {(metric, "background"): rng.random() for metric in METRICS}
                values["JSD", "monochrome"] = rng.random()
                drawn[method, game, seed] = values
                write(tmp_path, method, game, seed, dict(values))
    table = robustness(tmp_path)
    for method in ("ppo", "ucb-drac"):
        for key in [*((metric, "background") for metric in METRICS), ("JSD", "monochrome")]:
            per_game = [
                (drawn[method, game, 0][key] + drawn[method, game, 1][key]) / 2
                for game in ("bigfish", "coinrun", "maze")
            ]
            row = shown(table, method, *key)
            digits = 1 if key[0].endswith("%") else 3
            assert row["mean"] == f"{sum(per_game) / 3:.{digits}f}"
            assert row["median"] == f"{statistics.median(per_game):.{digits}f}"
            assert row["games"] == "3"
            found = table.data[
                (table.data["variant"] == method)
                & (table.data["metric"] == key[0])
                & (table.data["change"] == key[1])
            ]
            assert found["value"].tolist() == pytest.approx(per_game)


def test_the_published_numbers_are_the_files(tmp_path: Path) -> None:
    every = {(metric, change): 0.5 for metric in METRICS for change in ("background", "monochrome")}
    write(tmp_path, "ucb-drac", "maze", 0, dict(every))
    table = robustness(tmp_path)
    with (published.FOLDER / "robustness.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows:
        method = "ucb-drac" if row["method"] == "UCB-DrAC" else row["method"]
        text = shown(table, method, row["metric"])[f"published {row['statistic']} [a]"]
        assert text.endswith("*") == (method == "ucb-drac")  # ours has num_envs 8
        assert float(text.removesuffix("*")) == float(row["value"])
        assert f"[a] {row['source']}" in "\n".join(table.notes)
    assert shown(table, "PPO", "JSD")["games"] == "not measured"
    for metric, change in (("JSD", "monochrome"), ("value difference", "background")):
        assert shown(table, "ucb-drac", metric, change)["published mean [a]"] == "not available"


def test_games_without_such_a_change_are_said(tmp_path: Path) -> None:
    write(tmp_path, "ppo", "chaser", 0, {("JSD", "background"): "NaN", ("JSD", "monochrome"): 0.2})
    write(tmp_path, "ppo", "maze", 0, {("JSD", "background"): 0.4, ("JSD", "monochrome"): 0.2})
    table = robustness(tmp_path)
    assert shown(table, "ppo", "JSD")["games"] == "1"
    assert shown(table, "ppo", "JSD")["mean"] == "0.400"
    assert "Not defined, JSD with background: chaser." in table.notes
    chaser = table.data[(table.data["game"] == "chaser") & (table.data["change"] == "background")]
    assert math.isnan(chaser["value"].iloc[0])


def test_by_game(tmp_path: Path) -> None:
    write(tmp_path, "ppo", "maze", 0, {("JSD", "background"): 0.25})
    write(tmp_path, "ucb-drac", "coinrun", 0, {("JSD", "background"): 0.75})
    (_, by_game) = robustness(tmp_path).blocks
    assert by_game.heading == "JSD, background, by game"
    assert by_game.cells.to_dict("records") == [
        {"game": "coinrun", "ucb-drac": "0.750", "ppo": "not available"},
        {"game": "maze", "ucb-drac": "not available", "ppo": "0.250"},
    ]


def test_runs_without_the_file_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "ppo", "maze", 0, {("JSD", "background"): 0.25})
    write_run(tmp_path, "ppo", "maze", 1)
    assert any("Not measured: 1 of 2 complete runs" in n for n in robustness(tmp_path).notes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "it has no column metric, split, variant, pairs, value"),
        ("metric,split,variant,pairs,value\nJSD,test,background,9,many\n", "line 2 has no value"),
        ("metric,split,variant,pairs,value\nJSD,test,background,9,inf\n", "line 2 has no value"),
        ("metric,split,variant,pairs,value\nJSD,test,background,9,\n", "line 2 has no value"),
    ],
)
def test_a_damaged_file_is_said_and_spoils_nothing_else(
    tmp_path: Path, content: str, said: str
) -> None:
    run_dir = write_run(tmp_path, "ppo", "maze")
    (run_dir / "robustness.csv").write_text(content)
    table = robustness(tmp_path)
    text = "\n".join(table.notes)
    assert f"Not read: ppo/maze/seed0 (robustness.csv is damaged: {said}" in text
    assert "The planned run is complete." in text
    assert shown(table, "PPO", "JSD")["published mean [a]"] == "0.25"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ('{"step": 128}', "robustness.csv is of another step than the run: measure it again"),
        ("{}", "no readable robustness.json says of which step robustness.csv is"),
        (None, "no readable robustness.json says of which step robustness.csv is"),
    ],
)
def test_what_was_measured_before_the_run_went_on_is_left_out(
    tmp_path: Path, how: str | None, said: str
) -> None:
    write(tmp_path, "ppo", "maze", 0, {("JSD", "background"): 0.4})
    (path,) = tmp_path.rglob("robustness.json")
    path.unlink() if how is None else path.write_text(how)
    table = robustness(tmp_path)
    assert f"Not read: ppo/maze/seed0 ({said})." in table.notes
