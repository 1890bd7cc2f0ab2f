"""Stopped and continued, every method ends with the bits of a run that was never stopped."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkout import RUNS
from test_drac_container import same
from tiny_runs import OPTIONS, state, tables, tiny, tiny_config  # noqa: F401

from drac import cli, methods
from drac.config import TrainConfig
from drac.errors import ConfigError, Interrupted
from drac.evaluate import evaluate
from drac.runs import checkpoint, meta
from drac.runs.meta import read_meta
from drac.runs.signals import EXIT_CODE
from drac.stats import Report
from drac.train import train
from drac.train.session import Watcher

FORMAT_1 = RUNS / "format-1"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Interrupting(Watcher):
    """Sends a signal after an update, or in an evaluation of a split after an episode."""

    def __init__(
        self, update: int | None = None, evaluation: tuple[str, int] | None = None
    ) -> None:
        self.update, self.evaluation = update, evaluation
        self.said: list[str] = []

    def updated(self, report: Report, sps: float) -> None:
        if report.update == self.update:
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluating(self, split: str, played: int, episodes: int) -> None:
        if (split, played) == self.evaluation:
            os.kill(os.getpid(), signal.SIGTERM)

    def message(self, text: str) -> None:
        self.said.append(text)


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two states differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [d for key in one for d in differences(one[key], other[key], f"{where}/{key}")]
    return [] if same(one, other) else [where]


def assert_same_run(one: Path, other: Path) -> None:
    """All of the state, and every row of every log, are the same, bit for bit."""
    assert differences(state(one), state(other)) == []
    assert tables(one) == tables(other)
    assert {"progress.csv", "arms.csv", "eval.csv"} <= tables(one).keys()


METHODS = {
    **{name: {} for name in methods.METHODS},
    "drac": {"augmentation": "random-conv"},
    "rad": {"augmentation": "color-jitter"},
    "dra": {"augmentation": "flip"},
    "drc": {"augmentation": "rotate"},
    "rand-fm": {"eval_filters": 2},
    "ibac-sni": {"latent_samples": 2},
    "daac": {"idaac_value_every": 3, "idaac_value_epochs": 1},
    "idaac": {"idaac_value_every": 2, "idaac_value_epochs": 2, "idaac_order_hidden": 3},
    "ucb-drac": {"ucb_initial": "try-each-once", "ucb_window": 2},
    "ucb-rad": {"ucb_reward": "standardized"},
}
ARMS = ("random-conv", "color-jitter", "flip")


CASES = [(m, "paper") for m in METHODS if not methods.METHODS[m].chooses_levels]
CASES += [(m, "released") for m in ("ppo", "ucb-drac", "rl2-drac", "meta-drac")]


@pytest.mark.parametrize(("method", "fidelity"), CASES)
def test_every_method_continues_exactly(
    method: str,
    fidelity: str,
    tiny: None,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Stopped by a signal, killed between two checkpoints, and stopped in an evaluation."""
    options: dict[str, Any] = {"method": method, "fidelity": fidelity, **METHODS[method]}
    if "arms" in methods.METHODS[method].options:
        options["arms"] = ARMS
    if "epochs" not in methods.METHODS[method].ignores:
        options["epochs"] = 2
    else:
        options["epochs"] = TrainConfig.model_fields["epochs"].default
    config = tiny_config(**{"steps": 64, "eval_every": 24, "eval_episodes": 2, **options})
    train(config, tmp_path / "straight")
    run_dir = tmp_path / "stopped"
    for watcher in (Interrupting(2), Interrupting(5), Interrupting(evaluation=("test", 1))):
        with pytest.raises(Interrupted):
            train(config, run_dir, watcher)
    newest = checkpoint.newest(run_dir)
    assert newest
    assert newest.name == "step_000000000048.pt"
    newest.unlink()  # as if it had never been saved: the logs are ahead of the one before it
    train(config, run_dir)
    assert_same_run(run_dir, tmp_path / "straight")
    assert len(tables(run_dir)["progress.csv"]) == 8
    assert len(read_meta(run_dir)["sessions"]) == 4


@pytest.mark.parametrize("method", ["ppo", "plr", "ucb-drac+plr"])
def test_procgen_s_levels_continue_exactly(method: str, tmp_path: Path) -> None:
    """What Procgen plays, and what chooses its levels, is part of the state."""
    sizes = {"num_envs": 4, "num_steps": 64, "steps": 768, "hidden_size": 8, "epochs": 1}
    options = {"eval_episodes": 1, "eval_every": 256, "device": "cpu", "precision": "float32"}
    more: dict[str, Any] = {"arms": ARMS} if method != "ppo" and "ucb" in method else {}
    config = TrainConfig(
        **sizes, **options, **more, method=method, game="bossfight", levels="0-5", threads=1
    )
    train(config, tmp_path / "straight")
    for watcher in (Interrupting(1), Interrupting(evaluation=("train", 1)), Interrupting(2)):
        with pytest.raises(Interrupted):
            train(config, tmp_path / "stopped", watcher)
    train(config, tmp_path / "stopped")
    assert_same_run(tmp_path / "stopped", tmp_path / "straight")
    assert ("levels.csv" in tables(tmp_path / "stopped")) == (method != "ppo")


@pytest.mark.parametrize("evaluation", [("train", 1), ("train", 3), ("test", 2), ("test", 3)])
@pytest.mark.parametrize("eval_every", [0, 8])
def test_a_signal_ends_an_evaluation_which_is_repeated(
    evaluation: tuple[str, int],
    eval_every: int,
    tiny: None,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Neither split is logged by halves: of the evaluation nothing is there, or all of it."""
    config = tiny_config(eval_every=eval_every)
    train(config, tmp_path / "straight")
    run_dir = tmp_path / "stopped"
    if evaluation == ("test", 3):  # after the last episode: it is whole
        if eval_every:
            with pytest.raises(Interrupted, match=r"saved at step 16; the same command"):
                train(config, run_dir, Interrupting(evaluation=evaluation))
        else:
            train(config, run_dir, Interrupting(evaluation=evaluation))
        assert len(tables(run_dir)["eval.csv"]) == 6
    else:
        step = eval_every or 24
        with pytest.raises(Interrupted, match=f"saved at step {step}, whose evaluation is to be"):
            train(config, run_dir, Interrupting(evaluation=evaluation))
        assert tables(run_dir)["eval.csv"] == []
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


def test_saving_by_steps(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
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


def test_a_checkpoint_of_another_run_is_set_aside(tiny: None, tmp_path: Path) -> None:  # noqa: F811
    """Of the same shapes, but another seed: it would load without a word."""
    train(tiny_config(), tmp_path / "straight")
    for seed in (0, 1):
        with pytest.raises(Interrupted):
            train(tiny_config(seed=seed), tmp_path / str(seed), Interrupting(2))
    name = "step_000000000016.pt"
    shutil.copy(tmp_path / "1/checkpoint" / name, tmp_path / "0/checkpoint" / name)
    watcher = Interrupting()
    train(tiny_config(), tmp_path / "0", watcher)
    assert (
        f"{name} is damaged and was set aside; continuing from step_000000000008.pt"
        in (watcher.said[0])
    )
    assert "seed is 1 there and 0 here" in watcher.said[0]
    assert_same_run(tmp_path / "0", tmp_path / "straight")


def test_what_may_change_may_differ_in_a_checkpoint(tiny: None, tmp_path: Path) -> None:  # noqa: F811
    train(tiny_config(steps=16), tmp_path)
    changed = tiny_config(steps=24, checkpoint_every="5steps", disk_wait=3, on_nan="skip")
    assert train(changed, tmp_path).steps == 24


def test_a_state_that_lacks_something_is_one_sentence(tiny: None, tmp_path: Path) -> None:  # noqa: F811
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
    checkpoint.save(tmp_path, 8, held)
    assert train(tiny_config(steps=16), tmp_path).steps == 16


def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(
    tiny: None,  # noqa: F811
    tmp_path: Path,
) -> None:
    run_dir = tmp_path / "run"
    train(tiny_config(steps=8), run_dir)
    shutil.rmtree(run_dir / "checkpoint")
    before = tables(run_dir)
    with pytest.raises(ConfigError, match=r"saved at step 8 but has no checkpoint .*--fresh"):
        train(tiny_config(steps=16), run_dir)
    assert tables(run_dir) == before
    train(tiny_config(steps=16), run_dir, fresh=True)
    assert tables(tmp_path / "run.before-1") == before


@pytest.mark.parametrize("name", ["progress", "arms", "eval"])
@pytest.mark.parametrize("how", ["shorter", "absent", "changed"])
def test_logs_that_are_behind_stop_the_run(
    name: str,
    how: str,
    tiny: None,  # noqa: F811
    tmp_path: Path,
) -> None:
    train(tiny_config(), tmp_path)
    path = tmp_path / f"{name}.csv"
    content = path.read_bytes()
    if how == "absent":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if how == "shorter" else content[:-1] + b"xxx\n")
    before = {p: p.read_bytes() for p in tmp_path.glob("*.csv")}
    wanted = "was changed since" if how == "changed" else "lacks rows that the checkpoint says"
    with pytest.raises(ConfigError, match=rf"{name}\.csv {wanted}.*cannot continue"):
        train(tiny_config(steps=32), tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.glob("*.csv")} == before


def test_tensorboard_shows_a_step_once(tiny: None, tmp_path: Path) -> None:  # noqa: F811
    """What a killed process logged beyond its checkpoint, or before its first, is hidden."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    class Killed(Watcher):
        def updated(self, report: Report, sps: float) -> None:
            if report.update == 3:
                raise RuntimeError("power cut")

    config = tiny_config(steps=40, checkpoint_every=60)  # no checkpoint until the end
    with pytest.raises(RuntimeError, match="power cut"):
        train(config, tmp_path, Killed())
    train(config, tmp_path)
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 2
    events = EventAccumulator(str(tmp_path)).Reload()
    steps = [event.step for event in events.Scalars("losses/entropy")]
    assert steps == [8, 16, 24, 32, 40]


# Format 1


def test_a_run_of_format_1_continues(tmp_path: Path) -> None:
    """What version 0.1 began; its logs keep their columns."""
    run_dir = tmp_path / "run"
    shutil.copytree(FORMAT_1, run_dir)
    saved = TrainConfig.from_json(run_dir / "config.json")
    before = (run_dir / "progress.csv").read_text()
    longer = saved.model_copy(update={"steps": saved.steps + saved.rollout_size})
    result = train(longer, run_dir)
    assert result.steps == saved.steps + saved.rollout_size
    newest = checkpoint.newest(run_dir)
    assert newest
    assert newest.read_bytes()[:2] != b"PK"
    after = (run_dir / "progress.csv").read_text()
    assert after.startswith(before)
    assert after.count("\n") == before.count("\n") + 1


# The record of who worked on a run, and the command line


def test_sessions_are_recorded(tiny: None, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(Interrupted):
        train(tiny_config(), tmp_path, Interrupting(2))
    train(tiny_config(), tmp_path)
    first, second = read_meta(tmp_path)["sessions"]
    assert (first["step"], first["resumed_from"]) == (0, None)
    assert (second["step"], second["resumed_from"]) == (16, "step_000000000016.pt")
    assert first["pid"] == second["pid"] == os.getpid()
    assert first["host"]
    assert first["started"] <= second["started"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": 1, "sessions": 3}', ""])
def test_a_damaged_record_is_begun_anew(damage: str, tiny: None, tmp_path: Path) -> None:  # noqa: F811
    train(tiny_config(steps=8), tmp_path)
    (tmp_path / meta.META).write_text(damage)
    train(tiny_config(steps=16), tmp_path)
    assert [entry["step"] for entry in read_meta(tmp_path)["sessions"]] == [8]


def words(run_dir: Path, **options: Any) -> list[str]:
    given = {**OPTIONS, **options}
    pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in given.items()]
    return ["train", *(word for pair in pairs for word in pair), "--run-dir", str(run_dir)]


def test_fresh_on_the_command_line(
    tiny: None,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
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
    tiny: None,  # noqa: F811
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
