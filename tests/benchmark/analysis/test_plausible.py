"""Doubts about scores: copies, impossible ones, changed code; said wherever scores are shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import load, write_run

from benchmark import cli
from benchmark.analysis import histories, plausible
from benchmark.analysis.caveats import doubtful
from benchmark.analysis.comparable import counted
from benchmark.figures.aggregates import intervals
from benchmark.figures.drawing import SCREEN
from benchmark.report import results
from benchmark.report.content import gather
from benchmark.report.summary import summary
from benchmark.store.store import Store
from benchmark.tables.catalogue import TABLES
from drac.games import GAMES

COPIED = "WARNING: ppo: runs have the very same episodes on maze: copies?"


def write(root: Path, *methods: str, games: tuple[str, ...] = ("maze", "bigfish")) -> None:
    """Two runs a method and game, whose scores nobody doubts."""
    for number, method in enumerate(methods):
        for game in games:
            for seed in (0, 1):
                score = 3.0 + number + seed / 4
                write_run(root, method, game, seed, test=[score] * 3, train=[score + 1] * 3)


def copy(root: Path, method: str, game: str, seed: int, **changes: Any) -> None:
    """Put a copy of seed 0's folder where another run should be, with its config made to fit."""
    folder = root / "runs" / "exp" / method / game / f"seed{seed}"
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("seed0"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "seed": seed, **changes}))


def change_meta(root: Path, run: str, **facts: Any) -> None:
    path = root / "runs" / "exp" / run / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def doubts(root: Path) -> list[str]:
    return doubtful(counted(load(root)))


def test_a_copied_folder_is_told_wherever_scores_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "ppo", "plr")
    assert doubts(tmp_path) == []
    copy(tmp_path, "ppo", "maze", 1)
    assert doubts(tmp_path) == [COPIED]
    runs = load(tmp_path)
    for name in ("table1", "per-game", "levels", "robustness"):
        assert COPIED in TABLES[name](runs).notes, name
    assert COPIED in histories.load(runs).notes
    content = gather(Store(tmp_path), ["exp"])
    assert COPIED in results.game_results(content, "maze").notes
    assert COPIED in results.method_results(content, "ppo").notes
    assert COPIED not in results.game_results(content, "bigfish").notes
    assert COPIED not in results.method_results(content, "plr").notes
    out = tmp_path / "report"
    words = ["report", f"--results={tmp_path}", "--out", str(out), "--no-frames"]
    assert cli.main(words) == 0
    for page in ("index", "tables", "figures", "games/maze", "methods/ppo"):
        assert COPIED in (out / f"{page}.html").read_text(), page
    capsys.readouterr()
    assert cli.main(["compare", "ppo", "plr", f"--results={tmp_path}"]) == 0
    assert COPIED.removeprefix("WARNING: ") in " ".join(capsys.readouterr().out.split())


def test_equal_scores_of_other_episodes_are_no_copies(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path, "ppo", "maze", seed, test=[10.0] * 3)
    assert doubts(tmp_path) == []


def test_a_method_that_is_a_copy_of_another(tmp_path: Path) -> None:
    write(tmp_path, "ppo")
    shutil.copytree(tmp_path / "runs/exp/ppo", tmp_path / "runs/exp/plr")
    for path in tmp_path.glob("runs/exp/plr/*/*/config.json"):
        path.write_text(path.read_text().replace('"method": "ppo"', '"method": "plr"'))
    (said,) = doubts(tmp_path)
    assert said == (
        "WARNING: plr and ppo have the same scores, run by run, on bigfish, maze:"
        " copies, or too short to differ?"
    )


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        (40.0, "ppo: scores that no run can have on maze: percentages or mistaken?"),
        (0.7, "ppo: all scores are from 0 to 1 on 2 games: already normalized?"),
        (0.0, ""),
    ],
)
def test_impossible_returns_of_our_own_runs(tmp_path: Path, returns: float, said: str) -> None:
    for game in ("maze", "fruitbot"):  # of which one has at most 10
        write_run(tmp_path, "ppo", game, test=[returns] * 3, train=[returns] * 3)
    assert doubts(tmp_path) == [f"WARNING: {said}"] * (said != "")


@pytest.mark.parametrize(
    ("kept", "fixed", "said"),
    [
        (4, True, "every update of both had crop."),  # 4 updates of 4
        (4, False, "every update of both had crop."),  # two bandits
        (3, True, "copies, or too short to differ?"),
    ],
)
def test_a_bandit_that_kept_one_arm_is_no_copy(
    kept: int, fixed: bool, said: str, tmp_path: Path
) -> None:
    chosen = {"arms": {"crop": kept, "flip": 4 - kept}, "chosen_from": ("crop", "flip")}
    write_run(tmp_path, "ucb-drac", "maze", **chosen)
    if fixed:
        write_run(tmp_path, "drac-crop", "maze", arms={"crop": 4})
    else:
        write_run(tmp_path, "thompson-drac", "maze", **chosen)
    other = "drac-crop" if fixed else "thompson-drac"
    both = " and ".join(sorted(["ucb-drac", other]))
    (found,) = [one for one in doubts(tmp_path) if "the same scores" in one]
    assert found == f"WARNING: {both} have the same scores, run by run, on maze: {said}"


def test_low_scores_of_short_runs_are_not_taken_for_normalized(tmp_path: Path) -> None:
    """Their means are below 1, but an episode of theirs returned 10."""
    for game in ("maze", "coinrun"):
        write_run(
            tmp_path, "ppo", game, test=[0.0] * 11 + [10.0], train=[0.0] * 12, eval_episodes=12
        )
    assert doubts(tmp_path) == []


def test_many_copies_are_few_sentences() -> None:
    scores = np.random.default_rng(0).uniform(2, 9, (3, len(GAMES)))
    found = plausible.cautions([plausible.Scored(f"m{n}", "easy", scores) for n in range(10)])
    assert len(found) == plausible.SHOWN + 1
    assert found[0] == "m0 and m1 have the same scores, run by run, on all 16 games: copies?"
    assert found[-1] == "37 more doubts of these kinds."


HASHES = {name: name * 64 for name in "ab"}


def test_runs_of_different_code_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "drac-crop", "ppo", games=("maze",))
    change_meta(tmp_path, "drac-crop/maze/seed0", code={"mine": HASHES["a"]})
    change_meta(tmp_path, "drac-crop/maze/seed1", code={"mine": HASHES["a"]})
    change_meta(tmp_path, "ppo/maze/seed0", code={})
    assert doubts(tmp_path) == []
    change_meta(tmp_path, "drac-crop/maze/seed1", code={"mine": HASHES["b"]})
    said = (
        "WARNING: the source of 'mine' is not the same in all runs, which are averaged and"
        " compared even so: 1 run with the source whose sum begins with aaaaaaaa, and"
        " drac-crop/maze/seed1 (bbbbbbbb)."
    )
    assert doubts(tmp_path) == [said]
    change_meta(tmp_path, "drac-crop/maze/seed1", code={"other": HASHES["b"]})
    assert [text.partition(" is")[0] for text in doubts(tmp_path)] == [
        "WARNING: the source of 'mine'",
        "WARNING: the source of 'other'",
    ]
    # between the two methods of a comparison only
    for seed in (0, 1):
        change_meta(tmp_path, f"drac-crop/maze/seed{seed}", code={"mine": HASHES["a"]})
        change_meta(tmp_path, f"ppo/maze/seed{seed}", code={"mine": HASHES["b"]})
    assert cli.main(["compare", "drac-crop", "ppo", f"--results={tmp_path}"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "! WARNING: the source of 'mine' is not the same in all runs" in text
    assert "and ppo/maze/seed0 (bbbbbbbb), ppo/maze/seed1 (bbbbbbbb)." in text


def test_a_run_that_went_on_with_changed_code_is_told(tmp_path: Path) -> None:
    write(tmp_path, "drac-crop", games=("maze",))
    changes = [{"step": 128, "changed": ["mine"]}]
    change_meta(tmp_path, "drac-crop/maze/seed1", code_changes=changes)
    said = (
        "WARNING: continued with changed code (--accept-changed-code): drac-crop/maze/seed1"
        " ('mine' at step 128)."
    )
    assert doubts(tmp_path) == [said]
    for name in ("per-game", "augmentations"):
        assert said in TABLES[name](load(tmp_path)).notes


@pytest.mark.parametrize("damage", [3, "x", [], [1, None], {"mine": 3}, {"mine": None, "x": []}])
def test_a_damaged_record_of_code_spoils_nothing(tmp_path: Path, damage: Any) -> None:
    write(tmp_path, "drac-crop", games=("maze",))
    for seed in (0, 1):
        change_meta(tmp_path, f"drac-crop/maze/seed{seed}", code=damage, code_changes=damage)
    assert doubts(tmp_path) == []


@pytest.mark.parametrize(("episodes", "returns", "said"), [(1, 1, 0), (3, 1, 0), (3, 2, 1)])
def test_few_episodes_and_equal_returns_are_no_copies(
    episodes: int, returns: int, said: int, tmp_path: Path
) -> None:
    for method in ("ppo", "plr"):  # of one seed: the same levels
        for game in ("maze", "starpilot"):
            score = [float(k % returns) for k in range(episodes)]
            options = {"train": score, "test": score, "eval_episodes": episodes}
            write_run(tmp_path, method, game, **options)
    doubt = "WARNING: plr and ppo have the same scores, run by run, on maze, starpilot: copies,"
    doubt += " or too short to differ?"
    found = [one for one in doubts(tmp_path) if "copies" in one]
    assert found == [doubt] * said
    assert any("already normalized" in one for one in doubts(tmp_path)) == (said > 0)


def test_imported_scores_of_0_are_no_copies(tmp_path: Path) -> None:
    nothing = np.full((3, 16), np.nan)
    nothing[:, 0] = 0.0
    methods = [plausible.Scored(name, "easy", nothing) for name in ("A", "B")]
    assert plausible.cautions(methods) == []
    assert plausible.cautions([one._replace(scores=nothing + 3.0) for one in methods])


Score = Callable[[str, int], float]


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (lambda game, run: 40.0 + run, "A: scores that no run can have on "),
        (lambda game, run: 0.5 + run / 10, "A: all scores are from 0 to 1 on 16 games: already"),
        (lambda game, run: 3.0, "A: all runs have the same score on all 16 games: copies?"),
        (lambda game, run: 3.0 + run, ""),
    ],
)
def test_an_import_says_at_once_what_is_implausible(
    score: Score, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("A", game, "train", run, score(game, run)) for game in GAMES for run in range(3)]
    columns = ["method", "game", "split", "run", "score"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "x.csv", index=False)
    assert cli.main(["import-scores", str(tmp_path / "x.csv"), f"--results={tmp_path}"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("! ")]
    assert len(lines) == (said != "")
    assert all(line.startswith(f"! {said}") for line in lines)


def test_equal_seeds_have_no_interval_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for method, returns in (("ppo", (3, 3)), ("ucb-drac", (2, 4)), ("drac-crop", (0, 0))):
        for seed, value in enumerate(returns):
            write_run(tmp_path, method, seed=seed, test=(value,) * 3)
    content = gather(Store(tmp_path), ["exp"])
    iqm = results.headline(content).blocks[0].cells.set_index("method")["IQM, %"]
    bare = iqm.str.contains("(no interval)", regex=False)
    assert bare[["ppo", "ucb-drac", "drac-crop"]].tolist() == [True, False, True]
    table = summary(content)
    assert "No interval, of one seed or of equal scores: ppo, drac-crop." in " ".join(table.notes)
    (drawing,) = intervals(content.histories, SCREEN)
    known = drawing.data[drawing.data["low"].notna()]
    assert set(known["label"]) == {"ucb-drac"}
    assert "Seeds with the same score, hence no interval: ppo, drac-crop." in drawing.caption
    for one in ("ppo", "drac-crop"):
        assert cli.main(["compare", one, "ucb-drac", f"--results={tmp_path}"]) == 0
        assert "so that there is no interval" in " ".join(capsys.readouterr().out.split())
