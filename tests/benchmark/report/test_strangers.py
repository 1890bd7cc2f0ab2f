"""Run folders from strangers in a report: no file of the user's is copied, no number ends it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from report_site import no_frames, pages
from synthetic_runs import load, write_run

from benchmark import cli
from benchmark.analysis import histories
from benchmark.analysis.comparable import variants
from benchmark.figures import levels
from benchmark.figures.drawing import SCREEN
from benchmark.report import frames
from benchmark.scores import imported
from benchmark.store import progress
from benchmark.store.store import Store
from drac.errors import ConfigError
from drac.files import lock

pytestmark = pytest.mark.usefixtures("without_figures")

SECRET = b"what is the user's alone"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a good run and one of a stranger, and beside it something of the user's own."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results")
    write_run(tmp_path / "results", "drac-crop")
    own = write_run(tmp_path / "own", "drac-crop") / "clips"
    own.mkdir()
    for name in ("a.mp4", "train.log", ".lock", "coinrun-easy-train.png"):
        (own / name).write_bytes(SECRET)
    return tmp_path


def report(here: Path) -> str:
    """Make a report, in which nothing of the user's is; returns the states of the runs."""
    words = ["report", "--results", "results", "--out", "rep", "--no-frames"]
    assert cli.main(words) == 0
    for path in (here / "rep").rglob("*"):
        assert path.is_dir() or SECRET not in path.read_bytes(), path
    runs = pd.read_csv(here / "rep/data/runs.csv")
    assert runs["state"][runs["run"] == "exp/ppo/coinrun/seed0"].tolist() == ["complete"]
    return "\n".join(runs["run"] + ": " + runs["state"])


@pytest.mark.parametrize(
    "link",
    [
        *("clips/a.mp4", "clips", "", "..", "../..", "config.json"),
        *(
            pytest.param(name, marks=pytest.mark.full)
            for name in ("meta.json", "eval.csv", "progress.csv", "arms.csv", "robustness.csv")
        ),
    ],
)
def test_a_link_is_named_and_not_followed(
    here: Path, capsys: pytest.CaptureFixture[str], link: str
) -> None:
    run = here / "results/runs/exp/drac-crop/coinrun/seed0"
    ours = here / "own/runs/exp/drac-crop/coinrun/seed0"
    path, target = Path(os.path.normpath(run / link)), Path(os.path.normpath(ours / link))
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    said = f"{path.relative_to(here)} is a symbolic link; what is in a"
    assert f"exp/drac-crop/coinrun/seed0: {said}" in report(here)
    assert said in " ".join(pages(here / "rep")["index.html"].text.split())
    capsys.readouterr()
    assert cli.main(["status"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert cli.main(["run", "--methods", "drac-crop", "--games", "coinrun", "--seeds", "0",
                     "--experiment", "exp"]) == 2  # fmt: skip
    assert said in capsys.readouterr().err


def test_a_linked_experiment_is_named_and_keeps_no_other_from_being_read(here: Path) -> None:
    (here / "results/runs/theirs").symlink_to(here / "own/runs/exp")
    said = report(here)
    assert "theirs/drac-crop/coinrun/seed0: results/runs/theirs is a symbolic link" in said
    (here / "results/runs/damaged").mkdir()
    (here / "results/runs/damaged/plan.json").symlink_to(here / "own/plan.json")
    assert cli.main(["report", "--out", "rep", "--no-frames", "--experiment", "exp"]) == 0
    with pytest.raises(ConfigError, match=r"plan.json cannot be read .*is a symbolic link"):
        Store(here / "results").specs("damaged")


@pytest.mark.parametrize("linked", ["results", "results/runs"])
def test_the_root_of_a_store_and_that_of_its_runs_may_be_links(
    here: Path, capsys: pytest.CaptureFixture[str], linked: str
) -> None:
    (here / linked).rename(here / "big disk")
    (here / linked).symlink_to(here / "big disk")
    assert "symbolic link" not in report(here)
    assert cli.main(["figures", "--figure", "train-curves"]) == 0
    assert "symbolic link" not in "".join(capsys.readouterr())


def test_a_pipe_is_not_waited_for(here: Path) -> None:
    run = here / "results/runs/exp/drac-crop/coinrun/seed0"
    (run / "clips").mkdir()
    for name in ("clips/a.mp4", ".lock", ".lock.claim", "train.log"):
        os.mkfifo(run / name)
    assert "is a pipe or a device" in report(here)
    assert "Left out: a.mp4" in pages(here / "rep")["games/coinrun.html"].text
    assert not lock.in_use(run)
    assert progress.last_line(run / "train.log") == ""


def test_no_other_file_of_a_store_is_read_through_a_link(here: Path) -> None:
    root, own = here / "results", here / "own/runs/exp/drac-crop/coinrun/seed0/clips"
    no_frames(root, ("coinrun",))
    drawn = root / "runs" / frames.CACHE
    (drawn / "coinrun-easy-train.png").unlink()
    (drawn / "coinrun-easy-train.png").symlink_to(own / "coinrun-easy-train.png")
    report(here)
    shutil.rmtree(drawn)
    drawn.symlink_to(own)
    report(here)
    assert frames.draw_missing(drawn, ["coinrun"], "easy").endswith(".frames is a symbolic link")
    run = root / "runs/exp/drac-crop/coinrun/seed0"
    (run / "train.log").symlink_to(own / "train.log")
    assert progress.last_line(run / "train.log") == ""
    imported.folder(root).mkdir()
    (imported.folder(root) / "a.csv").symlink_to(own / "a.mp4")
    with pytest.raises(ConfigError, match=r"a.csv is a symbolic link"):
        imported.load(root, "a")


@pytest.mark.parametrize("value", [10**399, [1, 2], "NaN", True, None, {"a": 1}])
def test_a_number_that_is_none_is_unknown(here: Path, value: object) -> None:
    run = here / "results/runs/exp/drac-crop/coinrun/seed0"
    (run / "meta.json").write_text(json.dumps({"format": 1, "wall_s": value, "steps": value}))
    clip = run / "clips/a.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"film")
    played = [{"level_seed": 7, "return": value}]
    record = {"split": "test", "step": 256, "episodes": played}
    clip.with_suffix(".json").write_text(json.dumps(record))
    assert "drac-crop/coinrun/seed0: complete" in report(here)
    runs = pd.read_csv(here / "rep/data/runs.csv").set_index("method")
    assert runs.loc["drac-crop", ["steps", "minutes"]].isna().all()
    (video,) = pages(here / "rep")["games/coinrun.html"].all("video")
    assert video["aria-label"].endswith("after 256 steps (level 7: return unknown)")


def test_what_a_label_says_can_be_printed(here: Path) -> None:
    for seed, path in enumerate(("best.csv", "\x1b[31mred\x00" + "y" * 5000)):
        config = write_run(here / "results", "drac-best", seed=seed) / "config.json"
        values = json.loads(config.read_text())
        config.write_text(json.dumps({**values, "best_from": path}))
    runs = load(here / "results")
    assert not any(runs["problems"])
    labels = variants(runs)
    assert all(label.isprintable() and len(label) < 1100 for label in labels)
    assert labels.str.contains("best_from=?[31mred?yyy", regex=False).any()


@pytest.mark.parametrize("level", ["1e300", "1e18", "-5", "4000000000", "777"])
def test_a_level_that_nobody_trained_on_ends_no_figure(here: Path, level: str) -> None:
    run = here / "results/runs/exp/drac-crop/coinrun/seed0"
    text = (run / "eval.csv").read_text()
    (run / "eval.csv").write_text(text.replace(",train,1,", f",train,{level},"))
    store = Store(here / "results")
    drawn = histories.load(store.load(store.specs("exp")))
    for draw in (levels.train_levels, levels.test_levels):
        (drawing,) = draw(drawn, SCREEN)
        assert drawing.data["level_seed"].between(0, 2**31).all()
