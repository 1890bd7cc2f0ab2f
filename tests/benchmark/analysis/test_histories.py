"""Many runs' files read at once: the same rows as one by one, and nothing from a damaged file."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from synthetic_runs import ARMS, write_run

from benchmark.analysis import histories
from benchmark.analysis.histories import Histories
from benchmark.store import many_files
from benchmark.store.run_files import DamagedError, read_csv
from benchmark.store.store import Store
from drac.runs import logs

PROGRESS = ("step", "update", "train_return", "entropy")


def load(root: Path, experiments: tuple[str, ...] = ("exp",)) -> Histories:
    store = Store(root)
    specs = [spec for name in experiments for spec in store.specs(name)]
    return histories.load(store.load(specs))


def read(files: dict[int, Path], columns: tuple[str, ...]) -> tuple[pd.DataFrame, dict[int, str]]:
    problems: dict[int, str] = {}
    parts = list(many_files.read_many(files, columns, problems))
    return pd.concat(parts, ignore_index=True), problems


def one_by_one(files: dict[int, Path], columns: tuple[str, ...]) -> pd.DataFrame:
    parts = []
    for run, path in files.items():
        table = read_csv(path, columns)
        table.insert(0, "run", run)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    one, other = (
        table.sort_values("run", kind="stable", ignore_index=True) for table in (one, other)
    )
    pd.testing.assert_frame_equal(one, other, check_dtype=False, check_categorical=False)


@pytest.fixture
def files(tmp_path: Path) -> dict[int, Path]:
    return {i: write_run(tmp_path, seed=i) / "progress.csv" for i in range(4)}


def test_together_as_one_by_one(files: dict[int, Path]) -> None:
    together, problems = read(files, PROGRESS)
    assert problems == {}
    assert len(together) == 8
    same(together, one_by_one(files, PROGRESS))


def test_columns_of_another_version_and_quoted_fields(files: dict[int, Path]) -> None:
    table = pd.read_csv(files[1])
    table.assign(more=1)[table.columns[::-1]].to_csv(files[1], index=False)
    table.assign(arm="flip(axis='vertical', p=1)").to_csv(files[2], index=False)
    columns = (*PROGRESS, "arm")
    together, problems = read(files, columns)
    assert problems == {}
    same(together, one_by_one(files, columns))


def test_a_line_that_is_being_written_is_left_out(files: dict[int, Path]) -> None:
    whole = files[3].read_text()
    files[3].write_text(whole + "384,3,none,1.")
    together, problems = read(files, PROGRESS)
    assert problems == {}
    assert (together["run"] == 3).sum() == 2
    files[3].write_text(whole[:10])  # not even its header
    together, _ = read(files, PROGRESS)
    assert set(together["run"]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("256,2,", "256,two,", "has no update"),
        ("256,2,", "256,2,none,", "more fields than the header"),
        ("step,", "stop,", "has no column step"),
        ("256,2,", "inf,2,", "has no step"),
    ],
)
def test_a_damaged_file_is_named_and_others_are_read(
    files: dict[int, Path], old: str, new: str, said: str
) -> None:
    files[2].write_text(files[2].read_text().replace(old, new))
    together, problems = read(files, PROGRESS)
    assert list(problems) == [2]
    assert said in problems[2]
    assert problems[2].startswith("progress.csv")
    assert sorted(set(together["run"])) == [0, 1, 3]


@pytest.mark.parametrize("value", ["NaN", "null", "1e101", "-1e100", "inf"])
def test_what_one_reading_refuses_the_other_does(files: dict[int, Path], value: str) -> None:
    table = pd.read_csv(files[2])
    table.assign(train_return=value).to_csv(files[2], index=False)
    _, problems = read(files, PROGRESS)
    with pytest.raises(DamagedError, match="has no train_return") as caught:
        read_csv(files[2], PROGRESS)
    assert problems == {2: str(caught.value)}


def test_a_pipe_is_no_file_of_a_run(files: dict[int, Path]) -> None:
    files[1].unlink()
    os.mkfifo(files[1])
    _, problems = read(files, PROGRESS)
    assert problems == {1: "progress.csv cannot be read (it is no regular file)"}


def test_bytes_that_are_no_text(files: dict[int, Path]) -> None:
    files[0].write_bytes(files[0].read_bytes() + b"\xff\xfe\n")
    together, problems = read(files, PROGRESS)
    assert list(problems) == [0]
    assert sorted(set(together["run"])) == [1, 2, 3]


def test_an_absent_file_has_no_rows(files: dict[int, Path]) -> None:
    together, problems = read(
        {**files, 9: files[0].parent.with_name("seed99") / "progress.csv"}, PROGRESS
    )
    assert problems == {}
    assert 9 not in set(together["run"])


def test_many_parts_are_the_whole(files: dict[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = read(files, PROGRESS)
    monkeypatch.setattr(many_files, "_ROWS", 3)
    parts = list(many_files.read_many(files, PROGRESS, {}))
    assert len(parts) > 1
    same(pd.concat(parts), whole)


def test_evaluations_levels_and_arms(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path, "ucb-drac", train=(3, 4, 8), test=(1, 2, 3), arms=ARMS,
                        chosen_from=("crop", "flip"))  # fmt: skip
    found = load(tmp_path)
    assert found.labels == ["ucb-drac"]
    assert found.games == ["coinrun"]
    means = found.evaluations.set_index(["step", "split"])["return"]
    assert means.to_dict() == {
        (128, "train"): 105, (128, "test"): 102, (256, "train"): 5, (256, "test"): 2,
    }  # fmt: skip
    assert found.evaluations["episodes"].tolist() == [3] * 4
    last = pd.read_csv(run_dir / "eval.csv").query("step == 256")
    assert found.levels["return"].tolist() == last["return"].tolist()
    assert found.arms[["step", "arm"]].to_numpy().tolist() == [
        [128, "crop"], [128, "flip"], [256, "crop"], [256, "flip"],
    ]  # fmt: skip
    assert not any("Missing" in note for note in found.notes)


def cut(run_dir: Path) -> None:
    """Leave a run of one update of two, as if it were in progress."""
    for name in ("progress.csv", "arms.csv", "eval.csv"):
        lines = (run_dir / name).read_text().splitlines(keepends=True)
        step = "128," if name != "arms.csv" else "1,"
        kept = [lines[0], *(line for line in lines[1:] if line.startswith(step))]
        (run_dir / name).write_text("".join(kept))


def test_a_run_in_progress_is_drawn_where_nothing_is_complete(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    cut(write_run(tmp_path, seed=1))
    cut(write_run(tmp_path, game="maze"))
    found = load(tmp_path)
    assert sorted(zip(found.runs["game"], found.runs["seed"], strict=True)) == [
        ("coinrun", 0),
        ("maze", 0),
    ]
    said = " ".join(found.notes)
    assert "In progress, in curves as far as they are: 1 of 3 planned runs: ppo/maze/seed0." in said
    assert "Missing: 1 of 3 planned runs: ppo/coinrun/seed1 (trained 128 of 256 steps" in said


def test_a_run_with_a_damaged_file_is_missing(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    (write_run(tmp_path, seed=1) / "eval.csv").write_text(",".join(logs.EVAL_COLUMNS) + "\n1\n")
    found = load(tmp_path)
    assert found.runs["seed"].tolist() == [0]
    assert set(found.progress["run"]) == set(found.runs.index)
    assert any("ppo/coinrun/seed1 (eval.csv is damaged" in note for note in found.notes)


def test_a_planned_run_that_has_not_begun_is_missing(tmp_path: Path) -> None:
    write_run(tmp_path)
    store = Store(tmp_path)
    from benchmark.suites import RunSpec

    store.add_to_plan(
        "exp", [RunSpec("exp", "ppo", "coinrun", 0), RunSpec("exp", "ppo", "maze", 0)]
    )
    notes = load(tmp_path).notes
    assert "Missing: 1 of 2 planned runs: ppo/maze/seed0 (not started)." in notes


def test_the_same_run_of_two_experiments_is_drawn_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_run(tmp_path, experiment=name)
    found = load(tmp_path, ("one", "two"))
    assert len(found.runs) == 1
    assert "In several experiments and drawn once: 1 run." in found.notes


def test_settings_that_differ_are_not_one_curve(tmp_path: Path) -> None:
    """What is the default is not named."""
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, learning_rate=1e-4)
    assert load(tmp_path).labels == ["ppo", "ppo [learning_rate=0.0001]"]


def test_methods_are_in_the_order_of_their_list(tmp_path: Path) -> None:
    for method in ("ucb-drac", "drac-flip", "plr", "drac-crop", "ppo", "drac-blur"):
        write_run(tmp_path, method)
    assert load(tmp_path).labels == [
        "ppo",
        "drac-crop",
        "drac-flip",
        "drac-blur",
        "ucb-drac",
        "plr",
    ]


def test_no_runs(tmp_path: Path) -> None:
    found = load(tmp_path, ())
    assert found.runs.empty
    assert found.labels == []
