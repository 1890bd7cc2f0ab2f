"""Learning curves of other people's runs: read, kept, and drawn beside ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT
from refusals import refused
from synthetic_runs import tree, write_run

from benchmark.cli import main
from benchmark.scores import curves
from benchmark.scores.reading import Told

PUBLISHED = ROOT / "results" / "published" / "curves.csv"
OPENAI = "misc/total_timesteps,eprewmean,eval_eprewmean\n64,1.0,0.5\n128,2.0,\n256,3.0,1.5\n"


def imported(folder: Path, *words: str) -> None:
    assert main(["import-curves", *words, "--results", str(folder)]) == 0


def test_openais_published_curves_come_in_whole(tmp_path: Path) -> None:
    imported(tmp_path, str(PUBLISHED), "--name", "openai")
    rows = curves.load(tmp_path, "openai").rows
    wanted = pd.read_csv(PUBLISHED)
    assert len(rows) == len(wanted) == 1620
    for column, name in (("mean_return", "mean_return"), ("steps", "steps")):
        assert sorted(rows[column]) == sorted(wanted[name].astype(float))
    assert set(rows["game"]) == {"bigfish", "fruitbot", "starpilot"}
    assert set(rows["mode"]) == {"easy"}
    again = curves.read_all([PUBLISHED], "again", Told())
    assert again.sha256 == curves.load(tmp_path, "openai").sha256


@pytest.mark.parametrize(
    ("name", "text", "told", "own", "points"),
    [
        (
            "bigfish_ppo_seed3.csv",
            OPENAI,
            Told(),
            None,
            {"train": [(64, 1.0), (128, 2.0), (256, 3.0)], "test": [(64, 0.5), (256, 1.5)]},
        ),
        (
            "procgen-bigfish-v0__ppo__3__1700000000.csv",
            "global_step,charts/episodic_return\n10,1\n10,2\n30,5\n",
            Told(),
            None,
            {"train": [(10, 2.0), (30, 5.0)]},  # the last word of a step counts
        ),
        (
            "log.csv",
            "t,R\n10,1\n20,2\n",
            Told(game="bigfish", method="ppo", seed="3", split="test"),
            {"steps": "t", "return": "R"},
            {"test": [(10, 1.0), (20, 2.0)]},
        ),
    ],
)
def test_progress_files(
    tmp_path: Path,
    name: str,
    text: str,
    told: Told,
    own: dict[str, str] | None,
    points: dict[str, list[tuple[float, float]]],
) -> None:
    (tmp_path / name).write_text(text)
    rows = curves.read_all([tmp_path / name], "set", told, own).rows
    assert set(zip(rows["method"], rows["game"], rows["run"], strict=True)) == {
        ("ppo", "bigfish", "3")
    }
    for split, wanted in points.items():
        part = rows[rows["split"] == split]
        assert list(zip(part["steps"], part["mean_return"], strict=True)) == wanted
    assert set(rows["split"]) == set(points)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("a,b\n1,2\n", [], "add --step-column and --return-column"),
        ("t,R\n1,2\n", ["--step-column", "t"], "must be given together"),
        ("t,R\n1,2\n", ["--step-column", "t", "--return-column", "r"], "has no column 'r'"),
        ("t,R\n1,2\n", ["--step-column", "t", "--return-column", "R"], "add --split"),
        ("step,train_return\n1,x\n", [], "line 2: 'x' is not a number"),
        ("step,train_return\n1,1e300\n", [], "is no possible number"),
        ("step,train_return\n", [], "has no point of a curve"),
        ("method,game,split,run,steps,mean_return\na,chess,test,0,1,1\n", [], "game 'chess'"),
        (
            "method,game,split,run,steps,mean_return\na,maze,test,0,1,1\na,maze,test,0,1,2\n",
            [],
            "has step 1 twice",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(
    text: str, words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "maze_ppo_seed0.csv").write_text(text)
    words = ["import-curves", str(tmp_path / "maze_ppo_seed0.csv"), *words]
    words += ["--results", str(tmp_path / "results")]
    assert said in refused(words, tmp_path, capsys)


def test_another_file_of_the_name_needs_replace_and_a_changed_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "maze_ppo_seed0.csv"
    words = [str(file), "--name", "mine"]
    file.write_text("step,train_return\n1,2\n")
    imported(tmp_path, *words)
    imported(tmp_path, *words)
    file.write_text("step,train_return\n1,3\n")
    results = ["--results", str(tmp_path)]
    assert "or --replace" in refused(["import-curves", *words, *results], tmp_path, capsys)
    imported(tmp_path, *words, "--replace")
    stored = tmp_path / "curves" / "mine.csv"
    stored.write_text(stored.read_text().replace("3.0", "4.0"))
    write_run(tmp_path, game="maze")
    before = tree(tmp_path)
    assert main(["figures", "--figure", "train-curves", *results]) == 2
    assert "is not what was imported" in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_figures_draw_them_beside_ours_as_far_as_ours_go(tmp_path: Path) -> None:
    """Three runs on a game of ours, and one on another, which is left out."""
    rows = ["method,game,split,run,steps,mean_return"]
    for run in range(3):
        rows += [f"Theirs,coinrun,train,{run},{step},{step / 100 + run}" for step in (64, 256, 900)]
        rows += [f"Theirs,coinrun,test,{run},128,{run}", f"Theirs,maze,train,{run},64,1"]
    (tmp_path / "theirs.csv").write_text("\n".join(rows) + "\n")
    imported(tmp_path, str(tmp_path / "theirs.csv"))
    for seed in range(2):
        write_run(tmp_path, seed=seed, train=(3.0 + seed, 4.0, 5.0))
    out = tmp_path / "figures" / "exp"
    figures = ["train-curves", "test-curves", "entropy"]
    assert main(["figures", "--figure", *figures, "--results", str(tmp_path)]) == 0
    table = pd.read_csv(out / "train-curves.csv")
    theirs = table[table["label"] == "Theirs (imported)"]
    assert set(theirs["game"]) == {"coinrun"}
    assert list(theirs["step"]) == [64, 256]
    np.testing.assert_allclose(theirs["mean"], [1.64, 3.56])
    assert set(theirs["seeds"]) == {3}
    assert (theirs["low"] < theirs["mean"]).all()
    assert "ppo" in set(table["label"])
    caption = " ".join((out / "train-curves.txt").read_text().split())
    assert "Theirs (imported): from theirs.csv, as far as our runs go" in caption
    assert "Imported: Mean of 3 seeds" in caption
    assert list(pd.read_csv(out / "test-curves.csv").query("seeds == 3")["mean"]) == [1.0]
    assert "imported" not in (out / "entropy.csv").read_text()
