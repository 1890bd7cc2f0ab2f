"""Learning curves: drawn from a run's files, refused in one sentence where that cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from checkout import EVIDENCE
from matplotlib import image
from matplotlib.figure import Figure

from benchmark.cli import main
from benchmark.figures import canvas, run_curves

STARPILOT = EVIDENCE / "starpilot-ppo-500k"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STARPILOT, tmp_path / "a run"))


def test_a_picture_of_two_runs(run_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "curves.png"
    assert main(["plot", str(run_dir), str(STARPILOT), "--out", str(out)]) == 0
    pixels = image.imread(out)
    assert pixels.shape == (600, 1050, 4)
    assert pixels[..., :3].std() > 0.05  # something is drawn
    assert [path.name for path in out.parent.iterdir()] == ["curves.png"]


def test_the_curve_is_the_files_numbers() -> None:
    axes = Figure().subplots()
    run_curves._curves(axes, run_curves._read([STARPILOT]), ("C0", "-"))
    line, *_ = axes.get_lines()
    steps, returns = line.get_data()
    assert steps[-1] == 491_520
    assert returns[-1] == 4.58
    assert axes.get_legend_handles_labels()[1] == ["ppo on starpilot"]


def with_config(run_dir: Path, **changes: Any) -> Path:
    path = run_dir / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return run_dir


def test_seeds_share_a_line_of_their_mean(tmp_path: Path) -> None:
    """As far as all of them go; what differs besides the seed is another line, and is named."""
    one, two, other = (Path(shutil.copytree(STARPILOT, tmp_path / name)) for name in "abc")
    with_config(two, seed=1)
    with_config(other, precision="float32")
    lines = (two / "progress.csv").read_text().splitlines()[:5]
    (two / "progress.csv").write_text("\n".join([lines[0], *lines[1:]]) + "\n")
    runs = run_curves._read([one, two, other])
    assert [run.label for run in runs] == [
        "ppo on starpilot, precision bf16",
        "ppo on starpilot, precision bf16",
        "ppo on starpilot, precision float32",
    ]
    axes = Figure().subplots()
    run_curves._curves(axes, runs[:2], ("C0", "-"))
    thin, also_thin, mean = axes.get_lines()[:3]
    assert len(thin.get_xdata()) == 30
    assert len(also_thin.get_xdata()) == len(mean.get_xdata()) == 4
    returns = [run.progress["train_return"][3] for run in runs[:2]]
    assert mean.get_ydata()[-1] == pytest.approx(sum(returns) / 2)
    assert axes.get_legend_handles_labels()[1] == [f"{runs[0].label}: mean of 2 seeds"]


def test_the_part_before_every_env_has_ended_an_episode_is_lighter(run_dir: Path) -> None:
    path = run_dir / "progress.csv"
    table = pd.read_csv(path)
    table["envs_ended"] = [0.5, 0.75] + [1.0] * (len(table) - 2)
    table.to_csv(path, index=False)
    old, new = run_curves._read([STARPILOT]), run_curves._read([run_dir])
    for runs, widths in ((old, [30]), (new, [28, 3]), ([*new, *new], [28, 3] * 3)):
        axes = Figure().subplots()
        run_curves._curves(axes, runs, ("C0", "-"))
        lines = [line for line in axes.get_lines() if line.get_linestyle() == "-"]
        assert [len(line.get_xdata()) for line in lines] == widths
        run_curves._explain_markers(axes, runs)
        labels = axes.get_legend_handles_labels()[1]
        assert labels.count(canvas.EARLY) == (runs is not old)
        assert len({*labels}) == len(labels)


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
    assert canvas.count(value) == text
