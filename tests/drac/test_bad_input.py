"""Bad input to any command of `drac` is one line, status 2, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_runs import small_run, tree

from drac import cli
from drac.config import as_argv
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


BAD: dict[str, list[tuple[str, str]]] = {
    "train": [
        ("--game coinrum", "unknown game 'coinrum' (did you mean 'coinrun'?); choose from bigfish"),
        ("--game=", "unknown game ''"),
        ("--method UCB-DrAC", "did you mean 'ucb-drac'?"),
        ("--method drac", "needs an augmentation"),
        ("--method drac --augmentation flip(axis='diagonal')", "'diagonal'"),
        ("--method drac --augmentation flip(angle=3)", "unknown argument of flip 'angle'"),
        ("--method daac --recurrent", "'daac' has no option recurrent; it belongs to drac-..."),
        ("--method ppo-lstm", "num_envs 4 is not divisible by minibatches 8, which recurrent"),
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
        ("--game=--", "missing value for argument '--game'"),
        ("--method drac-best --best-from odd/pipe", "pipe cannot be read"),
        ("--run-dir odd/loop", "loop is a link to nothing"),
        ("--results odd/loop/x", "Too many levels of symbolic links"),
        ("--config nowhere.json", "nowhere.json cannot be read as a run's configuration"),
        ("--config odd", "odd is no run: it holds no config.json"),
        ("--config store", "store is no run but a folder of runs: m/g/seed0, m/g/seed1"),
        ("--config file", "file cannot be read as a run's configuration"),
        ("--config=", "config is empty"),
        ("--config", "missing value for argument '--config'"),
        ("--config run --game maez", "unknown game 'maez' (did you mean 'maze'?)"),
        ("--game maze stray", "stray"),
        ("stray", "stray"),
        ("-x", "-x"),
    ],
    "evaluate": [
        ("", "PATH"),
        ("nowhere", "nowhere is no run: it does not exist\n"),
        ("rum", "rum is no run: it does not exist (did you mean 'run'?)\n"),
        ("store/m/gg/seed0", "seed0 is no run: store/m/gg does not exist (did you mean 'g'?)\n"),
        (
            "store/m/g/seed11",
            "store/m/g/seed11 is no run: it does not exist (did you mean 'seed1'?)\n",
        ),
        (".", ". is no run but a folder of runs: empty, run\n"),
        ("folder.png", "folder.png is no run: it holds no config.json\n"),
        ("store", "a folder of runs: m/g/seed0, m/g/seed1, m/g/seed2 and 1 more\n"),
        ("store/m/g", "store/m/g is no run but a folder of runs: seed0, seed1, seed2 and 1"),
        ("store/*", "store/m is no run but a folder of runs: g/seed0,"),
        ("run/config.json", "run/config.json is no run: it is no folder\n"),
        ("odd/loop", "odd/loop is no run: it is no folder\n"),
        ("empty", "empty has no checkpoint yet"),
        ("run stray", "stray"),
        ("run --episodes=--", "missing value for argument '--episodes'"),
        ("run --out odd/loop/x.csv", "loop is a link to nothing"),
        ("run --episodes 0", "episodes must be at least 1, not 0"),
        ("run --episodes -3", "episodes '-3' is not a whole number"),
        ("run --episodes ten", "episodes 'ten' is not a whole number"),
        ("run --num-envs 0", "num_envs must be at least 1"),
        ("run --seed -1", "seed '-1'"),
        ("run --split foo", "split must be train, test or a range of levels A-B, not 'foo'\n"),
        ("run --split levels", "A-B, not 'levels' (did you mean --levels?)\n"),
        ("run --split tset", "test or a range of levels A-B, not 'tset' (did you mean 'test'?)\n"),
        (
            "run --split 4-",
            "split must be train, test or a range of levels A-B: levels '4-' must be A-B",
        ),
        (
            "run --split 5-4",
            "split must be train, test or a range of levels A-B: levels '5-4' are empty",
        ),
        ("run --split", "--split"),
        ("run --out taken.csv", "taken.csv exists; choose another --out"),
        ("run --out run", "run exists; choose another --out"),
        ("run --out taken.csv/x.csv", "taken.csv is a file"),
        ("run --steps 5", "unknown option '--steps'"),
        ("run --device gpu", "unknown device 'gpu' (did you mean 'cpu'?); choose from auto, cpu, "),
        ("run --device cud", "did you mean 'cuda'"),
        ("run --robustness --out a.txt", "must end in .csv"),
        ("run --robustness --split tset", "split must be train, test or a range of levels A-B"),
        ("run --split=", "split is empty"),
        ("run --robustnes", "did you mean '--robustness'"),
        ("run --robustness --episodes 0", "episodes must be at least 1, not 0"),
    ],
    "export": [
        ("run --out policy.pt", "policy.pt must end in .safetensors"),
        ("nowhere --out a.safetensors", "nowhere is no run: it does not exist\n"),
        ("store --out a.safetensors", "store is no run but a folder of runs: m/g/seed0,"),
        ("empty --out a.safetensors", "empty has no checkpoint yet"),
        ("run --out file/a.safetensors", "file is a file"),
        ("run stray", "stray"),
        ("", "RUN"),
    ],
    "augmentations show": [
        ("--game conrun", "unknown game 'conrun' (did you mean 'coinrun'?)"),
        ("--out x.bmp", "x.bmp must end in .png, .pdf, .svg"),
        ("--out folder.png", "folder.png is a folder"),
        ("--out file/x.png", "file is a file"),
        ("crop", "crop belongs to no option; drac augmentations show --help lists"),
        ("--augmentations crp", "unknown augmentation 'crp'"),
        ("--augmentations crop(pad=1)", "unknown argument of crop 'pad'"),
        ("--augmentations kornia:RandomBlurr", "RandomBlurr"),
        ("--augmentations no_such_module:Blur", "no_such_module"),
        ("--augmentations crop crop()", "crop is given twice"),
        ("--frames 0", "frames must be at least 1"),
        ("--draws none", "draws 'none'"),
        ("--seed -1", "seed '-1'"),
        ("--seed 99999999999", "seed must be below"),
        ("--frames 50 --draws 50", "frames 50 x draws 50"),
        ("--gmae maze", "unknown option '--gmae'"),
    ],
    "augmentations list": [("--game maze", "unknown option '--game'"), ("crop", "crop")],
    "augmentations": [("lst", "unknown command 'lst' (did you mean 'list'?)")],
}
BEFORE = {"train": SMALL, "augmentations show": ("--out", "new/x.png")}
"""What is given in front of the flags."""


@pytest.mark.parametrize(
    "words",
    ["evaluate run --robustness", "export run --format onnx", "export run --format=torchscript"],
)
def test_what_shows_single_images_refuses_a_recurrent_run(
    refused: Callable[..., str], here: Path, words: str
) -> None:
    small_run(here / "run", method="ppo-lstm")
    assert "single images" in (said := refused(*words.split()))
    assert "method 'ppo-lstm' here is recurrent" in said


@pytest.mark.parametrize(
    ("command", "flags", "message"),
    [(command, *case) for command, cases in BAD.items() for case in cases],
)
def test_bad_input_is_one_line(
    refused: Callable[..., str], here: Path, command: str, flags: str, message: str
) -> None:
    small_run(here / "run")
    small_run(here / "empty", saved=False)
    for seed in range(4):
        small_run(here / f"store/m/g/seed{seed}", saved=False)
    (here / "taken.csv").touch()
    (here / "file").touch()
    (here / "folder.png").mkdir()
    (here / "odd").mkdir()
    (here / "odd" / "loop").symlink_to("loop")
    os.mkfifo(here / "odd" / "pipe")
    line = refused(*command.split(), *BEFORE.get(command, ()), *flags.split())
    assert line.startswith(f"drac {command}: error: ")
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


@pytest.mark.parametrize("words", ["export {}", "evaluate {}", "export run --out {}.safetensors"])
def test_a_path_that_no_file_can_have(refused: Callable[..., str], here: Path, words: str) -> None:
    small_run(here / "run")
    assert "too long" in refused(*words.format("x" * 300).split())


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
    (path,) = (here / "run" / "checkpoint").iterdir()
    path.rename(path.with_name("step_000000000064.pt"))
    said = refused("train", "--run-dir", "run", *flags)
    assert "reached step 64, more than the 32 asked for" in said


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 9}', '{"a": 1}', "[" * 100_000])
def test_a_folder_with_a_damaged_config(
    refused: Callable[..., str], here: Path, content: str
) -> None:
    (here / "config.json").write_text(content, encoding="utf-8")
    assert "config.json" in refused("train", *SMALL, "--run-dir", ".")


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


def test_cuda_that_is_absent_is_said(
    refused: Callable[..., str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "'cuda' was asked for" in refused("train", *SMALL[:-1], "cuda")
    small_run(here / "run")
    line = refused("evaluate", "run", "--device", "cuda")
    assert "torch finds no CUDA device here; use --device cpu" in line
