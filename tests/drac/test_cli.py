"""`drac`: its help, and what it does with good input."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from checkout import ROOT
from small_runs import small_run

from benchmark import cli as bench
from drac import cli
from drac.config import TrainConfig
from drac.errors import NonFinite

SMALL = ("--steps", "64", "--num-envs", "4", "--num-steps", "16", "--device", "cpu")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, where relative paths land."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Help


def test_help_has_an_example_and_needs_no_torch() -> None:
    code = """
import sys
from drac.cli import main
commands = (["train"], ["evaluate"], ["watch"], ["augmentations"])
commands += (["augmentations", "list"], ["augmentations", "show"])
for argv in ([], ["--help"], *([*command, "--help"] for command in commands)):
    try:
        print("status", main(argv))
    except SystemExit as stop:
        print("status", stop.code or 0)
    print("=====")
assert not {"torch", "procgen", "pandas", "kornia", "matplotlib", "av", "PIL"} & sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    helps = done.stdout.split("=====\n")[:8]
    assert [text.splitlines()[-1] for text in helps] == [f"status {n}" for n in (2, *[0] * 7)]
    for text in helps:
        assert "usage: drac" in text
    commands = ("train", "train", "train", "evaluate", "watch", *["augmentations"] * 3)
    for text, command in zip(helps, commands, strict=True):
        assert f"drac {command} " in text.replace("example", "").replace("usage:", "", 1)
        assert "example" in text
    assert "drac evaluate results/runs/" in helps[0]
    assert "--split test --episodes 100" in helps[3]


def test_the_reader_of_the_help_may_go_away() -> None:
    for unbuffered in ("", "1"):
        done = subprocess.run(
            f"{shlex.quote(sys.executable)} -m drac.cli train --help | true;"
            " echo ${PIPESTATUS[0]}",
            shell=True,
            executable="/bin/bash",
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        assert done.stdout in ("141\n", "0\n")


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_told(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (cli.main([flag]), bench.main([flag])) == (0, 0)
    version = metadata.version("procgen-drac")
    assert capsys.readouterr().out == f"drac {version}\ndrac-bench {version}\n"


# Good input to train


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainConfig, Path]]:
    """What `drac train` would have trained."""
    import drac.train
    from drac.train.session import TrainResult

    calls: list[tuple[TrainConfig, Path]] = []

    def train(config: TrainConfig, run_dir: Path, *args: object, **how: bool) -> TrainResult:
        calls.append((config, run_dir))
        return TrainResult(run_dir, 64, 1.0, 2.0)

    monkeypatch.setattr(drac.train, "train", train)
    return calls


def test_the_run_folder_follows_from_the_config(
    started: list[tuple[TrainConfig, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--method", "drac", "--augmentation", "flip(axis='vertical')", "--seed", "7"]
    flags += ["--game", "maze", "--experiment", "mine", "--results", "out"]
    assert cli.main(["train", *flags, *SMALL]) == 0
    ((config, run_dir),) = started
    assert run_dir == Path("out/runs/mine/drac-flip-axis-vertical/maze/seed7")
    assert (config.game, config.steps, config.num_envs) == ("maze", 64, 4)
    assert "train 1.00, test 2.00; files in out/runs/mine" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["run", "run/config.json"])
def test_a_config_is_a_command_line(
    started: list[tuple[TrainConfig, Path]], here: Path, given: str
) -> None:
    """What is given beside it changes it; the folder follows from the outcome."""
    saved = TrainConfig(
        game="maze",
        method="drac",
        augmentation="flip(axis='vertical')",
        fidelity="released",
        gamma=0.9,
    )
    (here / "run").mkdir()
    (here / "run" / "config.json").write_text(saved.to_json())
    assert cli.main(["train", "--config", given, "--experiment", "again"]) == 0
    assert cli.main(["train", "--seed", "3", f"--config={given}", "--steps", "1M"]) == 0
    (repeated, folder), (changed, _) = started
    assert repeated == saved
    assert folder == Path("results/runs/again/drac-flip-axis-vertical/maze/seed0")
    assert changed == saved.model_copy(update={"seed": 3, "steps": 10**6})


@pytest.mark.parametrize("name", ["with spaces", "füße/日本語", "[red]x[/]", ":smile:", "%s {0}"])
def test_a_run_folder_may_have_any_name(
    started: list[tuple[TrainConfig, Path]], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert cli.main(["train", *SMALL, "--run-dir", name]) == 0
    assert started[0][1] == Path(name)
    assert f"files in {name}\n" in capsys.readouterr().out


def test_a_stopped_run_says_so_and_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import drac.train
    from drac.errors import Interrupted

    def stop(*args: object, **how: bool) -> None:
        raise Interrupted("saved at step 64; the same command continues")

    monkeypatch.setattr(drac.train, "train", stop)
    assert cli.main(["train", *SMALL]) == 75
    assert "the same command continues" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "drac train: stopped"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (NonFinite("the policy is NaN"), 1, "drac train: error: the policy is NaN"),
    ],
)
def test_what_stops_a_run_otherwise_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    import drac.train

    def fail(*args: object, **how: bool) -> None:
        raise error

    monkeypatch.setattr(drac.train, "train", fail)
    assert cli.main(["train", *SMALL]) == status
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err


# Evaluate


def test_an_evaluation_keeps_every_episode(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_run(here / "ein lauf")
    argv = ["--split", "300-309", "--episodes", "3", "--num-envs", "2", "--seed", "5"]
    assert cli.main(["evaluate", "ein lauf", *argv]) == 0
    out = capsys.readouterr().out
    assert "ppo on bigfish, seed 0, step 32, 300-309 split" in out
    assert "3 episodes on" in out
    path = here / "ein lauf" / "evaluations" / "300-309-seed5-step32.csv"
    assert f"every episode: {path.relative_to(here)}" in out
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    assert header == "step,split,level_seed,return,length"
    assert len(rows) == 3
    for row in rows:
        step, split, level, _, length = row.split(",")
        assert (step, split) == ("32", "300-309")
        assert 300 <= int(level) <= 309
        assert int(length) > 0
