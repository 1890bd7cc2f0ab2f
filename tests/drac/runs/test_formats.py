"""The version promise: what was written before can be read, continued and evaluated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from checkout import RUNS

from benchmark.store.run_record import validate
from drac import cli, policy
from drac.config import TrainConfig, as_argv, train_config
from drac.errors import ConfigError
from drac.policy import exported
from drac.runs import checkpoint, checkpoint_format, meta

FOLDER = RUNS / "format-2"
"""Written by the code of November 2026, before its modules moved into packages."""


def test_a_committed_run_is_read_evaluated_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(FOLDER, run)
    assert validate(run) == []
    assert cli.main(["evaluate", str(run), "--episodes", "2", "--num-envs", "2"]) == 0
    assert "step 32, test split\n2 episodes" in capsys.readouterr().out
    assert cli.main(["export", str(run)]) == 0
    assert policy.load(run / "policy.safetensors").step == 32


def test_a_committed_run_is_continued(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(FOLDER, run)
    old = {path.name: path.read_bytes() for path in FOLDER.glob("*.csv")}
    saved = TrainConfig.from_json(run / "config.json")
    longer = TrainConfig(**{**saved.model_dump(), "steps": 96})
    assert cli.main(["train", *as_argv(longer), "--run-dir", str(run)]) == 0
    for name, content in old.items():
        assert (run / name).read_bytes().startswith(content)
    steps = [line.split(b",")[0] for line in (run / "progress.csv").read_bytes().splitlines()]
    assert steps == [b"step", b"32", b"64", b"96"]
    newest = checkpoint.newest(run)
    assert newest is not None
    assert checkpoint.load(newest)["training"]["update"] == 3
    assert validate(run) == []


@pytest.mark.parametrize("name", ["config.json", "meta.json"])
def test_each_file_has_its_version_and_a_later_one_is_refused(name: str, tmp_path: Path) -> None:
    assert (train_config.FORMAT, meta.META_FORMAT, exported.FORMAT) == (1, 1, 1)
    assert checkpoint_format.FORMAT == 2
    run = tmp_path / "run"
    shutil.copytree(FOLDER, run)
    data = json.loads((run / name).read_text(encoding="utf-8"))
    assert data["format"] == 1
    (run / name).write_text(json.dumps({**data, "format": 2}), encoding="utf-8")
    read = {"config.json": lambda: TrainConfig.from_json(run / name)}
    with pytest.raises(ConfigError, match=rf"{name} has format 2; this version reads format 1"):
        read.get(name, lambda: meta.write_meta(run))()
