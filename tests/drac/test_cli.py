"""`drac`: its help, and that bad input is one line, status 2, and nothing written."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkout import ROOT
from small_runs import small_run, tree

from drac import cli
from drac.commands.flags import as_argv
from drac.config import TrainConfig
from drac.errors import NonFinite
from drac.games import GAMES
from drac.runs import checkpoint

SMALL = ("--steps", "64", "--num-envs", "4", "--num-steps", "16", "--device", "cpu")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, where relative paths land."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail, and return its one line."""

    def run(*argv: str) -> str:
        before = tree(here)
        assert cli.main(argv) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.endswith("\n")
        assert err.startswith("drac")
        assert ": error: " in err
        assert tree(here) == before
        return err

    return run


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


# Bad input to train


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--game coinrum", "unknown game 'coinrum' (did you mean 'coinrun'?); choose from bigfish"),
        ("--game=", "unknown game ''"),
        ("--method UCB-DrAC", "did you mean 'ucb-drac'?"),
        ("--method drac", "needs an augmentation"),
        ("--method drac --augmentation flip(axis='diagonal')", "'diagonal'"),
        ("--method drac --augmentation flip(angle=3)", "unknown argument of flip 'angle'"),
        ("--arms", "arms are empty"),
        ("--arms flip(angle=3)", "angle"),
        ("--steps 63", "steps 63 are fewer than one rollout"),
        ("--steps lots", "'lots' is not a whole number"),
        ("--steps -5", "'-5' is not a whole number"),
        ("--num-envs -4", "num_envs '-4'"),
        ("--levels -5-10", "levels '-5-10' must be A-B"),
        ("--levels=-5-10", "levels '-5-10' must be A-B"),
        ("--fidelity papers", "'paper' or 'released'"),
        ("--precision fp16", "precision 'fp16'"),
        ("--device gpu", "device 'gpu'"),
        ("--seed -1", "seed '-1'"),
        ("--seed 1.5", "seed '1.5'"),
        ("--seed 99999999999", "seed '99999999999'"),
        ("--aug-coef nan", "aug_coef 'nan'"),
        ("--method plr --split test", "evaluated on both splits: --split test belongs"),
        ("--gme maze", "unknown option '--gme' (did you mean '--game'?)"),
        ("--game", "'--game'"),
        ("--game maze stray", "stray"),
        ("stray", "stray"),
        ("-x", "-x"),
    ],
)
def test_a_bad_flag_is_one_line(refused: Callable[..., str], flags: str, message: str) -> None:
    line = refused("train", *SMALL, *flags.split())
    assert line.startswith("drac train: error: ")
    assert message in line
    assert len(line) < 500


def test_valid_names_are_listed(refused: Callable[..., str]) -> None:
    line = refused("train", "--game", "pong")
    assert all(game in line for game in GAMES)


@pytest.mark.parametrize("command", ["trian", "", "--game", "-v"])
def test_an_unknown_command_is_one_line(refused: Callable[..., str], command: str) -> None:
    assert "unknown command" in refused(command)


def test_line_breaks_in_what_was_given_make_no_second_line(refused: Callable[..., str]) -> None:
    refused("train", "--game", "coin\nrun")
    refused("evaluate", "no\nwhere")


def test_cuda_without_cuda(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "'cuda' was asked for" in refused("train", *SMALL[:-1], "cuda")


def test_a_file_where_the_folder_should_be(refused: Callable[..., str], here: Path) -> None:
    (here / "file").touch()
    assert "file is a file" in refused("train", *SMALL, "--run-dir", "file")
    assert "file is a file" in refused("train", *SMALL, "--run-dir", "file/sub/run")
    assert "file is a file" in refused("train", *SMALL, "--results", "file")


def test_an_unwritable_folder(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *args: False)  # root may write anywhere
    assert "new cannot be written: no permission" in refused("train", *SMALL, "--run-dir", "new")


def test_a_folder_that_the_system_does_not_make(refused: Callable[..., str]) -> None:
    assert "cannot be written" in refused("train", *SMALL, "--run-dir", "/proc/self/new/run")
    assert "too long" in refused("train", *SMALL, "--run-dir", "x" * 300)


def test_a_folder_with_another_config(refused: Callable[..., str], here: Path) -> None:
    small_run(here / "ä run")
    line = refused("train", "--run-dir", "ä run", "--game", "maze", "--method", "ppo")
    assert "ä run holds a run with another configuration" in line
    assert "game is 'bigfish' there and 'maze' here" in line
    assert "hidden_size is 4 there and 256 here" in line
    assert "seed" not in line


def test_a_folder_with_a_longer_run(refused: Callable[..., str], here: Path) -> None:
    config = small_run(here / "run", steps=64)
    flags = as_argv(config.model_copy(update={"steps": 32}))
    assert "continued, not shortened" in refused("train", "--run-dir", "run", *flags)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 9}', '{"a": 1}', "[" * 100_000])
def test_a_folder_with_a_damaged_config(
    refused: Callable[..., str], here: Path, content: str
) -> None:
    (here / "config.json").write_text(content, encoding="utf-8")
    assert "config.json" in refused("train", *SMALL, "--run-dir", ".")


# Good input to train


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainConfig, Path]]:
    """What `drac train` would have trained."""
    import drac.train
    from drac.train.session import TrainResult

    calls: list[tuple[TrainConfig, Path]] = []

    def train(config: TrainConfig, run_dir: Path, watcher: object, fresh: bool) -> TrainResult:
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

    def stop(*args: object) -> None:
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

    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(drac.train, "train", fail)
    assert cli.main(["train", *SMALL]) == status
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err


# Evaluate


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("", "PATH"),
        ("nowhere", "nowhere is no run"),
        (".", "is no run"),
        ("run/config.json", "is no run"),
        ("empty", "empty has no checkpoint yet"),
        ("run stray", "stray"),
        ("run --episodes 0", "episodes must be at least 1, not 0"),
        ("run --episodes -3", "episodes '-3' is not a whole number"),
        ("run --episodes ten", "episodes 'ten' is not a whole number"),
        ("run --num-envs 0", "num_envs must be at least 1"),
        ("run --seed -1", "seed '-1'"),
        ("run --split foo", "split must be train, test or levels A-B"),
        ("run --split 5-4", "split must be train, test or levels A-B: levels '5-4' are empty"),
        ("run --split", "--split"),
        ("run --out taken.csv", "taken.csv exists; choose another --out"),
        ("run --out run", "run exists; choose another --out"),
        ("run --out taken.csv/x.csv", "taken.csv is a file"),
        ("run --steps 5", "unknown option '--steps'"),
    ],
)
def test_a_bad_evaluation_is_one_line(
    refused: Callable[..., str], here: Path, flags: str, message: str
) -> None:
    small_run(here / "run")
    small_run(here / "empty", saved=False)
    (here / "taken.csv").touch()
    line = refused("evaluate", *flags.split())
    assert line.startswith("drac evaluate: error: ")
    assert message in line


def test_a_damaged_checkpoint_and_one_of_another_network_are_one_line(
    refused: Callable[..., str], here: Path
) -> None:
    config = small_run(here / "run")
    path = checkpoint.newest(here / "run")
    assert path is not None
    other = config.model_copy(update={"hidden_size": 32})
    (here / "run" / "config.json").write_text(other.to_json(), encoding="utf-8")
    assert "does not fit" in refused("evaluate", "run")
    path.write_bytes(path.read_bytes()[:1000])
    assert "cannot be read as a checkpoint" in refused("evaluate", "run")


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
