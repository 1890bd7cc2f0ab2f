"""The files of a run: CSV tables that can be cut back, TensorBoard, meta.json."""

from __future__ import annotations

import csv
import json
import math
import warnings
from pathlib import Path

import pandas as pd
import pytest

from drac.errors import ConfigError
from drac.runs.logs import ARM_COLUMNS, EVAL_COLUMNS, PROGRESS_COLUMNS, TIMING_COLUMNS, RunLog
from drac.runs.meta import write_meta
from drac.stats import ArmStats, Report, UpdateStats

ARMS = ("crop", "flip(axis='vertical')", 'x, "y"')
STATS = UpdateStats(0.1, 0.2, 2.7, 0.3, 0.4, 0.01, 0.05, 0.5)


def report(update: int, train: float | None = 1.5) -> Report:
    arms = tuple(ArmStats(arm, update, 0.1 * i, math.nan) for i, arm in enumerate(ARMS))
    length = None if train is None else 20.0
    head = (100 * update, update, ARMS[update % 3], arms, 0.25, train, length, 7 * update, STATS)
    return Report(*head, train_episodes=7 * update, envs_ended=0.1875)


def episodes(split: str) -> pd.DataFrame:
    columns = {"level_seed": [3, 2**31 - 2], "return": [1.0, 2.0], "length": [10, 30]}
    return pd.DataFrame({"split": split, **columns})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(run_dir: Path, updates: range, **kwargs: object) -> dict[str, int]:
    """Log some updates and one evaluation, and return the positions after the first of them."""
    log = RunLog(run_dir, **kwargs)  # type: ignore[arg-type]
    try:
        for update in updates:
            log.update(report(update), wall_s=1.23456 * update, sps=500.126)
            if update == updates[0]:
                for split in ("train", "test"):
                    log.evaluation(100 * update, episodes(split))
                positions = log.positions()
    finally:
        log.close()
    return positions


def test_the_columns_are_those_that_were_promised(tmp_path: Path) -> None:
    RunLog(tmp_path).close()
    for name, columns in (
        ("progress", PROGRESS_COLUMNS),
        ("arms", ARM_COLUMNS),
        ("eval", EVAL_COLUMNS),
    ):
        assert (tmp_path / f"{name}.csv").read_text() == ",".join(columns) + "\n"
    assert PROGRESS_COLUMNS[:4] == ("step", "update", "arm", "train_return")
    assert {"policy_loss", "value_loss", "entropy", *TIMING_COLUMNS} <= {*PROGRESS_COLUMNS}
    assert TIMING_COLUMNS == ("wall_s", "charts/SPS")
    assert ARM_COLUMNS == ("update", "arm", "count", "mean", "score", "selected")
    assert EVAL_COLUMNS == ("step", "split", "level_seed", "return", "length")


def test_an_update_is_a_row_and_a_row_per_arm(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.update(report(1, train=None), 0.5, 99.999)
    log.update(report(2), 1.0, 100.0)
    log.close()
    first, second = rows(tmp_path / "progress.csv")
    assert (first["train_return"], first["train_length"]) == ("", "")
    assert (second["step"], second["update"], second["arm"]) == ("200", "2", ARMS[2])
    assert (second["train_return"], second["train_length"]) == ("1.5", "20.0")
    assert (second["train_episodes"], second["envs_ended"]) == ("14", "0.1875")
    assert (second["episodes"], second["bandit_reward"]) == ("14", "0.25")
    for name in UpdateStats.__dataclass_fields__:
        assert float(second[name]) == getattr(STATS, name)
    assert (first["wall_s"], first["charts/SPS"]) == ("0.5", "100.0")
    arms = rows(tmp_path / "arms.csv")
    assert [row["arm"] for row in arms] == [*ARMS, *ARMS]
    assert [row["selected"] for row in arms] == ["0", "1", "0", "0", "0", "1"]
    assert [row["count"] for row in arms[3:]] == ["2", "2", "2"]
    assert [float(row["mean"]) for row in arms[:3]] == [0.0, 0.1, 0.2]


def test_an_evaluation_is_a_row_per_episode(tmp_path: Path) -> None:
    write(tmp_path, range(1, 2))
    table = pd.read_csv(tmp_path / "eval.csv")
    assert list(table["split"]) == ["train", "train", "test", "test"]
    assert list(table["level_seed"]) == [3, 2**31 - 2] * 2
    assert list(table["return"]) == [1.0, 2.0] * 2
    assert list(table["length"]) == [10, 30] * 2
    assert set(table["step"]) == {100}
    assert (tmp_path / "eval.csv").read_text().splitlines()[2] == "100,train,2147483646,2.0,30"


def test_rows_are_on_disk_at_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.update(report(1), 1.0, 1.0)
    assert len(rows(tmp_path / "progress.csv")) == 1
    log.close()


def test_continuing_cuts_off_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    cut, straight = tmp_path / "cut", tmp_path / "straight"
    cut.mkdir()
    straight.mkdir()
    positions = write(cut, range(1, 5))
    assert len(rows(cut / "progress.csv")) == 4
    with (cut / "progress.csv").open("a") as file:
        file.write("half a r")
    log = RunLog(cut, positions, step=100)
    assert log.positions() == positions
    for update in (2, 3):
        log.update(report(update), wall_s=1.23456 * update, sps=500.126)
    log.close()
    write(straight, range(1, 4))
    for name in ("progress", "arms", "eval"):
        assert (cut / f"{name}.csv").read_bytes() == (straight / f"{name}.csv").read_bytes()


def test_a_run_that_an_earlier_version_began_keeps_its_columns(tmp_path: Path) -> None:
    """Version 0.1 had no extra_loss, and no column of a future version is known."""
    positions = write(tmp_path, range(1, 2))
    path = tmp_path / "progress.csv"
    table = pd.read_csv(path).drop(columns="extra_loss").assign(future=1.5)
    path.write_text(table.to_csv(index=False))
    positions["progress"] = path.stat().st_size
    log = RunLog(tmp_path, positions, step=100)
    log.update(report(2), 1.0, 1.0)
    log.close()
    first, second = rows(path)
    assert list(first) == list(second) == list(table.columns)
    assert (second["step"], second["grad_norm"], second["charts/SPS"]) == ("200", "0.5", "1.0")
    assert (first["future"], second["future"]) == ("1.5", "")


def test_positions_are_the_files_lengths(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.update(report(1), 1.0, 1.0)
    assert log.positions() == {
        name: (tmp_path / f"{name}.csv").stat().st_size for name in ("progress", "arms", "eval")
    }
    log.close()


def test_without_positions_files_begin_anew(tmp_path: Path) -> None:
    write(tmp_path, range(1, 5))
    write(tmp_path, range(1, 2))
    assert len(rows(tmp_path / "progress.csv")) == 1


@pytest.mark.parametrize("name", ["progress", "arms", "eval"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_table_behind_its_checkpoint_is_refused_and_none_is_touched(
    tmp_path: Path, name: str, gone: bool
) -> None:
    positions = write(tmp_path, range(1, 3))
    damaged = tmp_path / f"{name}.csv"
    if gone:
        damaged.unlink()
    else:
        damaged.write_bytes(damaged.read_bytes()[: positions[name] - 1])
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    with pytest.raises(ConfigError, match=rf"{name}\.csv lacks rows .*cannot continue"):
        RunLog(tmp_path, positions, step=100)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.csv")} == before


def test_tensorboard_has_the_scalars(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4))
    with warnings.catch_warnings():  # of tensorboard's own imports
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(tmp_path)).Reload()
    tags = set(events.Tags()["scalars"])
    assert {
        *("charts/episodic_return", "charts/episodic_length", "charts/SPS"),
        *("losses/policy_loss", "losses/value_loss", "losses/entropy"),
        *("train/return", "train/eval_return", "test/return", "bandit/reward"),
        *(f"bandit/{name}/{arm}" for name in ("count", "mean", "score") for arm in ARMS),
    } <= tags
    assert {tag.split("/")[0] for tag in tags} == {"charts", "losses", "train", "test", "bandit"}
    points = [(event.step, event.value) for event in events.Scalars("charts/episodic_return")]
    assert points == [(100, 1.5), (200, 1.5), (300, 1.5)]
    assert [(e.step, e.value) for e in events.Scalars("test/return")] == [(100, 1.5)]
    assert events.Scalars("losses/entropy")[0].value == pytest.approx(2.7)


def test_meta_is_added_to(tmp_path: Path) -> None:
    write_meta(tmp_path, device="cpu", steps=0)
    write_meta(tmp_path, steps=100, name="ü")
    text = (tmp_path / "meta.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"format": 1, "device": "cpu", "steps": 100, "name": "ü"}
    assert [path.name for path in tmp_path.iterdir()] == ["meta.json"]
