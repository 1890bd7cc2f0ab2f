"""What suites take: from a speed file, or from finished runs, and where that was found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from checkout import ROOT
from refusals import refused
from synthetic_runs import write_run

from benchmark import cli
from benchmark.speed import costs
from benchmark.speed.records import load
from benchmark.store.store import Store
from drac.config import TrainConfig
from drac.errors import ConfigError

SPEED = ROOT / "results/evidence/training-speed.json"
STEPS = costs.LONG_ENOUGH


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_hours_of_a_speed_file(tmp_path: Path) -> None:
    pace = costs.pace(Store(tmp_path), SPEED)
    assert pace is not None
    cells = load(SPEED).cells
    fastest = {
        name: min(c.run_hours * c.threads for c in cells if (c.method, c.engine) == (name, "drac"))
        for name in ("ppo", "ucb-drac")
    }
    for method, like in {
        **dict.fromkeys(("ppo", "plr"), "ppo"),
        **dict.fromkeys(("ucb-drac", "drac-crop", "mixreg"), "ucb-drac"),  # the slower one
    }.items():
        hours = pace.hours(TrainConfig(method=method))
        assert hours == pytest.approx(fastest[like])
        assert pace.hours(TrainConfig(method=method, steps=1_000_000)) == pytest.approx(hours / 25)
    assert pace.unit == costs.CPU
    assert "measured on AMD EPYC, 2 cores" in pace.source


def write_meta(run_dir: Path, **facts: object) -> None:
    known = json.loads((run_dir / "meta.json").read_text())
    (run_dir / "meta.json").write_text(json.dumps({**known, **facts}))


def test_hours_of_finished_runs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert costs.pace(store, None) is None
    for seed, wall in enumerate((10.0, 20.0, 90.0)):
        run_dir = write_run(tmp_path, seed=seed)
        write_meta(run_dir, wall_s=wall, steps=STEPS, threads=2, device="cpu", cpu="Some CPU")
    write_meta(write_run(tmp_path, "drac-crop"), wall_s=1.0, steps=STEPS - 1)  # mostly its start
    write_meta(write_run(tmp_path, "mixreg"), wall_s=1e9, steps=STEPS, device="cuda")
    for odd in ({"wall_s": "x"}, {"wall_s": -1}, {"wall_s": 1, "steps": 0}):
        write_meta(
            write_run(tmp_path, "plr", seed=len(store.specs("exp"))), **{"steps": STEPS, **odd}
        )
    (write_run(tmp_path, "daac") / "eval.csv").unlink()
    pace = costs.pace(store, None)
    assert pace is not None
    assert pace.seconds == {"ppo": 20 / STEPS * 2}
    assert (pace.unit, pace.source) == (
        costs.CPU,
        f"3 finished runs below {tmp_path}/runs, trained on Some CPU",
    )
    short = costs.pace(store, None, STEPS - 1)  # as long as what is to come
    assert short is not None
    assert sorted(short.seconds) == ["drac-crop", "ppo"]
    shutil.copy(SPEED, tmp_path / "speed.json")
    recorded = costs.pace(store, None)
    assert recorded is not None
    assert recorded.source.startswith(f"{tmp_path}/speed.json, ")


def test_a_file_without_the_speed_of_training(tmp_path: Path) -> None:
    report = json.loads(SPEED.read_text())
    (tmp_path / "speed.json").write_text(json.dumps({**report, "cells": []}))
    with pytest.raises(ConfigError, match="has no speed of training"):
        costs.pace(Store(tmp_path), None)


def test_checkpoints_are_most_of_what_a_run_leaves() -> None:
    one = costs.disk_bytes([TrainConfig(method="ppo")])
    assert 20e6 < one < 30e6
    assert costs.disk_bytes([TrainConfig(method="plr", levels="0-9999")]) > 10 * one


def test_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["suites"]) == 0
    out = capsys.readouterr().out
    assert "hours are unknown" in out
    assert "1,760" in out.split("paper-table1")[1].split("\n")[0]
    assert "44000M" in out
    words = ["suites", "paper-table1", "--speed", str(SPEED)]
    assert cli.main([*words, "--methods", "ppo", "--games", "maze", "--seeds", "0"]) == 0
    out = capsys.readouterr().out
    assert "CPU-hours" in out
    assert out.splitlines()[1].split()[:5] == ["paper-table1", "1", "25M", "23.9", "23"]
    assert f"hours from {SPEED}, measured on AMD EPYC" in out
    assert "did you mean" in refused(["suites", "paper-table2"], tmp_path, capsys)
    assert "absent.json cannot" in refused(
        ["suites", "demo", "--speed", "absent.json"], tmp_path, capsys
    )
