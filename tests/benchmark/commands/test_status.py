"""`drac-bench status` for programs and for watching, and `drac-bench logs`."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest
from checkout import ROOT
from refusals import refused
from synthetic_runs import ARMS, TOTAL, write_run

from benchmark import cli
from benchmark.commands import status, store
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from drac.files import lock
from drac.runs.logs import LOG


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["experiments"] == []
    write_run(Path("results"))
    half = write_run(Path("results"), "ucb-drac", arms=ARMS)
    (half / "eval.csv").unlink()
    Store(Path("results")).add_to_plan("exp", [RunSpec("exp", "ppo", "maze", 1)])
    with lock.owned(half):
        assert cli.main(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (experiment,) = found.pop("experiments")
    assert found == {"format": 1, "results": "results"}
    done, planned, running = experiment.pop("runs")
    assert experiment == {"name": "exp", "planned": 3, "complete": 1, "running": 1}
    assert done == {
        "id": "exp/ppo/coinrun/seed0",
        "method": "ppo",
        "game": "coinrun",
        "seed": 0,
        "state": "complete",
        "lacks": [],
        "folder": "results/runs/exp/ppo/coinrun/seed0",
        "step": TOTAL,
        "steps": TOTAL,
        "steps_per_s": 1234.5,
        "seconds_left": 0.0,
        "train_return": 2.5,
        "test_return": 2.0,
        "augmentation": "none",
        "changed_code": [],
    }
    assert (planned["state"], planned["lacks"]) == ("incomplete", ["not started"])
    assert (planned["step"], planned["steps"], planned["augmentation"]) == (0, None, None)
    assert (running["state"], running["step"], running["test_return"]) == ("running", TOTAL, None)


def test_the_page_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    write_run(Path("results"))
    assert cli.main(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    experiment = found["experiments"][0]
    page = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)
    assert rows == [*found, *experiment, *experiment["runs"][0]]


@pytest.mark.parametrize("width", [80, 100])
def test_its_lines_fit_and_say_what_there_is(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    write_run(Path("results"), "ucb-drac", "starpilot", arms={"color-jitter": 1, "crop": 1})
    half = write_run(Path("results"), "ppo", "starpilot")
    for path in half.glob("*.csv"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: 1 + len(lines) // 2]))
    (half / LOG).write_text("saved\n\x1b[31mout of memory\n")
    failed = RunSpec("exp", "drac-crop", "maze", 1)
    store_ = Store(Path("results"))
    store_.add_to_plan("exp", [failed, RunSpec("exp", "ppo", "heist", 0)])
    store_.run_dir(failed).mkdir(parents=True)
    (store_.run_dir(failed) / LOG).write_text("no such class\n")
    assert cli.main(["status", "--experiment", "exp"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > width] == []
    assert "arm color-jitter\n" in out
    assert out.count("arm ") == 1
    assert out.count(" left") == 1
    assert "heist/seed0: not started\n" in out
    words = " ".join(out.split())
    assert (
        "drac-crop/maze/seed1: failed before it began: see its train.log"
        " its log ends: no such class (drac-bench logs exp/drac-crop/maze/seed1)"
    ) in words
    assert "its log ends: ?[31mout of memory (drac-bench logs exp/ppo/starpilot/seed0)" in words
    assert cli.main(["status"]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if "/seed" in line]
    assert "heist" in shown[-1]  # what has begun comes first


def test_a_complete_run_shows_what_was_measured_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = write_run(Path("results")) / "progress.csv"
    lines = progress.read_text().splitlines()
    lines[2] = lines[1].replace("128,1,", "256,2,", 1)  # no training episode has ended
    progress.write_text("\n".join([*lines, ""]))
    assert cli.main(["status", "--experiment", "exp"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith(f"complete step {TOTAL}/{TOTAL} 1,234 steps/s train 4.00 test 2.00")
    assert "envs" not in said


def test_the_time_that_is_left_is_told_where_finished_runs_tell_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done, half = write_run(Path("results")), write_run(Path("results"), seed=1)
    (half / "eval.csv").unlink()
    Store(Path("results")).add_to_plan("exp", [RunSpec("exp", "gone", "maze", k) for k in range(2)])
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out.startswith("exp: 1 of 4 runs complete, 0 running\n")
    meta = json.loads((done / "meta.json").read_text())
    facts = {"wall_s": 1800, "steps": TOTAL, "threads": 2, "device": "cpu"}
    (done / "meta.json").write_text(json.dumps(meta | facts))
    assert cli.main(["status"]) == 0
    left = "about 2:00:00 of one core left and the last evaluations"  # of those that have not begun
    assert f"exp: 1 of 4 runs complete, 0 running, {left}\n" in capsys.readouterr().out


def test_watching_goes_on_until_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(Path("results"))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        write_run(Path("results"), seed=len(slept))
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", sleep)
    assert cli.main(["status", "--watch"]) == 0
    shown = re.findall(r"exp: (\d) of \d runs? complete", capsys.readouterr().out)
    assert shown == ["1", "2", "3"]
    slept.clear()
    for seed in (1, 2, 3):
        (Path("results/runs/exp/ppo/coinrun") / f"seed{seed}").rename(f"away{seed}")
    assert cli.main(["status", "--watch", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["experiments"][0]["planned"] for line in lines] == [1, 2, 3]


def test_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = write_run(Path("results"))
    for name in ("exp/ppo/coinrun/seed0", str(run_dir), str(run_dir) + "/"):
        (run_dir / LOG).write_bytes(b"one\n\x1b[31mtwo \xff\xc2\x9b\n")
        assert cli.main(["logs", name]) == 0
        assert capsys.readouterr().out == "one\n?[31mtwo \ufffd?\n"
    (run_dir / LOG).unlink()
    assert "has no train.log" in refused(["logs", str(run_dir)], tmp_path, capsys)
    (run_dir / LOG).symlink_to("/etc/passwd")
    assert "is a symbolic link" in refused(["logs", str(run_dir)], tmp_path, capsys)
    said = refused(["logs", "exp/ppo/coinrum/seed0"], tmp_path, capsys)
    assert "did you mean 'exp/ppo/coinrun/seed0'" in said
    said = refused(["logs", "exp/ppo"], tmp_path, capsys)
    assert "unknown run 'exp/ppo' (did you mean 'exp/ppo/coinrun/seed0'?)" in said
    said = refused(["logs", "results/runs/exp"], tmp_path, capsys)
    assert "results/runs/exp is no run but a folder of runs: ppo/coinrun/seed0" in said
    assert "unknown run '../x'" in refused(["logs", "../x"], tmp_path, capsys)
    assert "give one run, not 0" in refused(["logs"], tmp_path, capsys)


def test_only_the_end_of_an_endless_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = write_run(Path("results"))
    monkeypatch.setattr(store, "_LOG_LIMIT", 10)
    (run_dir / LOG).write_text("x" * 100 + "\nlast one\n")
    assert cli.main(["logs", str(run_dir)]) == 0
    assert capsys.readouterr().out == "\nlast one\n"


def test_a_log_is_followed_while_the_run_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = write_run(Path("results"))

    def train() -> None:
        for line in ("one\n", "two\n", "three\n"):
            with (run_dir / LOG).open("a") as log:
                log.write(line)
            time.sleep(0.7)
        (run_dir / LOG).write_text("anew\n")

    with lock.owned(run_dir):
        follower = threading.Thread(target=cli.main, args=(["logs", str(run_dir), "--follow"],))
        follower.start()
        train()
    follower.join(timeout=60)
    assert not follower.is_alive()
    assert capsys.readouterr().out == "one\ntwo\nthree\nanew\n"
