"""The text that sbatch gets, and jobs on submitit's local executor, which does as Slurm does."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from refusals import refused

from benchmark import cli
from benchmark.engines import slurm
from benchmark.engines.engine import Job
from benchmark.engines.slurm import SlurmEngine
from drac.errors import ConfigError

# The engine is to import it: with its own signal before the limit of a job.
pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("submitit"), reason="submitit is not installed"
)

OPTIONS: dict[str, Any] = {
    "partition": None, "time": "12:00:00", "gpus_per_node": None, "array_parallelism": "64",
    "slurm": (), "detach": False, "cpus_per_run": None, "runs_per_gpu": None,
}  # fmt: skip
RUN = ["run", "--methods", "ppo", "--games", "coinrun", "maze", "--engine", "slurm"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "LOOK_S", 0.1)


def make(folder: Path, **given: Any) -> SlurmEngine:
    return slurm.make({**OPTIONS, **given}, folder)


# --- the text -----------------------------------------------------------------------------------


def test_the_text_that_sbatch_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--partition", "gpu", "--time", "1-2:00:30", "--gpus-per-node", "2", "--runs-per-gpu"]
    words += ["2", "--cpus-per-run", "3", "--array-parallelism", "5", "--seeds", "0-9", "--dry-run"]
    assert cli.main([*RUN, *words, "--slurm", "account=some one", "exclusive"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("#SBATCH")] == [
        "#SBATCH --account='some one'",
        "#SBATCH --array=0-4%5",  # 20 runs, four of which share two GPUs
        "#SBATCH --cpus-per-task=12",
        "#SBATCH --exclusive",
        "#SBATCH --gpus-per-node=2",
        "#SBATCH --job-name=drac-bench",
        "#SBATCH --nodes=1",
        "#SBATCH --open-mode=append",
        f"#SBATCH --output={tmp_path}/results/engines/slurm/%A_%a_0_log.out",
        "#SBATCH --partition=gpu",
        "#SBATCH --requeue",
        "#SBATCH --signal=USR1@120",
        "#SBATCH --time=1561",
        "#SBATCH --wckey=submitit",
    ]
    assert "export SUBMITIT_PREEMPT_SIGNAL=USR1" in lines
    assert any(line.endswith(f"submitit.core._submit {tmp_path}/results/engines/slurm")
               for line in lines)  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_long_sweep_has_several_arrays(tmp_path: Path) -> None:
    jobs = [Job(str(k), (), tmp_path) for k in range(2400)]
    text = make(tmp_path).preview(jobs)
    assert [line for line in text.splitlines() if "--array" in line] == [
        "#SBATCH --array=0-999%64", "#SBATCH --array=0-999%64", "#SBATCH --array=0-399%64",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("10:30", 11), ("12:00:00", 720), ("1-0", 1440), ("1-2:30", 1590),
     ("2-00:00:01", 2881)],
)  # fmt: skip
def test_limits_of_time(text: str, expected: int) -> None:
    assert slurm.minutes(text) == expected


BAD = {
    "time": ("time '12h' must be", ["--time", "12h"]),
    "too short": ("time '0:04:00' is too short: runs are told to save 120 s", ["--time=0:04:00"]),
    "no key": ("slurm '=x' must be KEY=VALUE", ["--slurm", "=x"]),
    "two lines": ("slurm 'a=b\\n#SBATCH' must be", ["--slurm", "a=b\n#SBATCH"]),
    "own flag": ("slurm 'time=3': there is --time", ["--slurm", "time=3"]),
    "ours": ("slurm 'array=0-3': --array is what", ["--slurm", "array=0-3"]),
    "GPUs": ("gpus_per_node must be at least 1", ["--gpus-per-node", "0"]),
    "shared GPUs": ("--runs-per-gpu needs --gpus-per-node", ["--runs-per-gpu", "2"]),
    "jobs": ("array_parallelism 'x'", ["--array-parallelism", "x"]),
    "no Slurm": ("there is no sbatch here", []),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    said, words = BAD[name]
    assert said in refused([*RUN, *words], tmp_path, capsys)


def test_without_submitit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    said = refused(RUN, tmp_path, capsys)
    assert "the engine slurm needs submitit" in said
    assert 'pip install "procgen-drac[slurm]"' in said


# --- jobs ---------------------------------------------------------------------------------------

SAVING = """
import os, pathlib, signal, sys, time
run = pathlib.Path(sys.argv[1])
begun = run / "begun"
begun.write_text(begun.read_text() + "x" if begun.exists() else "x")
def stop(*_):
    (run / "saved").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
if not (run / "saved").exists():
    (run / "ready").touch()
    time.sleep(120)
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.exit(int(run.name[-1]))
"""


@pytest.fixture
def local_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "CLUSTER", "local")


def jobs(root: Path, count: int, code: str = SAVING) -> list[Job]:
    folders = [root / f"job{k}" for k in range(count)]
    return [Job(f.name, ("-S", "-c", code, str(f)), f, gpus=Fraction(1, 2)) for f in folders]


def finish(engine: SlurmEngine, count: int) -> dict[str, int]:
    statuses: dict[str, int] = {}
    deadline = time.monotonic() + 600
    while len(statuses) < count:
        statuses |= engine.poll()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return statuses


def wait_for(*paths: Path) -> None:
    deadline = time.monotonic() + 600
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline, paths
        time.sleep(0.05)


@pytest.mark.slow
def test_runs_save_before_the_limit_and_the_job_is_requeued(
    tmp_path: Path, local_cluster: None
) -> None:
    """Two runs share each of two jobs; one run has ended when the signal comes."""
    all_jobs = jobs(tmp_path, 4)
    (tmp_path / "job1").mkdir()
    (tmp_path / "job1" / "saved").touch()  # ends at once
    engine = make(tmp_path / "slurm", gpus_per_node="1", runs_per_gpu=2)
    with engine:
        for job in all_jobs:
            engine.submit(job)
        assert engine.poll() == {}
        wait_for(*(tmp_path / f"job{k}" / "ready" for k in (0, 2, 3)))
        wait_for(tmp_path / "job1" / "train.log")
        time.sleep(1)
        for task, _ in engine._tasks:  # the process of submitit's controller that executes a batch
            (batch,) = Path(f"/proc/{task.job_id}/task/{task.job_id}/children").read_text().split()
            os.kill(int(batch), signal.SIGUSR1)
        assert finish(engine, 4) == {"job0": 0, "job1": 1, "job2": 2, "job3": 3}
    assert [(tmp_path / f"job{k}" / "begun").read_text() for k in range(4)] == [
        "xx",
        "x",
        "xx",
        "xx",
    ]
    assert {(job.run_dir / "train.log").read_text() for job in all_jobs} == {"0\n"}
    known = json.loads((tmp_path / "slurm" / slurm.JOBS).read_text())
    assert list(known) == ["job0", "job1", "job2", "job3"]
    assert known["job0"] == known["job1"] != known["job2"]


@pytest.mark.slow
def test_a_job_that_dies_fails_and_says_so_in_the_log(tmp_path: Path, local_cluster: None) -> None:
    (job,) = jobs(tmp_path, 1, "import os, time; os.kill(os.getppid(), 9); time.sleep(120)")
    job.run_dir.mkdir()
    engine = make(tmp_path / "slurm")
    with engine:
        engine.submit(job)
        assert finish(engine, 1) == {"job0": 1}
    assert "has not produced any output" in (job.run_dir / "train.log").read_text()


SQUEUE = """#!/bin/sh
echo 12_0
echo 12_1
"""


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of Slurm that know of two jobs and do nothing, on a site without accounting."""
    (tmp_path / "bin").mkdir()
    programs = {"squeue": SQUEUE, "sacct": "#!/bin/sh\nexit 1\n"}
    for name in ("squeue", "sacct", "sbatch", "srun", "scancel"):
        (tmp_path / "bin" / name).write_text(programs.get(name, "#!/bin/sh\n"))
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (tmp_path / "slurm").mkdir()
    known = {"job0": "12_0", "job1": "12_0", "job2": "11_3"}
    (tmp_path / "slurm" / slurm.JOBS).write_text(json.dumps(known))


def test_a_job_that_leaves_the_queue_without_a_result_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faked: None
) -> None:
    monkeypatch.setattr(slurm, "ASK_S", 0.0)
    (job,) = jobs(tmp_path, 1)
    engine = make(tmp_path / "slurm")
    with engine:
        engine.submit(job)
        assert engine.poll() == {}
        monkeypatch.setattr(slurm, "_queue", lambda: refuse("no controller"))
        time.sleep(0.1)
        assert engine.poll() == {}
        monkeypatch.setattr(slurm, "_queue", set)
        time.sleep(0.1)
        assert engine.poll() == {"job0": 1}
    assert (job.run_dir / "train.log").read_text() == (
        "Slurm job 12_0: left the queue without a result\n"
    )


def refuse(why: str) -> Any:
    raise ConfigError(why)


def test_jobs_that_wait_in_the_queue_are_not_submitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faked: None
) -> None:
    submitted: list[list[str]] = []
    engine = make(tmp_path / "slurm", detach=True)
    with engine:
        monkeypatch.setattr(engine._executor, "submit_array", lambda batches: submitted.append(
            [job.id for batch in batches for job in batch.jobs]) or [])  # fmt: skip
        for job in jobs(tmp_path, 2):
            engine.submit(job)
        assert engine.poll() == {}
        assert submitted == []
        ((task, together),) = engine._tasks
        assert (task.job_id, [job.id for job in together]) == ("12_0", ["job0", "job1"])


def test_squeue_that_fails_submits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(command: list[str], **options: Any) -> Any:
        return subprocess.CompletedProcess(command, 1, "", "slurm_load_jobs error: no controller")

    monkeypatch.setattr(slurm.subprocess, "run", failing)
    monkeypatch.setattr(slurm.shutil, "which", lambda name: name)
    (tmp_path / slurm.JOBS).write_text('{"job0": "12_0"}')
    with pytest.raises(ConfigError, match="squeue does not say .* no controller"):
        make(tmp_path).__enter__()


def test_a_batch_that_loses_its_node_saves(tmp_path: Path) -> None:
    """Slurm sends SIGTERM, then waits, then kills what is left of the job."""
    (job,) = jobs(tmp_path, 1)
    code = (
        "import sys; from benchmark.engines.slurm import Batch; from benchmark.engines.engine"
        " import Job; from pathlib import Path; run = Path(sys.argv[1]);"
        " Batch((Job('x', ('-S', '-c', sys.argv[2], sys.argv[1]), run),), False)()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(job.run_dir), SAVING]) as batch:
        try:
            wait_for(job.run_dir / "ready")
            batch.send_signal(signal.SIGTERM)
            wait_for(job.run_dir / "saved")
            time.sleep(0.5)
            assert batch.poll() is None
        finally:
            batch.kill()
