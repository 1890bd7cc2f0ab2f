"""Methods of one's own augmentations have names that are short, and understood wherever typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from refusals import refused
from synthetic_runs import write_run

from augmentations import slug
from benchmark import cli
from drac.runs.meta import META

MINE, OTHER = "mine:Vignette", "other.augs:Vignette"
FOLDER, AMONG = f"drac-{slug(MINE)}", f"drac-{slug(OTHER)}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("COLUMNS", "80")
    write_run(tmp_path / "results")
    yield tmp_path
    sys.modules.pop("mine", None)


def own(here: Path, spec: str = MINE, seed: int = 0) -> Path:
    return write_run(here / "results", "drac", seed=seed, augmentation=spec)


def out(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(words) == 0
    return " ".join(capsys.readouterr().out.split())


def test_tables_status_and_figures_say_what_is_enough_and_data_all(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own(here)
    assert f"drac-vignette is drac-{MINE}, its folder {FOLDER}." in out(capsys, "tables", "--all")
    per_game = (here / "results/tables/exp/per-game.csv").read_text().splitlines()
    assert f"coinrun,{FOLDER},drac-vignette," in "\n".join(per_game)
    for words in (["tables"], ["status", "--experiment", "exp"]):
        said = out(capsys, *words)
        assert "drac-vignette" in said
        assert FOLDER not in said
    (run,) = (r for r in json.loads(out(capsys, "status", "--json"))["experiments"][0]["runs"]
              if r["method"] != "ppo")  # fmt: skip
    assert run["method"] == FOLDER
    out(capsys, "figures", "--figure", "intervals")
    assert "drac-vignette," in (here / "results/figures/exp/intervals.csv").read_text()


def test_of_two_that_would_be_confused_each_has_all_of_its_name(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own(here)
    own(here, OTHER)
    said = out(capsys, "tables", "--all")
    for spec, folder in ((MINE, FOLDER), (OTHER, AMONG)):
        assert f"{folder} is drac-{spec}, its folder {folder}." in said
    said = refused(["compare", "drac-vignette", "ppo"], here, capsys)
    assert f"several are called 'drac-vignette': say which, '{FOLDER}' or '{AMONG}'" in said
    run = "exp/drac-vignette/coinrun/seed0"
    for words in (["run", "--methods", "drac-vignette"], ["logs", run]):
        said = refused(words, here, capsys)
        assert "say which, " in said
        assert FOLDER in said
        assert AMONG in said


def test_a_slip_in_the_name_of_a_trained_method_is_told_the_nearest(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own(here)
    said = refused(["run", "--methods", "drac-vignete"], here, capsys)
    assert "unknown method 'drac-vignete' (did you mean 'drac-vignette'?)" in said
    assert "unknown method 'drac-crp'" in refused(["run", "--methods", "drac-crp"], here, capsys)


def test_a_name_that_another_method_has_is_not_made_short(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own(here, "mine:Crop")
    assert f"drac-{slug('mine:Crop')}" in out(capsys, "tables")


@pytest.mark.parametrize(
    "name", ["drac-vignette", FOLDER, f"drac-{MINE}", "exp:drac-vignette", f"exp:{FOLDER}", "drac"]
)
def test_compare_takes_every_spelling(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own(here)
    said = out(capsys, "compare", name, "ppo")
    assert "drac-vignette" in said
    assert FOLDER not in said


def test_what_lacks_a_complete_run_is_known_by_its_short_name(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own(here) / "eval.csv").unlink()
    said = refused(["compare", "drac-vignette", "ppo"], here, capsys)
    assert "'drac-vignette' has no complete run yet" in said
    assert "drac-vignette/coinrun/seed0 (" in out(capsys, "tables", "--all")


@pytest.mark.parametrize("name", ["drac-vignette", FOLDER, f"drac-{MINE}"])
def test_a_sweep_and_a_log_take_every_spelling(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = own(here)
    (here / "mine.py").write_text("def Vignette(images):\n    return images\n")
    words = ["run", "--experiment", "exp", "--methods", name, "--games", "maze", "--dry-run"]
    assert f"--method {FOLDER} --seed 0 --augmentation {MINE} " in out(capsys, *words)
    suite = f"""methods = ["ppo", "{name}"]\n[method."{name}"]\ngamma = 0.9\n"""
    (here / "mine.toml").write_text(suite)
    said = out(capsys, "run", "--suite", "mine.toml", *words[1:])
    assert f"--method {FOLDER} --seed 0 --gamma 0.9 --augmentation {MINE} " in said
    (run_dir / "train.log").write_text("trained\n")
    if ":" not in name:
        assert out(capsys, "logs", f"exp/{name}/coinrun/seed0") == "trained"


def test_changed_code_of_a_run_that_is_to_go_on_is_refused_before_anything_begins(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [own(here, seed=seed) for seed in (0, 1)]
    for run_dir in runs:
        (run_dir / "eval.csv").unlink()
        meta = json.loads((run_dir / META).read_text())
        meta |= {"steps": 128, "code": {"mine": "0123"}}
        (run_dir / META).write_text(json.dumps(meta))
    (here / "mine.py").write_text("raise RuntimeError('it is not imported')\n")
    config = json.loads((runs[0] / "config.json").read_text())
    sizes = ["num_envs", "num_steps", "steps", "eval_episodes", "eval_every", "device", "precision"]
    words = ["run", "--experiment", "exp", "--methods", "drac-vignette", "--games", "coinrun"]
    words += ["--seeds", "0-1", *(f"--{n.replace('_', '-')}={config[n]}" for n in sizes)]
    said = refused(words, here, capsys)
    first = runs[0].relative_to(here)
    assert f"the source of mine has changed since {first} and 1 more were last trained;" in said
    again = f"which is recorded: drac-bench {' '.join(words)} --accept-changed-code\n"
    assert said.endswith(again)
    assert "has changed" in out(capsys, "status", "--experiment", "exp")
    (experiment,) = json.loads(out(capsys, "status", "--json"))["experiments"]
    code = {run["id"]: run["changed_code"] for run in experiment["runs"]}
    assert code == {
        "exp/ppo/coinrun/seed0": [],
        **{f"exp/{FOLDER}/coinrun/seed{seed}": ["mine"] for seed in (0, 1)},
    }
    alone = f"--methods {FOLDER} --games coinrun --seeds 0 1 --fresh"
    assert f"start over (drac-bench {' '.join(words)} {alone}), or go on with" in said
    assert cli.main([*words, "--accept-changed-code"]) == 2
    assert "RuntimeError: it is not imported (in <module>, line 1 of " in capsys.readouterr().err
    (here / "mine.py").write_text("def Vignette(images):\n    return images\n")
    todo = out(capsys, *words[:4], "ppo", *words[4:], *alone.split(), "--dry-run")
    assert (todo.count("--method "), todo.count(f"--method {FOLDER} ")) == (2, 2)
