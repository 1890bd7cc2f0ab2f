"""The local engine, on tiny commands in place of training."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from benchmark.engines import local, process
from benchmark.engines.engine import Job, training
from benchmark.engines.local import LocalEngine
from drac.config import TrainConfig, as_argv
from drac.errors import ConfigError


def jobs(root: Path, count: int, code: str) -> list[Job]:
    """Jobs that execute Python code; argv[1] is the run's folder."""
    folders = [root / f"job{k}" for k in range(count)]
    return [Job(f.name, ("-S", "-c", code, str(f)), f) for f in folders]


def finish(
    engine: LocalEngine, all_jobs: Sequence[Job], seen: list[int] | None = None
) -> dict[str, int]:
    for job in all_jobs:
        engine.submit(job)
    assert engine.running == []  # submit only queues
    statuses: dict[str, int] = {}
    deadline = time.monotonic() + 600
    while len(statuses) < len(all_jobs):
        statuses |= engine.poll()
        if seen is not None:
            seen.append(len(engine.running))
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert engine.running == []
    assert engine.poll() == {}
    return statuses


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 600
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_job_is_drac_train_with_its_config_in_its_folder(tmp_path: Path) -> None:
    config = TrainConfig(method="ucb-drac", game="maze", seed=3, steps=50_000, arms=("flip",))
    job = training("x", config, tmp_path / "a b")
    assert job.argv[:3] == ("-m", "drac.cli", "train")
    assert job.argv[3:] == (*as_argv(config), "--run-dir", str(tmp_path / "a b"))
    assert str(job).endswith("--arms flip --run-dir '" + str(tmp_path / "a b") + "'")


def test_exit_statuses_are_reported(tmp_path: Path) -> None:
    code = (
        "import os, sys\nk = int(sys.argv[1][-1])\nif k == 2: os.kill(os.getpid(), 9)\nsys.exit(k)"
    )
    statuses = finish(LocalEngine(2), jobs(tmp_path, 3, code))
    assert statuses == {"job0": 0, "job1": 1, "job2": -signal.SIGKILL}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_more_run_than_there_are_workers(tmp_path: Path, workers: int) -> None:
    seen: list[int] = []
    sleeping = jobs(tmp_path, 5, "import time; time.sleep(0.1)")
    assert len(finish(LocalEngine(workers), sleeping, seen)) == 5
    assert max(seen) == workers


def test_the_cores_are_shared_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = jobs(tmp_path, 1, "import os; print(os.environ['OMP_NUM_THREADS'])")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    for given, workers, cpus, expected in (
        (None, 2, 0, "3"),
        (None, 7, 0, "1"),
        ("5", 2, 0, "5"),
        (None, 0, 0, "1"),
        (None, 2, 4, "4"),
    ):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        finish(LocalEngine(workers), [replace(job, cpus=cpus)])
        assert (job.run_dir / "train.log").read_text().split()[-1] == expected


@pytest.mark.parametrize(
    ("memory", "cpus", "most"), [(10, 0, 4), (30, 0, 3), (10, 2, 2), (500, 9, 1)]
)
def test_as_many_workers_as_cores_and_memory_have_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, cpus: int, most: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setattr(local, "_memory_available", lambda: 100)
    seen: list[int] = []
    sleeping = jobs(tmp_path, 5, "import time; time.sleep(0.1)")
    finish(LocalEngine(0), [replace(job, memory=memory, cpus=cpus) for job in sleeping], seen)
    assert max(seen) == most


def test_the_log_is_appended(tmp_path: Path) -> None:
    for word in ("first", "second"):
        code = f"import sys; print({word!r}, flush=True); print('error', file=sys.stderr)"
        (job,) = jobs(tmp_path, 1, code)
        finish(LocalEngine(), [job])
    assert (job.run_dir / "train.log").read_text().split() == ["first", "error", "second", "error"]


# --- GPUs ---------------------------------------------------------------------------------------


def test_a_job_sees_its_card_alone(tmp_path: Path) -> None:
    code = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(0.3)"
    shared = [replace(job, gpus=Fraction(1, 2)) for job in jobs(tmp_path, 4, code)]
    seen: list[int] = []
    finish(LocalEngine(8, ("4", "GPU-ab")), shared, seen)
    assert max(seen) == 4
    said = sorted((job.run_dir / "train.log").read_text().strip() for job in shared)
    assert said == ["4", "4", "GPU-ab", "GPU-ab"]


class FakeProcess:
    """Ends at a random look."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def poll(self) -> int | None:
        return self.rng.choice((None, None, 0, 1, -9))


@pytest.mark.parametrize(("gpus", "share"), [(2, 1), (2, 2), (8, 2), (3, 5)])
def test_no_job_of_10000_gets_the_card_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, share: int
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(10, 10 + gpus))))
    rng, given = random.Random(gpus * share), {}

    def start(job: Job, env: dict[str, str]) -> FakeProcess:
        given[job.id] = env["CUDA_VISIBLE_DEVICES"]
        return FakeProcess(rng)

    monkeypatch.setattr(process, "start", start)
    options = {"gpus": (f"0-{gpus - 1}",), "runs_per_gpu": share, "workers": None}
    engine = local.make(options, tmp_path)
    for k in range(10_000):
        engine.submit(Job(str(k), (), tmp_path, gpus=Fraction(1, share)))
    ended = 0
    while ended < 10_000:
        ended += len(engine.poll())
        taken = Counter(given[job.id] for job in engine.running)
        assert max(taken.values(), default=0) <= share
        assert set(taken) <= {str(10 + k) for k in range(gpus)}
        if 10_000 - ended > gpus * share:
            assert len(engine.running) == gpus * share  # no room is wasted either
    assert len(given) == 10_000


@pytest.mark.parametrize(
    ("words", "visible", "expected"),
    [
        (["0-2", "5"], "0,1,2,3,4,5", ("0", "1", "2", "5")),
        (["0,1"], "4,GPU-ab", ("4", "GPU-ab")),
        (["1", "1", "0-1"], "7,8", ("8", "7")),
        ([], "7,8", ()),
    ],
)
def test_cards_are_counted_among_the_visible(
    words: list[str], visible: str, expected: tuple[str, ...]
) -> None:
    assert local.cards(words, visible) == expected


@pytest.mark.parametrize(
    ("words", "visible", "said"),
    [
        (["2"], "0,1", "there is no GPU 2; CUDA_VISIBLE_DEVICES=0,1 has 2 GPUs, 0-1"),
        (["0"], "", "there is no GPU 0; CUDA_VISIBLE_DEVICES= has 0 GPUs"),
        (["1-0"], "0,1", "gpus '1-0' must be a number or a range"),
        (["-1"], "0,1", "gpus '-1' must be"),
        (["0,"], "0,1", "gpus '' must be"),
        (["cuda:0"], "0,1", "gpus 'cuda:0' must be"),
    ],
)
def test_cards_that_are_not_there(words: list[str], visible: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        local.cards(words, visible)


# --- stopping -----------------------------------------------------------------------------------

POLITE = """
import signal, sys, time, pathlib, os
folder = pathlib.Path(sys.argv[1])
def stop(*_):
    (folder / "saved").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
(folder / "pid.part").write_text(str(os.getpid()))
(folder / "pid.part").rename(folder / "pid")
time.sleep(120)
"""


def test_cancel_lets_children_save_and_leaves_none(tmp_path: Path) -> None:
    engine, all_jobs = LocalEngine(2), jobs(tmp_path, 4, POLITE)
    for job in all_jobs:
        engine.submit(job)
    engine.poll()
    for job in all_jobs[:2]:
        wait_for(job.run_dir / "pid")
    engine.cancel()
    assert engine.running == []
    for job in all_jobs[:2]:
        assert (job.run_dir / "saved").exists()
        assert not alive(int((job.run_dir / "pid").read_text()))
    assert not (tmp_path / "job2").exists()  # what waited never began
    engine.cancel()  # once more does no harm


def test_a_second_ctrl_c_kills_what_does_not_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = POLITE.replace("sys.exit(75)", "pass").replace("sleep(120)", "sleep(120), " * 3)
    engine, (job,) = LocalEngine(), jobs(tmp_path, 1, code)
    engine.submit(job)
    engine.poll()
    wait_for(job.run_dir / "pid")
    wait, calls = subprocess.Popen.wait, []

    def interrupted(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        calls.append(process)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.cancel()
    assert not alive(int((job.run_dir / "pid").read_text()))
    assert engine.running == []


def test_children_do_not_get_the_terminals_ctrl_c(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, 1, "import os; print(os.getsid(0) == os.getpid())")
    finish(LocalEngine(), [job])
    assert (job.run_dir / "train.log").read_text() == "True\n"
