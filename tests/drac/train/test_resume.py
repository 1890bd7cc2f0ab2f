"""Stopped and continued, every method ends with the bits of a run that was never stopped."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from procgen_runs import procgen_config
from recording import Recording
from tiny_runs import (
    OPTIONS,
    Numbers,
    assert_same_run,
    play_numbers,
    rows,
    state,
    tables,
    tiny_config,
)

from drac import cli, methods
from drac.config import TrainConfig
from drac.envs.levels import LEVEL_COLUMNS
from drac.errors import ConfigError, DiskError, Interrupted
from drac.evaluate import evaluate
from drac.policy.agent import load_agent
from drac.runs import checkpoint, meta
from drac.runs.meta import read_meta
from drac.runs.signals import EXIT_CODE
from drac.stats import Report
from drac.train import train
from drac.train.state import Training

METHODS = {
    **{name: {} for name in methods.METHODS},
    "drac": {"augmentation": "random-conv"},
    "rad": {"augmentation": "color-jitter"},
    "rad-rollout": {"augmentation": "random-conv"},
    "dra": {"augmentation": "flip"},
    "drac-meta-coef": {"augmentation": "flip", "meta_coef_learning_rate": 0.05},
    "drc": {"augmentation": "rotate"},
    "rand-fm": {"eval_filters": 2},
    "ibac-sni": {"latent_samples": 2},
    "daac": {"idaac_value_every": 3, "idaac_value_epochs": 1},
    "idaac": {"idaac_value_every": 2, "idaac_value_epochs": 2, "idaac_order_hidden": 3},
    "trpo": {"trpo_value_epochs": 1},
    "ppg": {"phasic_updates": 3, "phasic_epochs": 2, "phasic_segments": 2},
    "dcpg": {"phasic_updates": 2, "phasic_epochs": 2},
    "ddcpg": {"phasic_updates": 2, "phasic_epochs": 2},
    "ucb-drac": {"ucb_initial": "try-each-once", "ucb_window": 2},
    "ucb-rad": {"ucb_reward": "standardized"},
    "meta-drac": {"policy_target": "sampled"},
}
ARMS = ("random-conv", "color-jitter", "flip")
CASES = [(m, "paper") for m in METHODS if not methods.METHODS[m].chooses_levels]
CASES += [(m, "released") for m in ("ppo", "ucb-drac", "rl2-drac", "meta-drac", "rand-drac", "dra")]
SOME = [
    *(("ppo", "paper"), ("drac", "paper"), ("ucb-drac", "released"), ("rand-fm", "paper")),
    *((f"{bandit}-drac", "paper") for bandit in ("thompson", "exp3", "rl2", "meta")),
    *((method, "paper") for method in ("ibac-sni", "mixreg", "daac", "idaac")),
    *((method, "paper") for method in ("reinforce-baseline", "trpo", "ppg", "dcpg")),
    *((method, "paper") for method in ("rad-rollout", "drac-meta-coef", "ddcpg", "ppo-lstm")),
]
"""Those with a state of their own; the other cases are of the full matrix."""


@pytest.mark.parametrize(
    ("method", "fidelity"),
    [case if case in SOME else pytest.param(*case, marks=pytest.mark.full) for case in CASES],
)
def test_every_method_continues_exactly(
    method: str, fidelity: str, tiny: None, tmp_path: Path
) -> None:
    """Stopped by signals, the first before an evaluation, in an evaluation, and killed."""
    options: dict[str, Any] = {"method": method, "fidelity": fidelity, **METHODS[method]}
    if "arms" in methods.METHODS[method].options:
        options["arms"] = ARMS
    config = tiny_config(**{"steps": 64, "eval_every": 24, "eval_episodes": 2, **options})
    train(config, tmp_path / "straight")
    run_dir = tmp_path / "stopped"
    for recording in (Recording(3), Recording(5), Recording(stop_in=("test", 1))):
        with pytest.raises(Interrupted):
            train(config, run_dir, recording)
    newest = checkpoint.newest(run_dir)
    assert newest
    assert newest.name == "step_000000000048.pt"
    newest.unlink()  # as if it had never been saved: the logs are ahead of the one before it
    train(config, run_dir)
    assert_same_run(run_dir, tmp_path / "straight")
    assert len(rows(run_dir, "progress")) == 8
    assert len(read_meta(run_dir)["sessions"]) == 4


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "plr", "fidelity": "released", "plr_score": "gae", "plr_smoothing": 0.5},
        {"method": "ucb-drac+plr", "arms": ARMS, "env_groups": 2},
        {"method": "ppg", "phasic_updates": 4, "phasic_epochs": 1, "env_groups": 2},
        {"method": "ucb-drac", "recurrent": True, "arms": ARMS, "env_groups": 2},
        {"method": "rl2-ppo", "env_groups": 2, "eval_episodes": 4},
        pytest.param({"method": "plr"}, marks=pytest.mark.full),
    ],
    ids=lambda options: "-".join([*options.values()][:1]) or "ppo",
)
def test_procgen_s_levels_continue_exactly(options: dict[str, Any], tmp_path: Path) -> None:
    """What Procgen plays, and what chooses its levels, is part of the state."""
    sizes = {"num_steps": 32, "steps": 384, "hidden_size": 8, "eval_every": 128}
    config = procgen_config(**{"game": "dodgeball", "levels": "0-5", **sizes, **options})
    train(config, tmp_path / "straight")
    for recording in (Recording(1), Recording(stop_in=("train", 1)), Recording(2)):
        with pytest.raises(Interrupted):
            train(config, tmp_path / "stopped", recording)
    train(config, tmp_path / "stopped")
    assert_same_run(tmp_path / "stopped", tmp_path / "straight")
    if "plr_score" not in methods.get(config.method).options:
        assert "levels.csv" not in tables(tmp_path / "stopped")
        return
    levels = rows(tmp_path / "stopped", "levels")
    assert tuple(levels[0]) == LEVEL_COLUMNS
    assert [row["step"] for row in levels] == [
        step for step in ("128", "256", "384") for _ in range(6)
    ]
    sampler = state(tmp_path / "stopped")["training"]["levels"]
    assert sum(sampler["visits"]) > 4
    assert [int([*row.values()][-1]) for row in levels[-6:]] == sampler["visits"]
    assert [[*row.values()][2] != "" for row in levels[-6:]] == sampler["seen"]


@pytest.mark.parametrize("method", ["ppg", "ddcpg"])
def test_a_signal_stops_an_auxiliary_phase_which_goes_on(
    method: str, tiny: None, tmp_path: Path
) -> None:
    """Twice in the phase of the second update, which is logged once; then it has an evaluation."""
    phase = {"phasic_updates": 2, "phasic_epochs": 6, "phasic_segments": 1}
    config = tiny_config(method=method, **phase, eval_every=16)
    train(config, tmp_path / "straight")
    run_dir = tmp_path / "stopped"
    for at in (11.0, 14.0):
        with pytest.raises(Interrupted, match="saved in the auxiliary phase after step 8; the sa"):
            train(config, run_dir, Recording(stop_at=at))
        assert len(rows(run_dir, "progress")) == 1
        assert state(run_dir)["training"]["learner"]["phase"]["stopped"]
    assert train(config, run_dir).steps == 24
    assert_same_run(run_dir, tmp_path / "straight")


def test_no_run_ends_within_an_auxiliary_phase(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights would be no update's; who reads them is told the steps that they learned from."""
    phase = {"phasic_updates": 2, "phasic_epochs": 6, "phasic_segments": 1}
    config = tiny_config(method="ppg", **phase)
    run_dir = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        train(config, run_dir, Recording(stop_at=12.0))
    for steps, finish in ((24, True), (8, False)):
        with pytest.raises(ConfigError, match="ends at step 16: it can end there at the earliest"):
            train(config.model_copy(update={"steps": steps}), run_dir, finish=finish)
    network = Training(config, Numbers(2)).network
    monkeypatch.setattr("drac.policy.agent.of_method", lambda config: network)
    assert load_agent(run_dir, config)[1] == 16
    assert train(config.model_copy(update={"steps": 16}), run_dir).steps == 16
    train(config, run_dir)
    train(config, tmp_path / "straight")
    assert_same_run(run_dir, tmp_path / "straight")


def test_a_long_phase_is_saved_as_often_as_is_asked_for(tiny: None, tmp_path: Path) -> None:
    """Killed in it, the run goes on from the middle."""
    phase = {"phasic_updates": 2, "phasic_epochs": 6, "phasic_segments": 1}
    config = tiny_config(method="ppg", **phase, eval_every=0, checkpoint_every=1e-9)

    class Killed(Recording):
        def progress(self, step: float) -> None:
            if step > 14:
                raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train(config, tmp_path / "killed", Killed())
    stopped = state(tmp_path / "killed")["training"]["learner"]["phase"]["stopped"]
    assert 0 < len(stopped["taken"]) < 24
    train(config, tmp_path / "killed")
    train(config, tmp_path / "straight")
    assert_same_run(tmp_path / "killed", tmp_path / "straight")


@pytest.mark.parametrize("evaluation", [("train", 1), ("train", 3), ("test", 2), ("test", 3)])
@pytest.mark.parametrize("eval_every", [0, 8])
def test_a_signal_ends_an_evaluation_which_is_repeated(
    evaluation: tuple[str, int], eval_every: int, tiny: None, tmp_path: Path
) -> None:
    """Neither split is logged by halves: of the evaluation nothing is there, or all of it."""
    config = tiny_config(eval_every=eval_every)
    train(config, tmp_path / "straight")
    run_dir = tmp_path / "stopped"
    if evaluation == ("test", 3):  # after the last episode: it is whole
        if eval_every:
            with pytest.raises(Interrupted, match=r"saved at step 16; the same command"):
                train(config, run_dir, Recording(stop_in=evaluation))
        else:
            train(config, run_dir, Recording(stop_in=evaluation))
        assert len(rows(run_dir, "eval")) == 6
    else:
        step = eval_every or 24
        with pytest.raises(Interrupted, match=f"saved at step {step}, whose evaluation is to be"):
            train(config, run_dir, Recording(stop_in=evaluation))
        assert rows(run_dir, "eval") == []
        assert state(run_dir)["evaluated_step"] == 0
    train(config, run_dir)
    assert_same_run(run_dir, tmp_path / "straight")


def test_a_real_evaluation_looks_for_signals_at_every_step() -> None:
    seen: list[int] = []

    def stop() -> None:
        seen.append(1)
        if len(seen) == 3:
            raise KeyError

    def agent(obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(obs), 15), torch.zeros(len(obs))

    with pytest.raises(KeyError):
        evaluate(agent, "coinrun", "test", 2, on_step=stop)
    assert len(seen) == 3


def test_saving_by_steps(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    save = checkpoint.save
    monkeypatch.setattr(
        checkpoint,
        "save",
        lambda folder, step, held: saved.append(step) or save(folder, step, held),
    )
    train(tiny_config(steps=80, checkpoint_every="20steps", eval_every=0), tmp_path / "a")
    assert saved == [24, 40, 64, 80, 80, 80]  # the last before and after the final evaluation
    saved.clear()
    train(tiny_config(steps=80, checkpoint_every=1e6, eval_every=0), tmp_path / "b")
    assert saved == [80, 80]


# What does not fit


def test_a_checkpoint_of_another_run_is_set_aside(tiny: None, tmp_path: Path) -> None:
    """Of the same shapes, but another seed: it would load without a word."""
    train(tiny_config(), tmp_path / "straight")
    for seed in (0, 1):
        with pytest.raises(Interrupted):
            train(tiny_config(seed=seed), tmp_path / str(seed), Recording(2))
    name = "step_000000000016.pt"
    shutil.copy(tmp_path / "1/checkpoint" / name, tmp_path / "0/checkpoint" / name)
    watcher = Recording()
    train(tiny_config(), tmp_path / "0", watcher)
    assert (
        f"{name} is damaged and was set aside; continuing from step_000000000008.pt"
        in (watcher.said[0])
    )
    assert "seed is 1 there and 0 here" in watcher.said[0]
    assert_same_run(tmp_path / "0", tmp_path / "straight")


def test_what_may_change_may_differ_in_a_checkpoint(tiny: None, tmp_path: Path) -> None:
    train(tiny_config(steps=16), tmp_path)
    changed = tiny_config(steps=24, checkpoint_every="5steps", disk_wait=3, on_nan="skip")
    assert train(changed, tmp_path).steps == 24


def test_a_state_that_lacks_something_is_one_sentence(tiny: None, tmp_path: Path) -> None:
    train(tiny_config(steps=8, checkpoint_every=60), tmp_path)
    (path,) = checkpoint.folder(tmp_path).iterdir()  # no other one to go back to
    held = checkpoint.load(path)
    damaged: list[dict[str, Any]] = [
        {**held, "training": {k: v for k, v in held["training"].items() if k != "normalizer"}},
        {**held, "training": 3},
        {**held, "config": "seed"},
        {**held, "training": {**held["training"], "network": {}}},
        {**held, "training": {**held["training"], "policy_generator": torch.zeros(3)}},
        {},
    ]
    for number, content in enumerate(damaged):
        checkpoint.save(tmp_path, 8, content)
        with pytest.raises(ConfigError) as caught:
            train(tiny_config(steps=16), tmp_path)
        assert "\n" not in str(caught.value), number
        assert "checkpoint" in str(caught.value), number
        assert len(rows(tmp_path, "progress")) == 1, number  # nothing is begun anew
    checkpoint.save(tmp_path, 8, held)
    assert train(tiny_config(steps=16), tmp_path).steps == 16


def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(tiny: None, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    train(tiny_config(steps=8), run_dir)
    shutil.rmtree(run_dir / "checkpoint")
    before = tables(run_dir)
    with pytest.raises(ConfigError, match=r"saved at step 8 but has no checkpoint .*--fresh"):
        train(tiny_config(steps=16), run_dir)
    assert tables(run_dir) == before
    train(tiny_config(steps=16), run_dir, fresh=True)
    assert tables(tmp_path / "run.before-1") == before


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `tiny_config()`, for tests that copy it."""
    folder = tmp_path_factory.mktemp("ended") / "run"
    with pytest.MonkeyPatch.context() as patch:
        play_numbers(patch)
        train(tiny_config(), folder)
    return folder


@pytest.mark.parametrize("name", ["progress", "arms", "eval"])
@pytest.mark.parametrize("how", ["shorter", "absent", "changed"])
def test_logs_that_are_behind_stop_the_run(
    name: str, how: str, tiny: None, ended: Path, tmp_path: Path
) -> None:
    run_dir = shutil.copytree(ended, tmp_path / "run")
    path = run_dir / f"{name}.csv"
    content = path.read_bytes()
    if how == "absent":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if how == "shorter" else content[:-1] + b"xxx\n")
    before = {p: p.read_bytes() for p in run_dir.glob("*.csv")}
    wanted = "was changed since" if how == "changed" else "lacks rows that the checkpoint says"
    with pytest.raises(ConfigError, match=rf"{name}\.csv {wanted}.*cannot continue"):
        train(tiny_config(steps=32), run_dir)
    assert {p: p.read_bytes() for p in run_dir.glob("*.csv")} == before


@pytest.mark.parametrize("checkpoint_every", [0, 60])
def test_a_killed_run_loses_only_the_steps_since_its_checkpoint(
    checkpoint_every: int, tiny: None, tmp_path: Path
) -> None:
    """What it logged beyond it, or before its first, is cut off; TensorBoard shows steps once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = tiny_config(steps=40, checkpoint_every=checkpoint_every)
    run_dir = tmp_path / "killed"
    with pytest.raises(RuntimeError, match="power cut"):
        train(config, run_dir, Recording(killed_after=3))
    assert (checkpoint.newest(run_dir) is None) == (checkpoint_every == 60)
    assert len(rows(run_dir, "progress")) == 3
    train(config, run_dir)
    train(config, tmp_path / "straight")
    assert_same_run(run_dir, tmp_path / "straight")
    assert len(list(run_dir.glob("events.out.tfevents.*"))) == 2
    events = EventAccumulator(str(run_dir)).Reload()
    steps = [event.step for event in events.Scalars("losses/entropy")]
    assert steps == [8, 16, 24, 32, 40]


# Other steps


def test_a_run_that_was_stopped_may_end_earlier(tiny: None, tmp_path: Path) -> None:
    """What is trained counts, not what was asked for; the result is that of the shorter run."""
    with pytest.raises(Interrupted):
        train(tiny_config(steps=400), tmp_path / "run", Recording(2))
    assert train(tiny_config(steps=30), tmp_path / "run").steps == 24
    train(tiny_config(steps=30), tmp_path / "at once")
    assert tables(tmp_path / "run") == tables(tmp_path / "at once")
    assert TrainConfig.from_json(tmp_path / "run" / "config.json").steps == 30
    with pytest.raises(ConfigError, match="reached step 24, more than the 16 asked for; drac"):
        train(tiny_config(steps=16), tmp_path / "run")


def test_finish_completes_a_run_where_it_stands(tiny: None, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with pytest.raises(ConfigError, match="no checkpoint yet: there is nothing to finish"):
        train(tiny_config(steps=400), run_dir, finish=True)
    assert not run_dir.exists()
    with pytest.raises(Interrupted):
        train(tiny_config(steps=400), run_dir, Recording(2))
    result = train(tiny_config(steps=400), run_dir, finish=True)
    assert (result.steps, TrainConfig.from_json(run_dir / "config.json").steps) == (16, 16)
    assert {row["step"] for row in tables(run_dir)["eval.csv"]} == {"8", "16"}
    assert train(tiny_config(steps=400), run_dir, finish=True).steps == 16


def test_a_refused_continuation_leaves_the_config(tiny: None, tmp_path: Path) -> None:
    """Where the logs were cut, it cannot go on; with them back, the first command still can."""
    train(tiny_config(steps=16), tmp_path)
    log, config = tmp_path / "progress.csv", (tmp_path / "config.json").read_text()
    whole = log.read_bytes()
    log.write_bytes(whole[:-40])
    with pytest.raises(ConfigError, match=r"progress\.csv"):
        train(tiny_config(steps=32), tmp_path)
    assert (tmp_path / "config.json").read_text() == config
    log.write_bytes(whole)
    assert train(tiny_config(steps=16), tmp_path).steps == 16


# A folder that is moved away, or deleted, while it is trained in


@pytest.mark.parametrize("replaced", [True, False])
def test_a_run_ends_when_its_folder_is_gone(replaced: bool, tiny: None, tmp_path: Path) -> None:
    """Nothing is written into the run that was begun in its place, and nothing of it removed."""
    run_dir, away = tmp_path / "d", tmp_path / "d.away"

    class Moves(Recording):
        def updated(self, report: Report, sps: float) -> None:
            if report.update == 2:
                run_dir.rename(away)
                if replaced:
                    train(tiny_config(seed=2, steps=8, checkpoint_every=0), run_dir)

    with pytest.raises(
        DiskError, match="d was moved or deleted while it was trained in: nothing [^;]*$"
    ):
        train(tiny_config(seed=1, checkpoint_every=0), run_dir, Moves())
    assert run_dir.exists() == replaced
    if replaced:
        train(tiny_config(seed=2, steps=8, checkpoint_every=0), tmp_path / "alone")
        assert tables(run_dir) == tables(tmp_path / "alone")
        assert TrainConfig.from_json(run_dir / "config.json").seed == 2
        assert [path.name for path in checkpoint.folder(run_dir).iterdir()] == [
            path.name for path in checkpoint.folder(tmp_path / "alone").iterdir()
        ]
    assert train(tiny_config(seed=1, checkpoint_every=0), away).steps == 24


def test_checkpoints_of_a_later_step_are_not_pruned(tmp_path: Path) -> None:
    for step in (6400, 9600):
        checkpoint.save(tmp_path, step, {"step": step})
    for step in (640, 1280, 1920):
        checkpoint.save(tmp_path, step, {"step": step})
    found = sorted(path.name for path in checkpoint.folder(tmp_path).iterdir())
    assert found == [f"step_{step:012d}.pt" for step in (1280, 1920, 6400, 9600)]


# The record of who worked on a run, and the command line


def test_sessions_are_recorded(tiny: None, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(tiny_config(), tmp_path, Recording(2))
    train(tiny_config(), tmp_path)
    first, second = read_meta(tmp_path)["sessions"]
    assert (first["step"], first["resumed_from"]) == (0, None)
    assert (second["step"], second["resumed_from"]) == (16, "step_000000000016.pt")
    assert first["pid"] == second["pid"] == os.getpid()
    assert first["host"]
    assert first["started"] <= second["started"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": 1, "sessions": 3}', ""])
def test_a_damaged_record_is_begun_anew(damage: str, tiny: None, tmp_path: Path) -> None:
    train(tiny_config(steps=8), tmp_path)
    (tmp_path / meta.META).write_text(damage)
    train(tiny_config(steps=16), tmp_path)
    assert [entry["step"] for entry in read_meta(tmp_path)["sessions"]] == [8]


def words(run_dir: Path, **options: Any) -> list[str]:
    given = {**OPTIONS, **options}
    pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in given.items()]
    return ["train", *(word for pair in pairs for word in pair), "--run-dir", str(run_dir)]


def test_fresh_on_the_command_line(
    tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "seed0"
    assert cli.main([*words(run_dir), "--fresh"]) == 0  # there is nothing to keep
    assert [path.name for path in tmp_path.iterdir()] == ["seed0"]
    assert cli.main(words(run_dir, seed=1)) == 2
    assert "seed is 0 there and 1 here" in capsys.readouterr().err
    before = tables(run_dir)
    assert cli.main([*words(run_dir, seed=1), "--fresh"]) == 0
    assert f"{run_dir} is now {run_dir}.before-1" in capsys.readouterr().out
    assert tables(tmp_path / "seed0.before-1") == before
    assert TrainConfig.from_json(run_dir / "config.json").seed == 1
    assert cli.main([*words(run_dir, clip=-1), "--fresh"]) == 2  # nothing is moved for nonsense
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed0", "seed0.before-1"]


def test_a_signal_on_the_command_line(
    tiny: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from drac.commands.display import TerminalWatcher

    class Loud(TerminalWatcher):
        def evaluating(self, split: str, played: int, episodes: int) -> None:
            os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr("drac.commands.display.TerminalWatcher", Loud)
    assert cli.main(words(tmp_path / "run")) == EXIT_CODE == 75
    assert "whose evaluation is to be repeated; the same command continues" in (
        capsys.readouterr().out
    )
    assert np.isfinite(state(tmp_path / "run")["training"]["normalizer"]["var"])
