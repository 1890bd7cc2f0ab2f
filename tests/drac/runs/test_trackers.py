"""Weights & Biases, without a network, and MLflow, in files: what they have of a run."""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from recording import Recording
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_runs import play_numbers, tiny_config

from benchmark import cli as bench
from benchmark.engines.engine import training
from drac import cli
from drac.errors import ConfigError
from drac.runs import trackers
from drac.train import train

SCALARS = {
    *("charts/SPS", "charts/learning_rate", "losses/policy_loss", "losses/value_loss"),
    *("losses/entropy", "losses/approx_kl", "losses/clipfrac", "losses/explained_variance"),
    *("test/return", "train/eval_return"),
}
"""Under these names in every tracker; CleanRL's where it has them."""


BLOCK = 2**15


def run_twice(folder: Path, track: str) -> str:
    """Train two thirds of a run, then all of it, in two sessions; its id in the tracker."""
    config = tiny_config(method="ucb-drac", arms=("crop", "flip(axis='vertical')"))
    run_dir = folder / "e" / "ucb-drac" / "coinrun" / "seed0"
    watcher = Recording()
    train(config.model_copy(update={"steps": 16}), run_dir, watcher, track=track)
    first = json.loads((run_dir / "meta.json").read_text())["trackers"]
    train(config, run_dir, watcher, track=track)
    assert [text for text in watcher.said if "warning" in text] == []
    assert json.loads((run_dir / "meta.json").read_text())["trackers"] == first
    return str(first[track])


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    play_numbers(monkeypatch)


def parts(log: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: LevelDB's log format, behind a header of seven bytes."""
    at, whole = 7, b""
    while at + 7 < len(log):
        if (left := BLOCK - at % BLOCK) < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", log, at + 4)
        whole += log[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            yield whole
            whole = b""


@pytest.mark.filterwarnings("default")  # what another library warns of is its own
def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    for name, value in {"MODE": "offline", "DIR": str(tmp_path), "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    number = run_twice(tmp_path, "wandb")
    wandb.teardown()  # its own process has written everything then
    files = sorted((tmp_path / "wandb").glob(f"offline-run-*/run-{number}.wandb"))
    assert len(files) == 2  # one a session, both of the same run
    steps: list[float] = []
    names: set[str] = set()
    for path in files:
        for data in parts(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                assert record.run.run_id == number
                assert record.run.display_name == "e/ucb-drac/coinrun/seed0"
                assert "learning_rate" in {item.key for item in record.run.config.update}
            if record.HasField("history"):
                row = {i.key or "/".join(i.nested_key): i.value_json for i in record.history.item}
                steps.append(json.loads(row["global_step"]))
                names |= {*row}
    assert {*steps} == {8, 16, 24}
    assert names >= SCALARS


@pytest.mark.filterwarnings("default")
def test_mlflow_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    number = run_twice(tmp_path, "mlflow")
    client = mlflow.MlflowClient()
    (experiment,) = [e for e in client.search_experiments() if e.name == trackers.PROJECT]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == number
    assert (run.info.run_name, run.info.status) == ("e/ucb-drac/coinrun/seed0", "FINISHED")
    assert run.data.params["learning_rate"] == "0.0005"
    assert run.data.metrics.keys() >= SCALARS
    assert "bandit/count/flip_axis__vertical__" in run.data.metrics
    history = client.get_metric_history(number, "losses/clipfrac")
    assert {metric.step for metric in history} == {8, 16, 24}


def test_tensorboard_has_the_names_and_hparams(tmp_path: Path) -> None:
    train(tiny_config(), tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run")).Reload()
    assert {*events.Tags()["scalars"]} >= SCALARS
    (value,) = {event.value for event in events.Scalars("charts/learning_rate")}
    assert value == pytest.approx(5e-4)
    assert "_hparams_/session_start_info" in events.summary_metadata


class Fails:
    """A tracker that fails the second time, or at once."""

    id = "7"

    def __init__(self, name: str, settings: Mapping[str, Any], known: str) -> None:
        self.calls = 0
        if known == "at once":
            raise OSError("no\nnetwork")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.calls += 1
        if self.calls == 2:
            raise OSError("no\nnetwork")
        assert self.calls == 1

    def close(self) -> None:
        raise AssertionError("it has failed")


def test_one_that_fails_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trackers._KINDS, "wandb", Fails)
    monkeypatch.setattr(trackers, "require", lambda kind: None)
    watcher = Recording()
    assert train(tiny_config(), tmp_path / "run", watcher, track="wandb").steps == 24
    told = "warning: wandb failed (OSError: no network); the run goes on without it"
    assert watcher.said.count(told) == 1


def test_one_that_does_not_begin_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trackers._KINDS, "wandb", Fails)
    monkeypatch.setattr(trackers, "require", lambda kind: None)
    monkeypatch.setattr("drac.runs.meta.read_meta", lambda *a: {"trackers": {"wandb": "at once"}})
    with pytest.raises(ConfigError, match="^--track wandb could not begin: OSError: no network$"):
        train(tiny_config(), tmp_path / "run", track="wandb")
    assert not (tmp_path / "run" / "config.json").exists()
    assert not (tmp_path / "run" / "progress.csv").exists()


@pytest.mark.parametrize("main", [cli.main, bench.main])
@pytest.mark.parametrize(
    ("track", "said"),
    [
        ("wandbb", "unknown tracker 'wandbb' .did you mean 'wandb'..; choose from none, wandb, ml"),
        ("wandb", r'--track wandb needs wandb, which .*pip install "procgen-drac\[wandb\]"'),
        ("mlflow", r'--track mlflow needs mlflow, which .*pip install "procgen-drac\[mlflow\]"'),
    ],
)
def test_what_is_not_there(
    main: Any,
    track: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    words = ["run", "--suite", "smoke"] if main is bench.main else ["train", "--game", "maze"]
    assert main([*words, "--track", track]) == 2
    error = capsys.readouterr().err
    assert re.search(said, error)
    assert error.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


def test_the_runs_of_a_sweep_are_told(tmp_path: Path) -> None:
    job = training("x", tiny_config(), tmp_path, how=("--track", "mlflow"))
    assert job.argv[-2:] == ("--track", "mlflow")
