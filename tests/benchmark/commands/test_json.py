"""`--json`: one object on stdout and nothing else, with the fields that docs/json.md lists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from refusals import refused
from synthetic_runs import load, write_run

from benchmark import cli as bench
from benchmark.commands import speed
from benchmark.speed.records import AugmentationReport
from benchmark.tables.catalogue import TABLES, not_applicable
from drac import cli as drac
from drac.commands.output import print_json

PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for method in ("ppo", "drac-crop"):
        for seed in (0, 1):
            for game in ("coinrun", "maze"):
                write_run(tmp_path / "results", method, game, seed, test=(seed, 1.0 + seed, 2.0))
    return tmp_path


def printed(program: Any, words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert program.main(words) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found.pop("format") == 1
    return found


def listed(command: str) -> set[str]:
    """The fields that the page lists for a command."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{command}")]
    return set(re.findall(r"`([a-z_]+)`", line.split("|")[2]))


def test_compare(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "drac-crop", "ppo", "--json", "--csv", "numbers.csv"]
    rows = printed(bench, words, capsys)["rows"]
    assert {*rows[0], "rows"} == listed("drac-bench compare A B")
    assert rows[0]["over"] == "coinrun"
    assert rows[0]["text"] is None
    assert (runs / "numbers.csv").read_text().count("\n") == 1 + len(rows)


def test_tables(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = printed(bench, ["tables", "--json"], capsys)["experiments"]
    lacking = not_applicable(load(runs / "results"))
    assert [table["name"] for table in found["tables"]] == [n for n in TABLES if n not in lacking]
    assert found["skipped"] == lacking
    assert {*found, *found["tables"][0], "experiments"} == listed("drac-bench tables")
    words = ["tables", "--json", "--table", "per-game"]
    (found,) = printed(bench, words, capsys)["experiments"]
    (table,) = found["tables"]
    assert table["rows"][0]["game"] == "coinrun"
    assert table["rows"][0]["train_mean"] == 4.0


@pytest.mark.usefixtures("runs")
def test_csv_has_one_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--table", "per-game", "levels"]):
        said = refused(["tables", "--format", "csv", *words], tmp_path, capsys)
        assert "such as --table per-game --experiment exp" in said
    write_run(tmp_path / "results", experiment="other")
    said = refused(["tables", "--format", "csv", "--table", "levels"], tmp_path, capsys)
    assert "--format csv prints one table of one experiment" in said
    assert "give it alone" in refused(["tables", "--json", "--format", "csv"], tmp_path, capsys)
    assert "give it alone" in refused(["tables", "--json", "--all"], tmp_path, capsys)
    assert bench.main(["tables", "--format", "csv", "--table", "recomputed"]) == 0


def test_what_can_be_trained_with(capsys: pytest.CaptureFixture[str]) -> None:
    augmentations = printed(drac, ["augmentations", "list", "--json"], capsys)["augmentations"]
    assert {*augmentations[0], "augmentations"} == listed("drac augmentations list")
    assert "crop" in {row["name"] for row in augmentations}
    methods = printed(drac, ["train", "--method", "help", "--json"], capsys)["methods"]
    assert {*methods[0], "methods"} == listed("drac train --method help")
    assert "ucb-drac" in {row["name"] for row in methods}


def test_the_fields_of_a_speed_file_are_listed() -> None:
    known = {"workers"}
    for name, rows in (("training-speed", "cells"), ("augmentation-speed", "rows")):
        found = json.loads((ROOT / f"results/evidence/{name}.json").read_text())
        assert {"machine", rows} <= listed("drac-bench speed")
        known |= {*found, *found[rows][0]}
    assert listed("drac-bench speed") <= known


def test_figures_of_speed_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "results/evidence/augmentation-speed.json").read_text()
    speed._show([], AugmentationReport.model_validate_json(text), speed.STDOUT, "for people")
    assert capsys.readouterr().out == text


def test_what_is_no_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(1, rows=[{"a": float("nan"), "b": float("inf"), "c": (1, "x")}], none=None)
    found = json.loads(capsys.readouterr().out)
    assert found == {"format": 1, "rows": [{"a": None, "b": None, "c": [1, "x"]}], "none": None}
