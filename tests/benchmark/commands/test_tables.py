"""`drac-bench tables`: what is printed and written, and what bad input says."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from checkout import EVIDENCE
from refusals import refused
from synthetic_runs import ARMS, load, tree, write_run

from benchmark import cli
from benchmark.commands.tables import tables_command
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from benchmark.tables.catalogue import RECOMPUTED, TABLES
from drac.files import lock


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


BAD = {
    "no runs": ("there are no runs", []),
    "unknown experiment": ("unknown experiment 'x'", ["--experiment", "x"]),
    "outside the store": ("unknown experiment '..'", ["--experiment", ".."]),
    "unknown suite": ("unknown suite", ["--suite", "x"]),
    "unknown table": ("unknown table 'tabel1' (did you mean 'table1'?)", ["--table", "tabel1"]),
    "an old name": ("unknown table 'best-augmentation'", ["--table", "best-augmentation"]),
    "all and some": ("give one of the two", ["--all", "--table", "table1"]),
    "no table": ("--table names no table; choose from table1,", ["--table"]),
    "unknown format": ("unknown format 'pdf'; choose from text,", ["--format", "pdf"]),
    "format in the wrong case": ("did you mean 'latex'", ["--format", "LaTeX"]),
    "unknown option": ("'--tabel'", ["--tabel", "table1"]),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("runs", [False, True])
def test_bad_input_is_one_line_and_writes_nothing(
    name: str, runs: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message, words = BAD[name]
    if runs:
        write_run(tmp_path / "results")
        if name == "no runs":
            words = ["--results", "elsewhere"]
    assert message in refused(["tables", *words], tmp_path, capsys)


def test_tables_that_cannot_be_written_are_noticed_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results")
    (tmp_path / "results/tables").write_text("")
    refused(["tables"], tmp_path, capsys)


def test_the_names_of_the_help_are_those_of_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["tables", "--help"])
    said = capsys.readouterr().out
    for name in (*TABLES, RECOMPUTED):
        assert f"\n  {name} " in said


def test_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "results", experiment="a")
    write_run(tmp_path / "results", "ucb-drac", experiment="b", arms=ARMS)
    assert cli.main(["tables", "--all"]) == 0
    out = capsys.readouterr().out
    assert "no table bandit: no runs of a method that chooses" in out
    assert "no table robustness: no run has a robustness.csv" in out
    folder = tmp_path / "results/tables"
    made = {
        "a": ("table1", "per-game", "levels"),
        "b": tuple(set(TABLES) - {"robustness", "transfer", "curves", "trials"}),
    }
    for name, names in made.items():
        found = {path.name for path in (folder / name).iterdir()}
        files_of = {f"{table}.{end}" for table in names for end in ("md", "csv", "tex")}
        assert found == {*files_of, "runs.csv"}
        assert f"written to results/tables/{name}" in out
    assert len(pd.read_csv(folder / "a/per-game.csv")) == 1
    assert cli.main(["tables", "--experiment", "a", "b", "--results", "results"]) == 0
    together = pd.read_csv(folder / "a+b/per-game.csv")
    assert sorted(together["method"]) == ["ppo", "ucb-drac"]
    assert len(pd.read_csv(folder / "a+b/runs.csv")) == 2


@pytest.mark.parametrize("width", [80, 120])
def test_the_first_screen_of_the_rehearsal(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    (tmp_path / "results").mkdir()
    (tmp_path / "results/runs").symlink_to(EVIDENCE / "rehearsal/runs")
    said = {}
    for names in ([], ["rehearsal"], ["rehearsal", "rehearsal-augmentations"]):
        words = ["--experiment", *names] if names else []
        assert cli.main(["tables", *words]) == 0
        said["+".join(names)] = lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 40
        assert all(len(line) <= width for line in lines if not line.startswith("written to"))
        assert "no runs" not in "".join(lines)
        assert "not available" not in "".join(lines)
    alone = [line.split() for line in said["rehearsal"]]
    written = pd.read_csv("results/tables/rehearsal/per-game.csv").set_index(["game", "method"])
    maze = written.loc["maze", "ppo"]
    values = (maze["train_mean"], maze["test_mean"], maze["gap_mean"])
    assert ["maze", "ppo", *(f"{value:.2f}" for value in values), "crop"] in alone
    assert ["coinrun", "2", "are", "equal", "-", "6.50", "-", "crop"] in alone
    assert any(line[:1] == ["ucb-drac"] and "139.7" in line for line in alone)
    assert not any(line[:1] == ["maze"] and "ppo" in line for line in map(str.split, said[""]))
    together = [line.split() for line in said["rehearsal+rehearsal-augmentations"]]
    assert ["starpilot", "cutout", "crop"] in together  # unlike steps: no method is the best


def test_the_first_screen_of_runs_that_have_not_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(tmp_path / "results").add_to_plan("exp", [RunSpec("exp", "ppo", "maze", 0)])
    assert cli.main(["tables"]) == 0
    assert "exp: 0 of 1 run complete\n- drac-bench status" in capsys.readouterr().out
    write_run(tmp_path / "results", "drac-crop", "coinrun")
    write_run(tmp_path / "results", "drac-flip", "ninja")
    assert cli.main(["tables"]) == 0
    said = capsys.readouterr().out
    assert "exp: 2 of 3 runs complete, 2 methods x 2 games x 1 seed, 300 steps" in said
    assert "mean return over its games" in said
    assert "Not complete and not counted: ppo/maze/seed0." in said
    write_run(tmp_path / "results", "ppo", "coinrun")
    write_run(tmp_path / "results", "ppo", "ninja")
    for path in (tmp_path / "results/runs/exp/drac-flip").rglob("eval.csv"):
        path.unlink()
    assert cli.main(["tables"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "train, test: mean return over coinrun, that of all; " in said
    assert "IQM, %: test, (x - min) / (max - min)." in said
    assert "published: % of PPO, all 16 games. [a] Raileanu" in said


def test_the_first_screen_says_what_is_unlike_the_published_and_how_many_seeds_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = {"num_envs": 64, "num_steps": 256, "steps": 2**15}
    own = {"chosen_from": ("crop", "random-conv"), "ucb_initial": "try-each-once", "arms": ARMS}
    for seed in (0, 1):
        write_run(tmp_path / "results", seed=seed, test=(seed, 2, 3), **usual)
    write_run(tmp_path / "results", "ucb-drac", **own, **usual)
    assert cli.main(["tables"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = " ".join(" ".join(lines).split())
    assert "100.0 [a] ucb-drac" in said
    assert "139.7 [a]* " in said
    assert (
        "published: % of PPO, all 16 games. [a] Raileanu et al. * Ours:"
        " arms crop random-conv (ucb-drac), ucb_initial try-each-once (ucb-drac)."
    ) in said
    assert "2 methods x 1 game x 1-2 seeds" in said
    assert "Seeds per cell differ, 1 to 2: ucb-drac/coinrun has 1." in said
    assert "±" not in said
    assert "No interval, of one seed or of equal scores: ucb-drac." in said
    written = (tmp_path / "results/tables/exp/per-game.md").read_text()
    assert "published runs do not have: arms crop random-conv (ucb-drac), ucb_initial" in written


def test_what_has_no_complete_run_is_said_and_not_tabulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(tmp_path / "results").add_to_plan("begun", [RunSpec("begun", "ppo", "maze", 0)])
    write_run(tmp_path / "results")
    assert cli.main(["tables"]) == 0
    out = capsys.readouterr().out
    assert "begun: 0 of 1 run complete\n- drac-bench status --experiment begun" in out
    assert "[95 %]" not in out  # of one run
    assert out.endswith("\ngame by game: drac-bench tables --experiment NAME\n")
    assert [path.name for path in (tmp_path / "results/tables").iterdir()] == ["exp"]


def test_an_experiment_of_a_suite_that_was_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text('summary = "x"\nmethods = ["ppo"]\n')
    for words, said in (
        (["tables", "--experiment", "demo"], "drac-bench run --suite demo\n"),
        (["status", "--experiment", "levels-50"], "drac-bench run --suite levels\n"),
        (["tables", "--suite", "mine.toml"], "drac-bench run --suite mine.toml\n"),
        (["figures", "--experiment", "demo", "--results", "r s"], "demo --results='r s'\n"),
    ):
        assert refused(words, tmp_path, capsys).endswith(said)


def test_all_tables_are_of_runs_and_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results")
    long = "drac-torchvision:RandomPerspective(0.5, batch_wide=True)"
    write_run(tmp_path / "results", long)
    for width in (80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        for words in (["--all"], []):
            assert cli.main(["tables", *words]) == 0
            lines = capsys.readouterr().out.splitlines()
            lines = [line.rstrip() for line in lines if not line.startswith("written ")]
            assert [line for line in lines if len(line) > width] == []
            assert "…" not in "".join(lines)
        assert cli.main(["tables", "--all"]) == 0
        out = capsys.readouterr().out
        assert ("Rand-FM" in out, "--table table1" in out) == (False, True)
    assert cli.main(["tables", "--table", "table1"]) == 0
    assert "Rand-FM" in capsys.readouterr().out
    assert "Rand-FM" in (tmp_path / "results/tables/exp/table1.md").read_text()


def test_files_are_written_before_anything_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise OSError("nobody reads")

    write_run(tmp_path / "results")
    for words in (
        [],
        ["--all"],
        ["--table", "levels", "recomputed"],
        ["--format", "latex"],
        ["--json"],
    ):
        shutil.rmtree(tmp_path / "results/tables", ignore_errors=True)
        with monkeypatch.context() as patched:
            patched.setattr("rich.console.Console.print", fail)
            patched.setattr("builtins.print", fail)
            with pytest.raises(OSError, match="nobody reads"):
                tables_command(words)
        assert (tmp_path / "results/tables/exp/levels.tex").exists()
        assert (tmp_path / "results/tables/exp/runs.csv").exists()


@pytest.mark.parametrize(("form", "end"), [("markdown", "md"), ("latex", "tex"), ("csv", "csv")])
def test_what_is_printed_is_what_is_written(
    tmp_path: Path, form: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results")
    assert cli.main(["tables", "--table", "per-game", "--format", form]) == 0
    printed = capsys.readouterr()
    written = (tmp_path / f"results/tables/exp/per-game.{end}").read_text()
    assert printed.out.strip() == written.strip()
    assert "written to" in printed.err
    if form == "csv":
        assert len(pd.read_csv(io.StringIO(printed.out))) == 1


def test_a_table_that_was_asked_for_is_made_whatever_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results")
    assert cli.main(["tables", "--table", "robustness", "bandit", "robustness"]) == 0
    out = capsys.readouterr().out
    assert "not measured" in out
    assert "no runs" in out
    assert "Not measured: 1 of 1 complete run;" in out
    made = {path.stem for path in (tmp_path / "results/tables/exp").glob("*.md")}
    assert made == {"robustness", "bandit"}


def test_every_number_of_the_text_stands_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for game in ("coinrun", "maze"):
        write_run(tmp_path / "results", "ppo", game)
    assert cli.main(["tables", "--table", "per-game"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (shown,) = [line.split() for line in lines if line.split()[:1] == ["maze"]][:1]
    written = (tmp_path / "results/tables/exp/per-game.md").read_text().splitlines()
    (row,) = [line for line in written if line.startswith("| maze")][:1]
    assert [word for word in row.split() if word != "|"] == shown


def test_an_experiment_named_twice_is_counted_once(tmp_path: Path) -> None:
    write_run(tmp_path / "results", experiment="smoke")
    assert cli.main(["tables", "--experiment", "smoke", "smoke"]) == 0
    assert cli.main(["tables", "--experiment", "smoke", "--suite", "smoke"]) == 0
    assert pd.read_csv("results/tables/smoke/per-game.csv")["seeds"].tolist() == [1]


def test_a_store_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    write_run(results)
    busy = write_run(results, "ucb-drac", arms=ARMS)
    for name in ("progress.csv", "arms.csv", "eval.csv"):  # in the middle of a line
        text = (busy / name).read_text()
        (busy / name).write_text(text[:-5])
    Store(results).add_to_plan("exp", [RunSpec("exp", "a-method-that-is-gone", "maze", 0)])
    with lock.owned(busy):
        before = tree(busy)
        assert cli.main(["tables", "--format", "markdown"]) == 0
        assert tree(busy) == before
    out = capsys.readouterr().out
    assert "ucb-drac/coinrun/seed0 (trained 128 of 256 steps" in out
    assert "a-method-that-is-gone/maze/seed0 (not started)" in out


def test_scores_that_are_no_numbers_are_said_and_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results", seed=0)
    broken = write_run(tmp_path / "results", seed=1)
    text = (broken / "eval.csv").read_text()
    (broken / "eval.csv").write_text(text.replace("256,test,1,2.0", "256,test,1,two"))
    assert cli.main(["tables", "--format", "markdown", "--table", "per-game"]) == 0
    out = capsys.readouterr().out
    assert "ppo/coinrun/seed1 (eval.csv is damaged: line 12 has no return)" in out
    assert "Missing: 1 of 2" in out


def test_specials_in_names(tmp_path: Path) -> None:
    spec = "kornia:RandomInvert(p=0.5)"
    options = {"chosen_from": ("crop", spec), "arms": {"crop": 1, spec: 1}}
    write_run(tmp_path / "results", "ucb-drac", experiment="a_b+c", **options)
    assert cli.main(["tables", "--table", "bandit", "augmentations"]) == 0
    folder = tmp_path / "results/tables/a_b+c"
    assert spec in (folder / "bandit.md").read_text()
    assert spec in (folder / "bandit.tex").read_text()  # no specials of LaTeX in this one
    assert r"procgen\_build procgen 0.10.7" in (folder / "bandit.tex").read_text()


def test_published_aggregates_are_recomputed_without_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["tables", "--table", "recomputed"]) == 0
    said = capsys.readouterr().out
    assert "176.4" in said
    assert "written to results/tables" in said
    written = pd.read_csv(tmp_path / "results" / "tables" / "recomputed.csv")
    assert (written["recomputed_mean"] - written["mean"]).abs().max() < 0.5
    write_run(tmp_path / "results")
    assert cli.main(["tables", "--table", "levels", "recomputed"]) == 0
    assert "Published PPO-normalized return" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["curves", "transfer", "robustness", "bandit", "trials"])
def test_a_table_that_was_asked_for_says_why_it_is_empty(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results")
    why = TABLES[name].missing(load(tmp_path / "results"))
    assert why
    assert cli.main(["tables", "--table", name]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"- Nothing to show: {why} - " in said
