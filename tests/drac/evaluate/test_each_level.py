"""Every level equally often: on real Procgen, by the library and by the command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from checkout import ROOT
from small_runs import small_run, tree

from drac import cli
from drac.commands.evaluation_plan import find_runs
from drac.config.level_list import parse_levels
from drac.envs import ProcgenVectorEnv
from drac.errors import ConfigError
from drac.evaluate import evaluate_each
from drac.games import PUBLISHED, UNSOLVABLE, unsolvable


def uniform(obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose every action with the same probability."""
    return torch.zeros(len(obs), 15), torch.zeros(len(obs))


@pytest.mark.parametrize("num_envs", [1, 4, 64])
def test_every_level_is_played_equally_often(num_envs: int) -> None:
    levels = (1_000_000, 5, 0, 17, 3)
    played = evaluate_each(uniform, "bigfish", levels, 3, num_envs, seed=1)
    assert played["level_seed"].tolist() == [level for level in levels for _ in range(3)]
    assert (played["length"] > 0).all()
    again = evaluate_each(uniform, "bigfish", levels, 3, num_envs, seed=1)
    pd.testing.assert_frame_equal(played, again)


def test_counts_below_one_are_refused() -> None:
    for levels, each, num_envs in (((), 1, 1), ((1,), 0, 1), ((1,), 1, 0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            evaluate_each(uniform, "bigfish", levels, each, num_envs)


def test_levels_that_cannot_be_solved_are_marked() -> None:
    played = evaluate_each(uniform, "jumper", (5, 6), 2)
    assert played["note"].tolist() == [UNSOLVABLE, UNSOLVABLE, "", ""]
    assert played["length"].tolist()[:2] == [1, 1]
    assert played["return"].tolist()[:2] == [0, 0]
    assert 5 not in unsolvable("jumper", "hard") | unsolvable("coinrun", "easy")


def test_the_list_of_levels_that_cannot_be_solved_holds() -> None:
    """Each of the 15 actions, in some of the levels that end at the first step."""
    rows = pd.read_csv(PUBLISHED / "unsolvable_levels.csv")
    assert not rows.duplicated(["game", "mode", "level"]).any()
    first = rows[rows["last_step"] == 1].groupby(["game", "mode"]).head(3)
    for game, mode, level, _ in first.itertuples(index=False):
        env = ProcgenVectorEnv(game, 15, range(level, level + 1), mode=mode)
        env.reset()
        _, rewards, ended, _, _ = env.step(torch.arange(15).numpy())
        env.close()
        assert ended.all()
        assert not rewards.any()


@pytest.mark.parametrize(
    ("text", "levels"),
    [("7", (7,)), ("0-3", (0, 1, 2, 3)), (" 5, 9 ,30 - 32", (5, 9, 30, 31, 32)), ("9,5", (9, 5))],
)
def test_lists_of_levels(text: str, levels: tuple[int, ...]) -> None:
    assert parse_levels(text, 10) == levels


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be levels and ranges A-B, separated by commas"),
        ("5,", "must be levels and ranges"),
        ("all", "must be levels and ranges"),
        ("-5", "must be levels and ranges"),
        ("5;9", "must be levels and ranges"),
        ("1e3", "must be levels and ranges"),
        ("9-5", "9-5 is empty"),
        ("2147483647", "2147483647 must lie below 2147483647"),
        ("1-5,3", "name level 3 twice"),
        ("0-10", "are more than 10, which is the most"),
        ("0-9,10", "are more than 10, which is the most"),
        ("0-9999999999", "must lie below"),
    ],
)
def test_what_is_no_list_of_levels(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse_levels(text, 10)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs a and b on Jumper and Bigfish, and c without a checkpoint."""
    monkeypatch.chdir(tmp_path)
    small_run(tmp_path / "a", game="jumper", levels="5-7")
    small_run(tmp_path / "b", seed=1)
    small_run(tmp_path / "c", saved=False)
    return tmp_path


def test_the_command_lists_levels(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "b", "--levels", "5,9", "--each", "2"]) == 0
    said = capsys.readouterr().out
    assert "levels 5,9, 2 of each\n4 episodes on 2 levels" in said
    assert re.search(r"\n +9 +[0-9.]+ +[0-9.]+\n", said)
    assert UNSOLVABLE not in said
    kept = pd.read_csv("b/evaluations/levels5+9-each2-seed0-step32.csv")
    assert kept["level_seed"].tolist() == [5, 5, 9, 9]
    assert set(kept["split"]) == {"levels 5,9"}


def test_the_runs_own_levels_and_what_cannot_be_solved(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "a", "--split", "train", "--each", "1"]) == 0
    said = capsys.readouterr().out
    assert "3 episodes on 3 levels" in said
    assert re.search(r"\n +5 +0.0 +1.0 +cannot be solved\n", said)
    assert "cannot be solved, whatever is done: levels 5; mean return without them" in said
    assert (runs / "a/evaluations/train-each1-seed0-step32.csv").is_file()


def test_several_runs_end_in_a_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--levels", "5", "--num-envs", "2", "--out", "table.csv"]
    assert cli.main(["evaluate", "a", "c", "b", *words]) == 2
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if "error" in line] == [
        "drac evaluate: error: c has no checkpoint yet"
    ]
    assert "2 of 3 runs were evaluated\nnext, once that is mended: drac evaluate c --levels" in (
        said.out
    )
    table = pd.read_csv("table.csv")
    assert table[["run", "game", "seed", "episodes"]].to_numpy().tolist() == [
        ["a", "jumper", 0, 1],
        ["b", "bigfish", 1, 1],
    ]
    assert cli.main(["evaluate", str(runs / "[ab]"), "--episodes", "2"]) == 0
    said = capsys.readouterr()
    assert "next" not in said.out
    assert said.out.count("every episode: ") == 2
    table = said.out.splitlines()[-3:]
    assert [line.split()[:3] for line in table[1:]] == [
        ["ppo", "jumper", "0"],
        ["ppo", "bigfish", "1"],
    ]
    assert max(map(len, table)) <= 80


def test_json_is_all_of_stdout(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    assert cli.main(["evaluate", "a", "b", "--levels", "5", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [row["run"] for row in found["rows"]] == ["a", "b"]
    assert "episode on 1 level" in said.err
    for name in (*found, *found["rows"][0]):
        assert f"`{name}`" in page
    assert cli.main(["evaluate", "b", "--json", "--robustness", "--episodes", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["split"] for row in found["rows"]} == {"train", "test"}
    for name in found["rows"][0]:
        assert f"`{name}`" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a --levels 5 --split test", "levels 5 and split test exclude each other"),
        ("a --levels 5 --episodes 9", "--each says how many episodes of every level"),
        ("a --each 2", "the full distribution has no end"),
        ("a --split test --each 2", "the full distribution has no end"),
        ("a --split 0-99999 --each 2", "has 100,000 levels; 10,000 is the most"),
        ("a --split train --each 0", "each must be at least 1"),
        ("a --levels 9-5", "9-5 is empty"),
        ("a --levels=", "levels is empty"),
        ("a --split 0-9 --each=", "each is empty"),
        ("a --levels 5 --robustness", "leave --levels, --each out"),
        ("a b --robustness --out x.csv", "out is of one run"),
        ("a b --out a", "a exists"),
        ("a nowhere", "nowhere is no run"),
        ("x*", "no run fits 'x*'"),
    ],
)
def test_what_makes_no_sense(
    words: str, said: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(runs)
    assert cli.main(["evaluate", *words.split()]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert tree(runs) == before


def test_a_pattern_passes_over_what_fresh_left_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["seed0", "seed0.before-1", "seed0.before-12", "seed0.before-now"]
    for name in names:
        Path(name).mkdir()
        Path(name, "config.json").touch()
    asides = [Path(name) for name in names[1:3]]
    assert find_runs([Path("seed*")]) == [Path(names[0]), Path(names[3])]
    assert find_runs([Path("seed*.before-[0-9]*")]) == find_runs(asides) == asides


def test_exploration_has_one_level(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_run(runs / "d", game="ninja", mode="exploration")
    for words in (["--levels", "5"], ["--split", "0-199"]):
        assert cli.main(["evaluate", "d", *words]) == 2
        assert "ninja's exploration mode has one level, 1123500215" in capsys.readouterr().err
    assert cli.main(["watch", "d", "--level", "5"]) == 2
    assert "ninja's exploration mode has one level, 1123500215" in capsys.readouterr().err
    assert cli.main(["evaluate", "a", "d", "--levels", "5"]) == 2
    assert "error: d: ninja's exploration mode" in capsys.readouterr().err
