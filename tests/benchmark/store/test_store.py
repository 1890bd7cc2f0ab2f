"""The store: what a folder of runs holds, and what keeps a run from being complete."""

from __future__ import annotations

import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import ARMS, TOTAL, tree, write_run

from benchmark.commands.display import progress_fields
from benchmark.store.progress import Progress, read_progress
from benchmark.store.run_files import (
    ARM_COLUMNS,
    PROGRESS_COLUMNS,
    DamagedError,
    final_episodes,
    read_csv,
)
from benchmark.store.run_record import validate
from benchmark.store.store import Store, settings
from benchmark.suites import RunSpec
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.files import lock, untrusted
from drac.files.lock import set_aside
from drac.files.run_folder import check_name
from drac.runs.logs import EVAL_COLUMNS


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def drop_lines(path: Path, count: int) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-count]))


def test_a_whole_run_has_no_problems(run_dir: Path) -> None:
    assert validate(run_dir) == []


def test_a_folder_without_config_is_not_started(tmp_path: Path) -> None:
    assert validate(tmp_path / "nowhere") == ["not started"]
    assert validate(tmp_path) == ["not started"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1, "game": "chess"}', "\x00"])
def test_a_damaged_config(run_dir: Path, text: str) -> None:
    (run_dir / "config.json").write_text(text)
    (problem,) = validate(run_dir)
    assert str(run_dir / "config.json") in problem


def test_a_config_of_another_version(run_dir: Path) -> None:
    replace_in(run_dir / "config.json", '"format": 1', '"format": 2')
    assert "format 2" in validate(run_dir)[0]


def test_steps_short(run_dir: Path) -> None:
    drop_lines(run_dir / "progress.csv", 1)
    assert validate(run_dir) == [f"trained 128 of {TOTAL} steps"]
    (run_dir / "progress.csv").unlink()
    assert validate(run_dir) == [f"trained 0 of {TOTAL} steps"]


def test_a_longer_config_makes_a_run_incomplete_again(run_dir: Path) -> None:
    replace_in(run_dir / "config.json", '"steps": 300', '"steps": 512')
    assert validate(run_dir) == [
        "trained 256 of 512 steps",
        "arms.csv ends at update 2 of 4",
        "0 of 3 final train episodes",
        "0 of 3 final test episodes",
    ]


EPISODES = [f"{TOTAL},test,{i},{i + 1}.0,9\n" for i in range(3)]
NO_RETURN = "eval.csv is damaged: line 12 has no return"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (EPISODES[2], "", "2 of 3 final test episodes"),
        ("".join(EPISODES), "", "0 of 3 final test episodes"),
        (EPISODES[2], f"{EPISODES[2]}{TOTAL},test,5,1.0,9\n", "4 of 3 final test episodes"),
        (EPISODES[1], f"{TOTAL},test,1\n", NO_RETURN),
        *(
            (EPISODES[1], f"{TOTAL},test,1,{value},9\n", NO_RETURN + why)
            for value, why in (
                ("", ""),
                ("nan", ": 'nan' is not finite"),
                ("inf", ": 'inf' is not finite"),
                ("-inf", ": '-inf' is not finite"),
                ("1e99", ": '1e99' is beyond what any run has"),
                ("many", ""),
            )
        ),
    ],
)
def test_an_evaluation_that_is_not_ours_or_damaged(
    run_dir: Path, old: str, new: str, problem: str
) -> None:
    replace_in(run_dir / "eval.csv", old, new)
    assert validate(run_dir) == [problem]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", None])
def test_a_damaged_or_absent_meta(run_dir: Path, text: str | None) -> None:
    (run_dir / "meta.json").unlink()
    if text is not None:
        (run_dir / "meta.json").write_text(text)
    assert validate(run_dir) == ["no readable meta.json"]


@pytest.mark.parametrize("name", ["progress.csv", "arms.csv", "eval.csv"])
def test_a_file_that_is_no_csv(run_dir: Path, name: str) -> None:
    for content in (b"a,b\n1,2\n", b"\xff\xfe\x00\n\x00\n", b'"\n', b"\n"):
        (run_dir / name).write_bytes(content)
        (problem,) = validate(run_dir)
        assert name in problem
        assert "\n" not in problem


@pytest.mark.parametrize("name", ["progress.csv", "arms.csv", "eval.csv"])
def test_an_empty_file_and_a_line_with_too_many_fields(run_dir: Path, name: str) -> None:
    whole = (run_dir / name).read_text()
    for line in (1, 2):  # the first data line, which pandas treats in its own way, and another
        lines = whole.splitlines()
        lines[line] += ",7,7"
        (run_dir / name).write_text("\n".join(lines) + "\n")
        (problem,) = validate(run_dir)
        assert name in problem
    (run_dir / name).write_text("")
    assert validate(run_dir)


def test_a_last_line_without_its_end_is_left_out(run_dir: Path) -> None:
    for name in ("progress.csv", "arms.csv", "eval.csv"):
        with (run_dir / name).open("a") as file:
            file.write("99")  # a process is writing just now
    assert validate(run_dir) == []
    path = run_dir / "eval.csv"
    path.write_text(path.read_text().removesuffix("\n99")[:-3])  # the last episode, cut
    assert validate(run_dir) == ["2 of 3 final test episodes"]


def test_further_columns_do_no_harm(run_dir: Path) -> None:
    lines = (run_dir / "progress.csv").read_text().splitlines()
    text = "\n".join([lines[0] + ",later", *(line + ",1" for line in lines[1:])])
    (run_dir / "progress.csv").write_text(text + "\n")
    assert validate(run_dir) == []


@pytest.mark.parametrize("name", ["progress.csv", "arms.csv", "eval.csv"])
@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["step"] * 10**6, "it has 1,000,000 columns, more than the 1,000 allowed"),
        ([f"c{n}" for n in range(1001)], "it has 1,001 columns, more than the 1,000 allowed"),
        (["step", "step", "split"], "it has the column 'step' twice"),
    ],
    ids=["a million", "too many", "twice"],
)
def test_headers_that_nobody_writes(run_dir: Path, name: str, header: list[str], said: str) -> None:
    (run_dir / name).write_text(",".join(header) + "\n")
    assert validate(run_dir)[:1] == [f"{name} cannot be read ({said})"]


def test_specifications_with_commas_are_read(tmp_path: Path) -> None:
    spec = "kornia:RandomGaussianBlur(kernel_size=(3, 3))"
    write_run(tmp_path, "ucb-drac", arms={spec: 2})
    row = Store(tmp_path).load([RunSpec("exp", "ucb-drac", "coinrun", 0)]).iloc[0]
    assert row["arms"] == {spec: 2}


def test_reading_an_absent_file_gives_no_rows(tmp_path: Path) -> None:
    assert read_csv(tmp_path / "x.csv", ("step", "arm")).empty
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DamagedError, match=r"x\.csv"):
        read_csv(tmp_path / "x.csv", ("step", "arm"))


def test_reading_agrees_with_pandas(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path, "ucb-drac", arms={"crop": 3, "flip(axis='vertical', p=1)": 1})
    for name, columns in (
        ("progress.csv", PROGRESS_COLUMNS),
        ("arms.csv", ARM_COLUMNS),
        ("eval.csv", EVAL_COLUMNS),
    ):
        ours, theirs = read_csv(run_dir / name, columns), pd.read_csv(run_dir / name)
        assert len(ours) > 1
        for column in columns:
            np.testing.assert_array_equal(ours[column].to_numpy(), theirs[column].to_numpy())


def test_counts_of_absurd_size_stay_numbers(run_dir: Path) -> None:
    replace_in(run_dir / "eval.csv", f"{TOTAL},test,1,2.0,9", f"{TOTAL},test,1e300,2.0,9")
    assert final_episodes(run_dir)["level_seed"].max() == 1e300


def test_a_run_is_read_once(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read_text = Path.read_text

    def counting(path: Path, *args: str, **kwargs: str) -> str:
        opened.append(path.name)
        return read_text(path, *args, **kwargs)

    read = untrusted.read

    def counting_too(path: Path, *args: Any) -> bytes:
        opened.append(path.name)
        return read(path, *args)

    monkeypatch.setattr(Path, "read_text", counting)
    monkeypatch.setattr(untrusted, "read", counting_too)
    store = Store(run_dir.parents[4])
    (row,) = store.load(store.specs("exp")).to_dict("records")
    assert row["problems"] == []
    files_read = [name for name in opened if name != "plan.json"]
    assert sorted(files_read) == sorted(
        [*("config.json", "meta.json", "progress.csv", "arms.csv"), *("eval.csv", "robustness.csv")]
    )


def test_the_final_evaluation_is_the_last_one(run_dir: Path) -> None:
    episodes = final_episodes(run_dir)
    assert episodes["return"].tolist() == [3.0, 4.0, 5.0, 1.0, 2.0, 3.0]
    assert set(episodes["step"]) == {TOTAL}


@pytest.mark.parametrize("name", ["a", "paper-table1", "2026.07_x+y", "A" * 200])
def test_names_of_experiments(name: str) -> None:
    assert check_name("experiment", name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/", "a b", "-a", ".a", "a\n", "ä", "a\\b", "A" * 201]
)
def test_names_that_would_leave_the_store_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="experiment .* must be letters"):
        check_name("experiment", name)


def spec(method: str, game: str, seed: int = 0) -> RunSpec:
    return RunSpec("exp", method, game, seed)


def test_plans_are_united(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.plan("exp") == []
    store.add_to_plan("exp", [spec("ppo", "maze"), spec("ppo", "coinrun")])
    store.add_to_plan("exp", [spec("ppo", "maze"), spec("ppo", "maze", 11)])
    wanted = [spec("ppo", "coinrun"), spec("ppo", "maze"), spec("ppo", "maze", 11)]
    assert store.plan("exp") == wanted
    assert store.specs("exp") == wanted


def test_sweeps_that_start_at_once_lose_nothing_of_the_plan(tmp_path: Path) -> None:
    store = Store(tmp_path)
    threads = [
        threading.Thread(target=store.add_to_plan, args=("exp", [spec("ppo", "maze", seed)]))
        for seed in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.plan("exp") == [spec("ppo", "maze", seed) for seed in range(12)]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"runs": ["a/b"]}', '{"runs": ["a/b/seedx"]}'])
def test_a_damaged_plan_is_an_error_and_not_overwritten(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.add_to_plan("exp", [spec("ppo", "maze")])
    (tmp_path / "runs/exp/plan.json").write_text(text)
    before = tree(tmp_path)
    with pytest.raises(ConfigError, match=r"plan\.json cannot be read"):
        store.specs("exp")
    with pytest.raises(ConfigError, match=r"plan\.json cannot be read"):
        store.add_to_plan("exp", [spec("ppo", "coinrun")])
    assert tree(tmp_path) == before


def test_runs_without_a_plan_are_found(tmp_path: Path) -> None:
    write_run(tmp_path, "ppo", "maze", 2)
    write_run(tmp_path, "drac-crop", "coinrun", 10)
    for name in ("seedx", "seed01", "seed", "notes"):
        (tmp_path / "runs/exp/ppo/maze" / name).mkdir()
        (tmp_path / "runs/exp/ppo/maze" / name / "config.json").write_text("{}")
    assert Store(tmp_path).specs("exp") == [
        spec("drac-crop", "coinrun", 10),
        spec("ppo", "maze", 2),
    ]


def test_experiments_are_the_folders_that_hold_runs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.experiments() == []
    write_run(tmp_path, experiment="b")
    store.add_to_plan("a", [RunSpec("a", "ppo", "maze", 0)])
    (tmp_path / "runs/empty").mkdir()
    (tmp_path / "runs/.hidden").mkdir()
    (tmp_path / "runs/note.txt").write_text("")
    assert store.experiments() == ["a", "b"]


def test_load(tmp_path: Path) -> None:
    write_run(tmp_path, "ucb-drac", "maze", train=(1, 2, 6), test=(0, 0, 1), arms={"crop": 2})
    store = Store(tmp_path)
    store.add_to_plan("exp", [spec("ucb-drac", "maze"), spec("ucb-drac", "maze", 1)])
    done, planned = store.load(store.specs("exp")).to_dict("records")
    assert (done["train"], done["test"]) == (3.0, pytest.approx(1 / 3))
    assert (done["problems"], done["arms"]) == ([], {"crop": 2})
    assert done["settings"]["procgen_build"] == "procgen 0.10.7"
    assert (planned["problems"], planned["settings"], planned["arms"]) == (["not started"], {}, {})
    assert math.isnan(planned["train"])
    assert math.isnan(planned["test"])


def test_load_of_nothing_has_the_columns(tmp_path: Path) -> None:
    runs = Store(tmp_path).load([])
    assert list(runs.columns)[:5] == ["experiment", "method", "game", "seed", "problems"]
    assert runs.empty


def test_a_copied_folder_is_no_further_seed(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path)
    run_dir.rename(run_dir.with_name("seed1"))
    (row,) = Store(tmp_path).load(Store(tmp_path).specs("exp")).to_dict("records")
    assert row["problems"] == ["its config.json is that of exp/ppo/coinrun/seed0"]


def test_settings_are_what_scores_depend_on() -> None:
    meta = {"procgen_build": "x"}
    base = settings(TrainConfig(method="ppo"), meta)
    same = TrainConfig(method="ppo", seed=3, game="maze", eval_every=0, checkpoint_every=1)
    assert settings(same, meta) == base
    assert {"arms", "ucb_window", "aug_coef"}.isdisjoint(base)  # it has no bandit
    elsewhere = TrainConfig(method="ppo", threads=7, env_groups=2, cuda_graphs=False)
    assert settings(elsewhere, meta) == base
    for other in (
        {"steps": 50_000},
        {"fidelity": "released"},
        {"precision": "bf16"},
        {"mode": "hard"},
        {"levels": "0-499"},
        {"eval_episodes": 7},
        {"learning_rate": 1e-3},
    ):
        assert settings(TrainConfig(method="ppo", **other), meta) != base
    assert settings(TrainConfig(method="ppo"), {"procgen_build": "y"}) != base
    bandit = settings(TrainConfig(method="ucb-drac"), meta)
    assert settings(TrainConfig(method="ucb-drac", arms=("crop",)), meta) != bandit
    assert settings(TrainConfig(method="ucb-drac", ucb_window=3), meta) != bandit
    assert settings(TrainConfig(method="ucb-drac", recurrent=True), meta) != bandit
    assert "recurrent" not in settings(TrainConfig(method="ppo-lstm"), meta)  # always is


def test_progress_of_a_run(run_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig.from_json(run_dir / "config.json")
    assert read_progress(run_dir, config) == Progress(TOTAL, TOTAL, 1234.5, 2.5, 2.0, "none")
    drop_lines(run_dir / "progress.csv", 1)
    now = read_progress(run_dir, config)
    assert (now.step, now.train_return) == (128, None)  # no training episode had ended yet
    assert now.seconds_left == pytest.approx(128 / 1234.5)
    assert read_progress(tmp_path, config) == Progress(0, TOTAL)
    assert read_progress(tmp_path, config).seconds_left is None
    (run_dir / "progress.csv").write_bytes(b"\xff\xfe\n")
    assert read_progress(run_dir, config) == Progress(0, TOTAL)  # a display must not fall over it


def test_a_run_that_plays_an_evaluation_is_said_to_evaluate(run_dir: Path) -> None:
    config, path = TrainConfig.from_json(run_dir / "config.json"), run_dir / "eval.csv"
    header = path.read_text().partition("\n")[0]
    assert "evaluating" not in progress_fields(read_progress(run_dir, config))
    path.write_text(header + "\n")
    fields = progress_fields(read_progress(run_dir, config))  # the last one is due
    assert fields[-2:] == ["train 2.50", "evaluating"]
    drop_lines(run_dir / "progress.csv", 1)
    for every, due in ((0, False), (128, True), (256, False)):
        between = config.model_copy(update={"eval_every": every})
        assert read_progress(run_dir, between).evaluating == due


def test_the_display_says_of_how_many_envs_a_return_is(run_dir: Path) -> None:
    config, path = TrainConfig.from_json(run_dir / "config.json"), run_dir / "progress.csv"
    table = pd.read_csv(path)
    for share, said in ((0.25, "2.50 (2 of 8 envs)"), (1.0, "2.50"), (None, "2.50")):
        table.assign(envs_ended=share).to_csv(path, index=False)
        assert f"train {said}" in progress_fields(read_progress(run_dir, config))
    table.drop(columns="envs_ended").to_csv(path, index=False)  # of an earlier version
    assert "train 2.50" in progress_fields(read_progress(run_dir, config))
    assert validate(run_dir) == []


def test_a_folder_is_in_use_while_somebody_owns_it(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path, "ucb-drac", arms=ARMS)
    assert not lock.in_use(run_dir)
    with lock.owned(run_dir):
        assert lock.in_use(run_dir)
    assert not lock.in_use(run_dir)


def test_a_run_that_was_set_aside_is_none(tmp_path: Path) -> None:
    """`drac train --fresh` renames the folder; its scores must not count as one more seed."""
    run_dir = write_run(tmp_path, "ucb-drac", arms=ARMS)
    store = Store(tmp_path)
    specs = store.specs("exp")
    aside = set_aside(run_dir)
    assert aside is not None
    assert aside.is_dir()
    assert store.specs("exp") == []
    assert store.experiments() == []
    write_run(tmp_path, "ucb-drac", arms=ARMS)
    assert store.specs("exp") == specs
    assert len(store.load(store.specs("exp"))) == 1


def test_files_that_nobody_could_have_meant(run_dir: Path) -> None:
    """A pipe, a return whose mean overflows, a file without end, a build that is a list."""
    store = Store(run_dir.parents[4])
    original = (run_dir / "eval.csv").read_text()

    def problems() -> str:
        (row,) = store.load(store.specs("exp")).to_dict("records")
        return "; ".join(row["problems"])

    header, first, *_ = original.splitlines()
    column = header.split(",").index("return")
    cells = first.split(",")
    cells[column] = "1e308"
    (run_dir / "eval.csv").write_text("\n".join([header, ",".join(cells)]) + "\n")
    assert "eval.csv is damaged: line 2 has no return" in problems()
    (run_dir / "eval.csv").unlink()
    with (run_dir / "eval.csv").open("wb") as file:
        file.truncate(2**30 + 1)  # a hole: no disk is used
    assert "more than the 1,073,741,824 allowed" in problems()
    (run_dir / "eval.csv").unlink()
    os.mkfifo(run_dir / "eval.csv")
    assert "no regular file" in problems() or "pipe" in problems()
    assert not lock.in_use(run_dir)
    (run_dir / ".lock").unlink(missing_ok=True)
    os.mkfifo(run_dir / ".lock")
    assert not lock.in_use(run_dir)  # and does not wait
    meta = json.loads((run_dir / "meta.json").read_text())
    (run_dir / "meta.json").write_text(json.dumps({**meta, "procgen_build": [1, 2]}))
    (row,) = store.load(store.specs("exp")).to_dict("records")
    assert isinstance(row["settings"].get("procgen_build", ""), str)
