"""The command drac-bench: bad input writes nothing, and one whole sweep on real Procgen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from checkout import ROOT
from matrix import sampled
from refusals import refused
from synthetic_runs import ARMS, TOTAL, tree, write_run

from benchmark import cli
from benchmark.commands import run as run_command
from benchmark.engines import engine, sweep
from benchmark.store.run_record import validate
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from drac import methods
from drac.config import TrainConfig
from drac.files import lock
from drac.methods import best_augmentations as best
from drac.runs import foreign_code
from drac.runs.meta import read_meta

DRAC_BENCH = str(Path(sys.executable).with_name("drac-bench"))
SMALL = [
    *("--num-envs", "8", "--num-steps", "16", "--steps", "300", "--eval-episodes", "3"),
    *("--eval-every", "0", "--device", "cpu", "--precision", "float32"),
]
ONE = ["--methods", "ppo", "--games", "coinrun"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # others test on these cores too
    monkeypatch.setattr(sweep, "BACK_OFF_S", 0.01)


# --- bad input ----------------------------------------------------------------------------------

BAD = {
    "no command": ("unknown command '--suite'", ["--suite", "demo"]),
    "unknown command": ("unknown command 'rnu'", ["rnu"]),
    "nothing to run": ("say what to run", ["run"]),
    "unknown suite": ("did you mean 'demo'", ["run", "--suite", "demoo"]),
    "unknown method": ("unknown method 'pppo'", ["run", "--methods", "pppo"]),
    "unknown augmentation": ("unknown method 'drac-cropp'", ["run", "--methods", "drac-cropp"]),
    "method in the wrong case": ("unknown method 'PPO'", ["run", "--methods", "PPO"]),
    "unknown game": ("did you mean 'coinrun'", ["run", "--methods", "ppo", "--games", "conrun"]),
    "game in the wrong case": (
        "unknown game 'Maze'",
        ["run", "--suite", "demo", "--games", "Maze"],
    ),
    "bad seeds": ("seeds '3-1'", ["run", "--suite", "demo", "--seeds", "3-1"]),
    "bad word for seeds": ("seeds 'x'", ["run", "--suite", "demo", "--seeds", "x"]),
    "seed too large": ("seed 2147483648", ["run", "--suite", "demo", "--seeds", "2147483648"]),
    "no workers": ("workers must be at least 1", ["run", "--suite", "demo", "--workers", "0"]),
    "bad workers": ("workers 'two'", ["run", "--suite", "demo", "--workers", "two"]),
    "unknown engine": ("did you mean 'slurm'", ["run", "--suite", "demo", "--engine", "slum"]),
    "option of another engine": (
        "--partition is for --engine slurm, not for the engine local",
        ["run", "--suite", "demo", "--partition", "gpu"],
    ),
    "workers of another engine": (
        "--workers is for --engine local, not for the engine slurm",
        ["run", "--suite", "demo", "--engine=slurm", "--workers", "2"],
    ),
    "bad GPUs": ("gpus 'all' must be", ["run", "--suite", "demo", "--gpus", "all"]),
    "GPUs of nothing": ("--runs-per-gpu needs", ["run", "--suite", "demo", "--runs-per-gpu", "2"]),
    "no runs on a GPU": (
        "runs_per_gpu must be at least 1",
        ["run", "--suite", "demo", "--gpus", "0", "--runs-per-gpu", "0"],
    ),
    "no cores": (
        "cpus_per_run must be at least 1",
        ["run", "--suite", "demo", "--cpus-per-run", "0"],
    ),
    "bad retries": ("retries 'for ever'", ["run", "--suite", "demo", "--retries", "for ever"]),
    "unknown option": ("'--step'", ["run", "--suite", "demo", "--step", "1"]),
    "bad value": ("steps 'many'", ["run", "--suite", "demo", "--steps", "many"]),
    "too few steps": ("fewer than one rollout", ["run", "--suite", "demo", "--steps", "1"]),
    "bad levels": ("levels '9-1'", ["run", "--suite", "demo", "--levels", "9-1"]),
    "bad fidelity": ("fidelity", ["run", "--suite", "demo", "--fidelity", "mine"]),
    "outside the store": ("experiment '../x'", ["run", "--suite", "demo", "--experiment", "../x"]),
    "experiment without name": ("experiment ''", ["run", "--suite", "demo", "--experiment", ""]),
    "methods of nothing": ("--methods names nothing", ["run", "--suite", "demo", "--methods"]),
    "games of nothing": ("--games names nothing", ["run", "--suite", "demo", "--games"]),
    "seeds of nothing": ("--seeds names nothing", ["run", "--suite", "demo", "--seeds"]),
    "results is a file": ("is a file", ["run", "--suite", "demo", "--results", "file"]),
    "results too long": ("too long", ["status", "--results", "x" * 300]),
    "run too long": ("too long", ["plot", "x" * 300]),
    "scores from a pipe": ("it is no regular file", ["import-scores", "pipe"]),
    "scores from a device": ("it is no regular file", ["import-scores", "/dev/zero"]),
    "results is a link to itself": (
        "Too many levels of symbolic links",
        ["run", "--suite", "demo", "--results", "loop"],
    ),
    "flag with the value --": (
        "missing value for argument '--results'",
        ["tables", "--results=--"],
    ),
    "status of the unknown": ("unknown experiment 'x'", ["status", "--experiment", "x"]),
    "status with a wrong option": ("--experimnt", ["status", "--experimnt", "x"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message, words = BAD[name]
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    assert message in refused(words, tmp_path, capsys)


def test_a_folder_with_another_config_names_the_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "results", experiment="default")
    words = ["run", *ONE, *SMALL, "--gamma", "0.5", "--levels", "0-9"]
    error = refused(words, tmp_path, capsys)
    assert "gamma is 0.999 there and 0.5 here" in error
    assert "levels is '0-199' there and '0-9' here" in error


def test_runs_cannot_be_shortened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = write_run(tmp_path / "results", experiment="default", steps=512)
    (run_dir / "meta.json").write_text('{"format": 1, "steps": 512}')
    said = refused(["run", *ONE, *SMALL], tmp_path, capsys)
    assert "has reached step 512, more than the" in said


def test_the_last_impossible_run_of_a_sweep_stops_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = Path("results/runs/default/ppo/maze")
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    words = ["run", "--methods", "ppo", "--games", "coinrun", "maze", *SMALL]
    assert str(in_the_way) in refused(words, tmp_path, capsys)


def test_cuda_that_is_absent_is_noticed_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no CUDA device" in refused(["run", *ONE, "--device", "cuda"], tmp_path, capsys)


# --- options ------------------------------------------------------------------------------------

OTHER: dict[str, Any] = {
    "steps": 2_000_000, "fidelity": "released", "device": "cpu", "precision": "bf16",
    "threads": 3, "env_groups": 2, "tf32": True, "cuda_graphs": False, "mode": "hard",
    "compile": True, "init_from": "runs/ppo",
    "levels": "5-9", "num_envs": 8, "num_steps": 32, "learning_rate": 1e-3,
    "adam_eps": 1e-4, "gamma": 0.9, "gae_lambda": 0.5, "epochs": 2, "minibatches": 4, "clip": 0.3,
    "entropy_coef": 0.02, "value_coef": 0.4, "max_grad_norm": 1.5, "reward_gamma": 0.8,
    "reward_clip": 5.0, "hidden_size": 64, "residual": "impala", "micro_batch": 16,
    "aug_coef": 0.2, "policy_target": "exact", "value_consistency_scale": 0.25,
    "flip_axis": "horizontal", "cutout_color_scale": "unit", "arms": ("flip", "crop"),
    "ucb_exploration": 0.7, "ucb_window": 3, "ucb_initial": "try-each-once",
    "ucb_reward": "standardized", "bandit_reward_rows": "rollout", "eval_every": 1000,
    "eval_episodes": 7, "eval_envs": 3, "checkpoint_every": 2.5, "augmentation": "rotate",
    "disk_wait": 5.0, "on_nan": "skip",
    "best_from": str(best.BEST_CSV), "meta_conv": "learned", "meta_inner_lr": 0.1,
    "meta_learning_rate": 0.1, "meta_train_share": 0.5, "bottleneck_coef": 0.1,
    "latent_samples": 3, "sni_lambda": 0.2, "mix_alpha": 0.3, "eval_filters": 2,
    "matching_coef": 0.3, "clean_probability": 0.4, "plr_score": "gae", "plr_temperature": 0.2,
    "plr_staleness": 0.2, "plr_smoothing": 0.5, "plr_replay": 0.5, "plr_min_seen": 0.5,
    "plr_cut_episodes": "released", "mix_advantages": "raw",
    "thompson_prior_mean": 1.0, "thompson_prior_weight": 0.1, "thompson_prior_shape": 2.0,
    "thompson_prior_scale": 0.1, "discounted_ucb_discount": 0.9,
    "discounted_ucb_exploration": 0.2, "exp3_exploration": 0.1, "exp3_range_window": 50,
    "rl2_hidden_size": 16, "rl2_learning_rate": 1e-3, "rl2_entropy_coef": 0.01,
    "rl2_reward_input": "latest", "minibatch_by": "steps", "idaac_policy_epochs": 2,
    "idaac_value_epochs": 3, "idaac_value_every": 2, "idaac_advantage_coef": 0.1,
    "idaac_order_coef": 0.01, "idaac_order_hidden": 8, "trpo_kl": 0.02, "trpo_damping": 0.2,
    "trpo_cg_steps": 5, "trpo_value_epochs": 2, "phasic_policy_epochs": 2, "phasic_updates": 4,
    "phasic_epochs": 3, "phasic_segments": 2, "phasic_clone_coef": 0.5, "dcpg_value_coef": 0.5,
    "per_game": "published", "recurrent": True, "episodes_per_trial": 4,
    "ddcpg_dynamics_coef": 0.5,
    "meta_coef_learning_rate": 0.01, "meta_coef_max": 0.5,
}  # fmt: skip
"""A value that is no default, for every option."""


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[tuple[RunSpec, TrainConfig]]:
    """What `drac-bench run` would run, instead of running it."""
    caught: list[tuple[RunSpec, TrainConfig]] = []
    monkeypatch.setattr(
        run_command, "_run", lambda store, name, runs, *_, **how: caught.extend(runs)
    )
    return caught


def test_every_option_is_known_here() -> None:
    assert set(OTHER) == set(TrainConfig.model_fields) - {"game", "method", "seed"}


SOME = ("steps", "levels", "tf32", "cuda_graphs", "augmentation", "arms", "best_from", "plr_score")


@pytest.mark.parametrize("name", sampled(OTHER, SOME))
def test_every_option_of_the_config_reaches_its_runs(
    name: str, swept: list[tuple[RunSpec, TrainConfig]]
) -> None:
    value = OTHER[name]
    words = value if isinstance(value, tuple) else (str(value),)
    having = [
        f"{m.name}-crop" if m.is_family and name != "augmentation" else m.name
        for m in methods.METHODS.values()
        if name in m.options
    ]
    method = "ucb-drac" if "ucb-drac" in having or not having else having[0]
    fidelity = [] if name == "fidelity" else ["--fidelity", "released"]
    cli.main(
        [
            *("run", "--methods", method, "--games", "maze", "--seeds", "1-2", *fidelity),
            *(f"--{name.replace('_', '-')}", *words),
        ]
    )
    assert [spec.seed for spec, _ in swept] == [1, 2]
    for _, config in swept:
        assert getattr(config, name) == value
        assert config.fidelity == "released"


def test_flags_overrule_the_suite(swept: list[tuple[RunSpec, TrainConfig]]) -> None:
    cli.main(["run", "--suite", "paper-table1", "--fidelity", "paper", "--seeds", "4", "5"])
    assert {config.residual for _, config in swept} == {"impala"}
    assert {spec.seed for spec, _ in swept} == {4, 5}
    assert {spec.experiment for spec, _ in swept} == {"paper-table1"}
    assert len({spec.game for spec, _ in swept}) == 16


def test_a_suite_keeps_its_preset(swept: list[tuple[RunSpec, TrainConfig]]) -> None:
    cli.main(["run", "--suite", "paper-table1", "--steps", "1M", "--experiment", "mine"])
    assert {(c.fidelity, c.residual, c.steps) for _, c in swept} == {
        ("released", "released", 1_000_000)
    }
    assert {spec.experiment for spec, _ in swept} == {"mine"}


@pytest.mark.parametrize("command", ["run", "status", "tables"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help-all" if command == "run" else "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert "example" in text
    if command == "run":
        for name in (*OTHER, "workers", "suite", "engine", "gpus", "retries"):
            assert f"--{name.replace('_', '-')}" in text


def test_torch_is_not_imported(tmp_path: Path) -> None:
    write_run(tmp_path / "results", "ucb-drac", arms=ARMS)
    code = """
import sys
from benchmark.cli import main
for words in (["--help"], ["tables"], ["status"], ["status", "--experiment", "exp"],
              ["run", "--help"], ["tables", "--help"],
              ["figures", "--figure", "gap", "bandit-shares"]):
    try:
        assert main(words) == 0, words
    except SystemExit as stop:
        assert not stop.code, words
    assert "torch" not in sys.modules, words
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


# --- status and tables on synthetic stores ------------------------------------------------------


def test_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out == "no runs below results/runs\n"
    results = tmp_path / "results"
    write_run(results)
    half = write_run(results, "ucb-drac", arms=ARMS)
    for name in ("progress.csv", "arms.csv", "eval.csv"):
        lines = (half / name).read_text().splitlines(keepends=True)
        (half / name).write_text("".join(lines[: 1 + len(lines) // 2]))
    Store(results).add_to_plan("exp", [RunSpec("exp", "ppo", "maze", k) for k in range(9)])
    with lock.owned(half):
        assert cli.main(["status"]) == 0
        overview = capsys.readouterr().out
        assert cli.main(["status", "--experiment", "exp"]) == 0
        each = capsys.readouterr().out
    assert "exp: 1 of 11 runs complete, 1 running\n" in overview
    assert "and 5 more: drac-bench status --experiment exp\n" in overview
    assert f"ppo/coinrun/seed0: complete  step {TOTAL}/{TOTAL}  1,234 steps/s" in each
    assert f"ucb-drac/coinrun/seed0: running  step 128/{TOTAL}  1,234 steps/s  0:00:00 left" in each
    assert "arm crop" in each
    assert each.count("not started") == 9
    assert cli.main(["status", "--experiment", "exp"]) == 0
    each = capsys.readouterr().out
    assert "ucb-drac/coinrun/seed0: incomplete" in each
    assert f"not complete: trained 128 of {TOTAL} steps; " in each


def test_status_opens_the_files_of_a_run_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = write_run(tmp_path), write_run(tmp_path, "ucb-drac", arms=ARMS)
    (half / "meta.json").unlink()
    opened: Counter[Path] = Counter()
    counting = True

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if counting and event == "open" and isinstance(arguments[0], str | Path):
            opened[Path(arguments[0])] += 1

    sys.addaudithook(count)  # which cannot be removed
    for words in ([], ["--experiment", "exp"]):
        opened.clear()
        assert cli.main(["status", "--results", str(tmp_path), *words]) == 0
        for name in ("config.json", "progress.csv", "eval.csv"):  # relative to its open folder
            assert opened[Path(name)] + opened[whole / name] + opened[half / name] == 2
    counting = False
    assert "not complete: no readable meta.json" in capsys.readouterr().out


# --- running, with fake training ----------------------------------------------------------------


def fake_training(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Execute this Python code in place of `drac train`; argv[1] is the run's folder."""

    def training(run: str, config: TrainConfig, run_dir: Path, *share: Any) -> engine.Job:
        return engine.Job(run, ("-c", code, str(run_dir)), run_dir, *share)

    monkeypatch.setattr(engine, "training", training)


def test_what_is_complete_is_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_training(monkeypatch, "raise SystemExit(1)")
    write_run(tmp_path / "results", experiment="default")
    assert cli.main(["run", *ONE, *SMALL]) == 0
    out = capsys.readouterr().out
    assert "default: 1 run, 1 complete, 1 at a time" in out
    assert "0 runs finished" in out
    assert cli.main(["run", *ONE, *SMALL, "--steps", "512"]) == 1  # longer: to be continued


def test_what_a_run_s_child_says_can_be_done_with_the_sweep() -> None:
    files = [
        path
        for name in ("runs", "train", "config", "files")
        for path in (ROOT / "drac" / name).glob("*.py")
    ]
    alone = re.compile(r"drac train --[^;\n]*")  # another command, whole
    words = {w for path in files for w in re.findall("--[a-z-]+", alone.sub("", path.read_text()))}
    assert {"--fresh", "--accept-changed-code"} <= words
    known = {*TrainConfig.model_fields, *(name for name, *_ in run_command._RUN_FLAGS)}
    of_others = {"--help", "--method", "--game", "--seed", "--signal", "--porcelain"}
    of_others |= {"--untracked-files"}  # git's, like the one before; sbatch's
    unknown = {word for word in words - of_others if word[2:].replace("-", "_") not in known}
    assert unknown == set()


def test_fresh_starts_over_what_is_complete_and_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = write_run(tmp_path / "results", experiment="default")
    words = ["run", *ONE, *SMALL, "--fresh", "--retries", "1"]
    assert cli.main([*words, "--accept-changed-code", "--track", "none", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("to do: 1 run, 256 steps, ")
    assert said.out.endswith("/seed0 --accept-changed-code --fresh\n")
    # an attempt that fails leaves what the next one goes on with
    fake_training(
        monkeypatch,
        f"import os, sys; made = os.path.exists(sys.argv[1] + '/config.json');"
        f"open(sys.argv[1] + '/config.json', 'w').write({TrainConfig().to_json()!r});"
        f"sys.exit('goes on' if made else 'begins')",
    )
    assert cli.main(words) == 1
    out = capsys.readouterr().out
    assert "starting over: 1 run kept as seedK.before-N\n" in out
    assert out.index("begins)") < out.index("goes on)")
    assert validate(run_dir.with_name("seed0.before-1")) == []
    assert not run_dir.with_name("seed0.before-2").exists()


@pytest.mark.parametrize("kind", ["module", "package"])
def test_a_complete_run_of_other_code_is_said_by_run_and_tables(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / ("my_plugin.py" if kind == "module" else "my_plugin/part.py")
    place.parent.mkdir(exist_ok=True)
    place.write_text("STRENGTH = 1\n")
    run_dir = write_run(tmp_path / "results", experiment="default")
    meta = read_meta(run_dir)
    now = foreign_code._hash("my_plugin")
    for code, changed in (
        (now, False),
        ("0" * 64, True),
    ):
        codes = {"my_plugin": code, "not_there": "1" * 64, "os.path": "2" * 64}
        (run_dir / "meta.json").write_text(json.dumps({**meta, "code": codes}))
        assert cli.main(["run", *ONE, *SMALL]) == 0
        said = capsys.readouterr().err
        assert (
            "1 complete run had another source of my_plugin than is here now" in said
        ) == changed
        assert said.count("\n") == changed
        assert cli.main(["tables"]) == 0
        out = " ".join(capsys.readouterr().out.split())
        told = "trained with another source of a plug-in than is here now: ppo/coinrun/seed0 (my_pl"
        assert (told in out) == changed
    assert "my_plugin" not in sys.modules


def test_a_dying_run_is_named_with_its_reason_and_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_training(
        monkeypatch,
        "import os, sys\nif 'maze' in sys.argv[1]: os.kill(os.getpid(), 9)\n"
        "if 'heist' in sys.argv[1]: sys.exit('out of luck')",
    )
    words = ["run", "--methods", "ppo", "--games", "maze", "heist", "coinrun", *SMALL]
    assert cli.main(words) == 1
    printed = capsys.readouterr()
    log = "its log is results/runs/default/ppo/{}/seed0/train.log"
    assert f"maze/seed0: FAILED (killed by SIGKILL); {log.format('maze')}" in printed.out
    assert f"FAILED (exit status 1, out of luck); {log.format('heist')}" in printed.out
    assert f"coinrun/seed0: FAILED (not started); {log.format('coinrun')}" in printed.out
    assert printed.err.count("\n") == 1
    assert "3 of 3 runs failed: default/ppo/" in printed.err
    assert printed.out.count("; tried again in 0:00:00") == 6
    before, _, summary = printed.out.partition("0 runs finished")
    assert before.count("] default/ppo/") == before.count(f": FAILED; {log[:20]}") == 3
    assert "\ndefault/ppo/heist/seed0: FAILED (exit status 1, out of luck); its log" in summary
    assert f"{log.format('heist')}\nthis run alone: python -c 'import os" in summary
    assert "  | " not in summary
    assert summary.count("this run alone: python ") == 3


def test_a_run_that_fails_once_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "made", experiment="default")
    fake_training(
        monkeypatch,
        "import os, pathlib, shutil, sys\nrun = pathlib.Path(sys.argv[1])\n"
        "if not (run / 'tried').exists():\n    (run / 'tried').touch()\n    sys.exit('once')\n"
        f"shutil.copytree('{tmp_path}/made/runs/default/ppo/coinrun/seed0', run, "
        "dirs_exist_ok=True)",
    )
    assert cli.main(["run", *ONE, *SMALL, "--retries", "1"]) == 0
    out = capsys.readouterr().out
    assert "default/ppo/coinrun/seed0: FAILED (exit status 1, once); its log is" in out
    assert "[1/1] default/ppo/coinrun/seed0: complete\n1 run finished" in out


def test_a_run_that_was_told_to_stop_is_left_and_the_status_says_try_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_training(monkeypatch, "raise SystemExit(75)")
    assert cli.main(["run", *ONE, *SMALL]) == 75
    out = capsys.readouterr().out
    assert "[1/1] default/ppo/coinrun/seed0: stopped after saving\n0 runs finished" in out
    assert out.endswith("1 run left; the same command continues\n")


def test_a_dry_run_prints_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *ONE, *SMALL, "--seeds", "0-1", "--dry-run"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("drac train --game coinrun --method ppo --seed 0 ")
    assert second.endswith(" --run-dir results/runs/default/ppo/coinrun/seed1")
    assert list(tmp_path.iterdir()) == []


def test_what_another_process_has_begun_is_left_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_training(monkeypatch, "raise SystemExit(1)")
    run_dir = tmp_path / "results/runs/default/ppo/coinrun/seed0"
    with lock.owned(run_dir):
        assert cli.main(["run", *ONE, *SMALL]) == 0
    assert "0 complete, 1 in the hands of another process" in capsys.readouterr().out


def test_a_run_that_another_process_took_meanwhile_is_no_failure(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), RunSpec("e", "ppo", "maze", 0)
    with lock.owned(store.run_dir(spec)):
        assert run_command._outcome(store, spec, 2).text.startswith("left to another process")
    assert run_command._outcome(store, spec, 2).text.startswith("FAILED (exit status 2")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_children_too(
    tmp_path: Path,
    number: signal.Signals,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_training(
        monkeypatch,
        f"import os, sys, time\nopen(sys.argv[1] + '/pid', 'w').write(str(os.getpid()))\n"
        f"os.kill(os.getppid(), {int(number)})\ntime.sleep(120)",
    )
    assert cli.main(["run", "--methods", "ppo", "--games", "all", *SMALL]) == 75
    out = capsys.readouterr().out
    assert "stopping: " in out
    assert out.endswith("stopped; the same command continues\n")
    (begun,) = Path("results/runs/default/ppo").glob("*/seed0/pid")  # of 16, one at a time
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
    assert len(Store(Path("results")).plan("default")) == 16


# --- running, with real training ----------------------------------------------------------------

CUT = ["--steps", "128", "--epochs", "1", "--hidden-size", "8", "--eval-episodes", "1"]
SMOKE = ["run", "--suite", "smoke", "--games", "starpilot", "--device", "cpu", *CUT]


def test_a_sweep_from_run_to_tables_and_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bench(*words: str) -> str:
        capsys.readouterr()
        assert cli.main([*words]) == 0
        return capsys.readouterr().out

    first = bench(*SMOKE, "--workers", "2")
    assert "[2/2] smoke/" in first
    assert first.count(": complete\n") == 2
    store = Store(tmp_path / "results")
    assert [spec.id for spec in store.specs("smoke")] == [
        "smoke/ppo/starpilot/seed0",
        "smoke/ucb-drac/starpilot/seed0",
    ]
    for spec in store.specs("smoke"):
        assert validate(store.run_dir(spec)) == []
    assert bench("status") == "smoke: 2 of 2 runs complete, 0 running\n"
    tables = bench("tables", "--suite", "smoke", "--all")
    assert "All 2 planned runs are complete." in tables
    assert "prove nothing" in tables
    scores = pd.read_csv(tmp_path / "results/tables/smoke/per-game.csv")
    for row in scores.to_dict("records"):
        episodes = pd.read_csv(
            tmp_path / f"results/runs/smoke/{row['method']}/starpilot/seed0/eval.csv"
        )
        for split in ("train", "test"):
            mean = episodes.loc[episodes["split"] == split, "return"].mean()
            assert row[f"{split}_mean"] == pytest.approx(mean)
    before = tree(tmp_path / "results/runs")
    again = bench(*SMOKE, "--workers", "2")
    assert "smoke: 2 runs, 2 complete, 2 at a time\n0 runs finished" in again
    assert tree(tmp_path / "results/runs") == before


@pytest.mark.full
def test_a_real_failing_run_names_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "results/runs/smoke/ppo/starpilot/seed0"
    (run_dir / "meta.json").mkdir(parents=True)  # the run cannot write its record
    assert cli.main([*SMOKE, "--methods", "ppo"]) == 1
    said = capsys.readouterr()
    assert "smoke/ppo/starpilot/seed0: FAILED (exit status 1" in said.out
    assert "its log is results/runs/smoke/ppo/starpilot/seed0/train.log" in said.out
    assert said.err == "1 of 1 run failed: smoke/ppo/starpilot/seed0\n"
    assert (run_dir / "train.log").stat().st_size > 0


@pytest.mark.full
def test_ctrl_c_stops_a_sweep_that_has_saved_its_runs_and_leaves_nobody(tmp_path: Path) -> None:
    words = [*SMOKE, "--methods", "ppo", "--steps", "10M"]
    run_dir = tmp_path / "results/runs/smoke/ppo/starpilot/seed0"
    with subprocess.Popen(
        [DRAC_BENCH, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as sweep:
        try:
            deadline = time.monotonic() + 600
            progress = run_dir / "progress.csv"
            while not progress.exists() or progress.read_text().count("\n") < 2:
                assert sweep.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            sweep.send_signal(signal.SIGINT)
            out, _ = sweep.communicate(timeout=600)
        finally:
            sweep.kill()
    assert sweep.returncode == 75, out
    assert "stopping: what runs saves its state first" in out
    assert out.endswith("stopped; the same command continues\n")
    assert list((run_dir / "checkpoint").iterdir())
    (session,) = read_meta(run_dir)["sessions"]
    with pytest.raises(ProcessLookupError):
        os.kill(session["pid"], 0)  # the child
