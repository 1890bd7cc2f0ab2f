"""`drac-bench figures`: what it writes, and what it refuses in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import refused
from synthetic_runs import write_run
from synthetic_store import EXPERIMENT, write_store

from benchmark.cli import main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_store(tmp_path, ("ppo", "ucb-drac"), ("maze", "heist"), seeds=2)
    return tmp_path


def test_all_figures_of_a_store(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["figures", "--results", str(root)]) == 0
    folder = root / "figures" / EXPERIMENT
    pictures = sorted(path.stem for path in folder.glob("*.png"))
    assert pictures == [
        "aggregate", "bandit-scores-ucb-drac", "bandit-shares-ucb-drac", "entropy", "gap",
        "intervals", "levels-test", "levels-train", "losses", "profiles", "test-curves",
        "train-curves",
    ]  # fmt: skip
    assert sorted(path.stem for path in folder.glob("*.csv")) == pictures
    assert sorted(path.stem for path in folder.glob("*.txt")) == pictures
    assert (folder / "gap.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    lines = said.splitlines()
    after = max(lines.index(f"  {path}") for path in folder.glob("*.png")) + 1
    told = "have nothing of the kind: transfer, bandit-regret, heatmap, trials"
    assert told in " ".join(" ".join(lines[after:]).split())
    assert f"written to {folder}," in " ".join(" ".join(lines[-3:]).split())
    assert all(len(line) <= 80 or str(root) in line for line in lines)  # paths are not broken


def test_chosen_figures_style_format_and_folder(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "pictures"
    words = ["figures", "--results", str(root), "--figure", "gap", "intervals", "--out", str(out)]
    assert main([*words, "--style", "paper"]) == 0
    assert sorted(path.name for path in out.glob("*.pdf")) == ["gap.pdf", "intervals.pdf"]
    assert main([*words, "--format", "svg"]) == 0
    assert len(list(out.glob("*.svg"))) == 2


def test_experiments_together_or_each_on_its_own(root: Path) -> None:
    write_run(root, experiment="other")
    both = ["figures", "--results", str(root), "--figure", "test-curves"]
    assert main(both) == 0
    assert main([*both, "--experiment", EXPERIMENT, "other"]) == 0
    written = sorted(path.parent.name for path in root.glob("figures/*/test-curves.png"))
    assert written == ["other", EXPERIMENT, f"{EXPERIMENT}+other"]


def test_runs_that_have_not_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmark.store.store import Store
    from benchmark.suites import RunSpec

    Store(tmp_path).add_to_plan("exp", [RunSpec("exp", "ppo", "maze", 0)])
    assert main(["figures", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "no run can be drawn yet. Missing: 1 of 1 planned run" in said
    assert not (tmp_path / "figures").exists()


def test_a_damaged_file_is_a_missing_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = root / "runs" / EXPERIMENT / "ppo" / "maze" / "seed1" / "progress.csv"
    broken.write_text("step,update\n1,word\n")
    assert main(["figures", "--results", str(root), "--figure", "gap"]) == 0
    assert "Missing, for a file is damaged: ppo/maze/seed1 (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--figure", "test-curve"], "unknown figure 'test-curve' (did you mean 'test-curves'?)"),
        (["--style", "papers"], "unknown style 'papers' (did you mean 'paper'?)"),
        (["--format", "jpg"], "unknown format 'jpg'"),
        (["--experiment", "othr"], "unknown experiment 'othr' (did you mean 'other'?)"),
        (["--figures", "gap"], "unknown option '--figures' (did you mean '--figure'?)"),
        (["--out", "file/file"], "cannot be"),
        (["--out", "x"], "one folder for 2 experiments"),
        (["--results", "empty"], "there are no runs below"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for experiment in ("exp", "other"):
        write_run(tmp_path, experiment=experiment)
    Path("file").touch()
    results = [] if "--results" in words else ["--results", "."]
    chosen = ["--experiment", "exp"] if words == ["--out", "file/file"] else []
    assert sentence in refused(["figures", *results, *chosen, *words], tmp_path, capsys)


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["figures", "--help"])
    assert not stop.value.code
    assert "drac-bench figures --experiment demo" in " ".join(capsys.readouterr().out.split())
