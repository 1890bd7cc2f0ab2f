"""The local engine, on tiny commands in place of training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.engines import local
from benchmark.engines.local import Job, LocalEngine
from drac.config import TrainConfig, as_argv

CONFIG = TrainConfig(method="ppo", game="maze")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the Python code that every job executes; argv[1] is its folder."""

    def use(code: str) -> None:
        monkeypatch.setattr(
            local,
            "train_command",
            lambda job: [sys.executable, "-S", "-c", code, str(job.run_dir)],
        )

    return use


def jobs(root: Path, count: int) -> list[Job]:
    return [Job(f"job{k}", CONFIG, root / f"job{k}") for k in range(count)]


def finish(engine: LocalEngine, seen: list[int] | None = None) -> dict[str, int]:
    statuses: dict[str, int] = {}
    deadline = time.monotonic() + 600
    while not engine.idle:
        statuses |= engine.poll()
        if seen is not None:
            seen.append(len(engine.running))
        assert time.monotonic() < deadline
        time.sleep(0.01)
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
    command = local.train_command(Job("x", config, tmp_path / "a b"))
    assert command[:4] == [sys.executable, "-m", "drac.cli", "train"]
    assert command[4:] == [*as_argv(config), "--run-dir", str(tmp_path / "a b")]


def test_exit_statuses_are_reported(tmp_path: Path, commands: Callable[[str], None]) -> None:
    commands(
        "import os, sys\nk = int(sys.argv[1][-1])\nif k == 2: os.kill(os.getpid(), 9)\nsys.exit(k)"
    )
    engine = LocalEngine(2)
    for job in jobs(tmp_path, 3):
        engine.submit(job)
    assert finish(engine) == {"job0": 0, "job1": 1, "job2": -signal.SIGKILL}
    assert engine.idle
    assert engine.poll() == {}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_more_run_than_there_are_workers(
    tmp_path: Path, commands: Callable[[str], None], workers: int
) -> None:
    commands("import time; time.sleep(0.1)")
    engine, seen = LocalEngine(workers), []
    for job in jobs(tmp_path, 5):
        engine.submit(job)
    assert engine.running == []  # submit only queues
    assert len(finish(engine, seen)) == 5
    assert max(seen) == workers


def test_the_cores_are_shared_unless_the_user_says_otherwise(
    tmp_path: Path, commands: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands("import os; print(os.environ['OMP_NUM_THREADS'])")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    for given, workers, expected in ((None, 2, "3"), (None, 7, "1"), ("5", 2, "5")):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        engine = LocalEngine(workers)
        (job,) = jobs(tmp_path, 1)
        engine.submit(job)
        finish(engine)
        assert (job.run_dir / "train.log").read_text().split()[-1] == expected


def test_the_log_is_appended(tmp_path: Path, commands: Callable[[str], None]) -> None:
    (job,) = jobs(tmp_path, 1)
    for word in ("first", "second"):
        commands(f"import sys; print({word!r}, flush=True); print('error', file=sys.stderr)")
        engine = LocalEngine()
        engine.submit(job)
        finish(engine)
    assert (job.run_dir / "train.log").read_text().split() == ["first", "error", "second", "error"]


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


def test_cancel_lets_children_save_and_leaves_none(
    tmp_path: Path, commands: Callable[[str], None]
) -> None:
    commands(POLITE)
    engine, all_jobs = LocalEngine(2), jobs(tmp_path, 4)
    for job in all_jobs:
        engine.submit(job)
    engine.poll()
    for job in all_jobs[:2]:
        wait_for(job.run_dir / "pid")
    engine.cancel()
    assert engine.idle
    for job in all_jobs[:2]:
        assert (job.run_dir / "saved").exists()
        assert not alive(int((job.run_dir / "pid").read_text()))
    assert not (tmp_path / "job2").exists()  # what waited never began
    engine.cancel()  # once more does no harm


def test_a_second_ctrl_c_kills_what_does_not_stop(
    tmp_path: Path, commands: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(POLITE.replace("sys.exit(75)", "pass").replace("sleep(120)", "sleep(120), " * 3))
    engine, (job,) = LocalEngine(), jobs(tmp_path, 1)
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
    assert engine.idle


def test_children_do_not_get_the_terminals_ctrl_c(
    tmp_path: Path, commands: Callable[[str], None]
) -> None:
    commands("import os; print(os.getsid(0) == os.getpid())")
    engine, (job,) = LocalEngine(), jobs(tmp_path, 1)
    engine.submit(job)
    finish(engine)
    assert (job.run_dir / "train.log").read_text() == "True\n"
