"""Learning curves: drawn from a run's files, refused in one sentence where that cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from matplotlib import image

from benchmark import plots
from benchmark.cli import main

EVIDENCE = Path(__file__).parent.parent / "results" / "evidence" / "starpilot-ppo-500k"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EVIDENCE, tmp_path / "a run"))


def test_a_picture_of_two_runs(run_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "curves.png"
    assert main(["plot", str(run_dir), str(EVIDENCE), "--out", str(out)]) == 0
    pixels = image.imread(out)
    assert pixels.shape == (600, 1050, 4)
    assert pixels[..., :3].std() > 0.05  # something is drawn
    assert [path.name for path in out.parent.iterdir()] == ["curves.png"]


def test_the_curve_is_the_files_numbers(run_dir: Path) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    plots._curve(axes, run_dir, "C0")
    line, *_ = axes.get_lines()
    steps, returns = line.get_data()
    assert steps[-1] == 491_520
    assert returns[-1] == 4.58
    labels = axes.get_legend_handles_labels()[1]
    assert [label.partition(": ")[2] for label in labels] == [
        "last 100 training episodes",
        "train evaluation, 100 episodes",
        "test evaluation, 100 episodes",
    ]


def test_a_run_without_evaluation_is_drawn(run_dir: Path, tmp_path: Path) -> None:
    (run_dir / "eval.csv").unlink()
    assert main(["plot", str(run_dir), "--out", str(tmp_path / "x.svg")]) == 0
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")


def test_bad_input_is_one_sentence(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    broken = shutil.copytree(run_dir, tmp_path / "broken")
    (broken / "progress.csv").write_text("step,arm\n1,none\n")
    cases = {
        "say which runs": [],
        "is no run": [str(tmp_path / "empty")],
        "must end in .png": [str(run_dir), "--out", "x.bmp"],
        "has no column": [str(broken), "--out", str(tmp_path / "x.png")],
    }
    for sentence, words in cases.items():
        assert main(["plot", *words]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (5e5, "500k"), (2.5e7, "25M")])
def test_steps_are_written_as_they_are_typed(value: float, text: str) -> None:
    assert plots._steps_text(value) == text
