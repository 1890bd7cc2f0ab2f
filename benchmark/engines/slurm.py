"""Runs on a Slurm cluster, as job arrays that submitit submits."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from benchmark.engines import process
from benchmark.engines.engine import Engine, Job
from benchmark.engines.local import LocalEngine
from drac.commands import flags
from drac.errors import ConfigError, imported
from drac.files import atomic, untrusted
from drac.runs.logs import LOG
from drac.runs.signals import EXIT_CODE

CLUSTER = "slurm"
"""Of submitit's; the tests take its "local"."""
JOBS = "jobs.json"
"""In the engine's folder: id of a run -> id of the Slurm job that executes it."""
LARGEST_ARRAY = 1000
"""Jobs; Slurm's MaxArraySize is 1001 unless a site says otherwise."""
LOOK_S = 5.0
"""Between two looks at the jobs, whose results are files that nodes may share over a network."""
ASK_S = 60.0
"""Between two looks at Slurm's queue."""
SAVE_S = 120
"""Before its limit a job is told to save: a run finishes its update first (docs/resume.md)."""

_OURS = ("array", "error", "job-name", "open-mode", "output", "requeue", "signal", "wrap")


@dataclass
class Batch:
    """What one job of an array does: runs, side by side, on the GPUs that Slurm gave it.

    Args:
        jobs: to be executed.
        on_gpus: whether the job has GPUs, which the runs share.
        ended: exit statuses, before the job was requeued.
    """

    jobs: tuple[Job, ...]
    on_gpus: bool
    ended: dict[str, int] = field(default_factory=dict)

    def __call__(self) -> dict[str, int]:
        """Execute the runs; returns the exit status of each."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "") if self.on_gpus else ""
        self._engine = LocalEngine(len(self.jobs), tuple(filter(None, visible.split(","))))
        signal.signal(signal.SIGTERM, self._wait_for_the_end)
        left = {job.id: job for job in self.jobs if job.id not in self.ended}
        for job in left.values():
            self._engine.submit(job)
        while left:
            for run, status in self._engine.poll().items():
                if status == EXIT_CODE:  # it alone was told to stop: we go on
                    self._engine.submit(left[run])
                else:
                    self.ended[run] = status
                    del left[run]
            time.sleep(0.1)
        return self.ended

    def checkpoint(self) -> Any:
        """Have the runs save; submitit calls this before it requeues the job."""
        self._engine.cancel()
        helpers = imported("submitit.helpers", CLUSTER, f"the engine {CLUSTER}")
        return helpers.DelayedSubmission(Batch(self.jobs, self.on_gpus, self.ended))

    def _wait_for_the_end(self, number: int, frame: FrameType | None) -> None:
        """Save when Slurm takes the node back: what it then kills it requeues, or was cancelled."""
        self._engine.cancel()
        while True:
            signal.pause()


class SlurmEngine(Engine):
    """Executes jobs in arrays, which outlive this process.

    Args:
        folder: for the job scripts and their output; nodes must see it, and the run folders.
        options: of sbatch, as submitit names them.
        at_a_time: runs of a Slurm job.
        detached: leave the jobs to Slurm.
    """

    def __init__(
        self, folder: Path, options: Mapping[str, Any], at_a_time: int, detached: bool = False
    ) -> None:
        self._folder, self._at_a_time, self.detached = folder, at_a_time, detached
        self._options = dict(options)
        self.where = "in job arrays of Slurm"
        self._waiting: list[Job] = []
        self._tasks: list[tuple[Any, tuple[Job, ...]]] = []
        self._known: dict[str, str] = {}
        self._looked = self._asked = float("-inf")

    def __enter__(self) -> SlurmEngine:
        """Find the jobs that an earlier process left to Slurm.

        Raises:
            ConfigError: without Slurm or submitit.
        """
        submitit = _submitit()
        if CLUSTER == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise ConfigError(
                "there is no sbatch here: --engine slurm is for the login node of a Slurm cluster"
            )
        self._known = _unfinished(self._folder)
        self._executor = submitit.AutoExecutor(
            self._folder.absolute(),
            cluster=CLUSTER,
            **{f"{CLUSTER}_max_num_timeout": 10_000},
        )
        options = {f"slurm_{name}": value for name, value in self._options.items()}
        options |= {"timeout_min": self._options["time"]}  # of whichever cluster it is
        options |= {"gpus_per_node": self._options.get("gpus_per_node")}
        self._executor.update_parameters(**options)
        return self

    def submit(self, job: Job) -> None:
        """Queue a job, or find it in Slurm's queue."""
        self._waiting.append(job)

    def poll(self) -> dict[str, int]:
        """Submit what waits; return how jobs have ended, as seen every few seconds."""
        self._find_again()
        self._submit()
        ended: dict[str, int] = {}
        if time.monotonic() - self._looked < LOOK_S:
            return ended
        self._looked = time.monotonic()
        lost = self._lost()
        for pair in list(self._tasks):
            task, jobs = pair
            if task.done():
                ended |= _statuses(task, jobs)
            elif task.job_id in lost:
                ended |= _failed(task, jobs, "left the queue without a result")
            else:
                continue
            self._tasks.remove(pair)
        return ended

    def cancel(self) -> None:
        """Drop what waits and cancel Slurm's jobs, which save; none if they are left to Slurm."""
        self._waiting.clear()
        if not self.detached:
            for task, _ in self._tasks:
                task.cancel(check=False)
            self._tasks.clear()

    @property
    def running(self) -> list[Job]:
        """The jobs that have begun, as their logs tell."""
        return [job for _, jobs in self._tasks for job in jobs if (job.run_dir / LOG).exists()]

    def preview(self, jobs: Sequence[Job]) -> str:
        """Return the text that sbatch is given, of each array."""
        sbatch = _submitit().slurm.slurm._make_sbatch_string
        folder = self._folder.absolute()
        words = [sys.executable, "-u", "-m", "submitit.core._submit", str(folder)]
        arrays = _cut(_cut(jobs, self._at_a_time), LARGEST_ARRAY)
        return "\n".join(
            sbatch(shlex.join(words), folder, map_count=len(array), **self._options)
            for array in arrays
        )

    def _lost(self) -> set[str]:
        """Return the jobs that are no longer in the queue, every ASK_S.

        submitit sees that they have a result, or asks for their accounting, which a site may lack.
        """
        if CLUSTER != "slurm" or time.monotonic() - self._asked < ASK_S:
            return set()
        self._asked = time.monotonic()
        try:
            return {task.job_id for task, _ in self._tasks} - _queue()
        except ConfigError:  # it may answer at the next look
            return set()

    def _find_again(self) -> None:
        """Take up the waiting jobs that Slurm has from an earlier process."""
        found: dict[str, list[Job]] = {}
        for job in self._waiting:
            if job.id in self._known:
                found.setdefault(self._known.pop(job.id), []).append(job)
        for slurm_id, jobs in found.items():
            task = _submitit().SlurmJob(self._folder.absolute(), slurm_id)
            self._tasks.append((task, tuple(jobs)))
            self._waiting = [job for job in self._waiting if job not in jobs]

    def _submit(self) -> None:
        if not self._waiting:
            return
        batches, self._waiting = _cut(self._waiting, self._at_a_time), []
        on_gpus = bool(self._options.get("gpus_per_node"))
        for array in _cut(batches, LARGEST_ARRAY):
            try:
                tasks = self._executor.submit_array([Batch(tuple(b), on_gpus) for b in array])
            except (OSError, RuntimeError) as error:  # submitit's are RuntimeErrors
                why = " ".join(str(error).split())
                raise ConfigError(f"Slurm did not take the jobs: {why[-300:]}") from None
            self._tasks += zip(tasks, map(tuple, array), strict=True)
            ids = {job.id: task.job_id for task, jobs in self._tasks for job in jobs}
            atomic.write_text(self._folder / JOBS, json.dumps(_jobs(self._folder) | ids) + "\n")


def _submitit() -> Any:
    """Import submitit, with the signal that precedes a job's limit."""
    os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    return imported("submitit", CLUSTER, f"the engine {CLUSTER}")


def _cut(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[first : first + size] for first in range(0, len(items), size)]


def _jobs(folder: Path) -> dict[str, str]:
    """Return which Slurm job was to execute which run; empty if nothing is known."""
    try:
        known = untrusted.read_json(folder / JOBS, 2**26, folder)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _unfinished(folder: Path) -> dict[str, str]:
    """Return the same of the Slurm jobs that wait or run."""
    known = _jobs(folder)
    if not known or CLUSTER != "slurm":
        return {}
    queue = _queue()
    return {run: job for run, job in known.items() if job in queue}


def _queue() -> set[str]:
    """Return our jobs of Slurm that wait or run."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise ConfigError(f"squeue does not say which jobs there are: {listed.stderr.strip()}")
    return set(listed.stdout.split())


def _statuses(task: Any, jobs: Sequence[Job]) -> dict[str, int]:
    """Return the exit status of each run of a Slurm job that has ended."""
    utils = _submitit().core.utils
    try:
        result = task.result()
    except (utils.UncompletedJobError, utils.FailedJobError) as error:
        states = "timed-out too many times|state: (CANCELLED|TIMEOUT|PREEMPTED)"
        stopped = re.search(states, str(error))
        return _failed(task, jobs, str(error), EXIT_CODE if stopped else 1)
    return {job.id: result[job.id] for job in jobs}


def _failed(task: Any, jobs: Sequence[Job], why: str, status: int = 1) -> dict[str, int]:
    """Return the exit status of the runs of a Slurm job without a result; their logs say why."""
    for job in jobs:
        process.note(job, f"Slurm job {task.job_id}: {why}")
    return dict.fromkeys((job.id for job in jobs), status)


def make(options: Mapping[str, Any], folder: Path) -> SlurmEngine:
    """Make the engine that the flags describe.

    Raises:
        ConfigError: if they make no sense.
    """
    gpus, at_a_time = 0, 1
    if options["gpus_per_node"] is not None:
        gpus = flags.whole_number("gpus_per_node", options["gpus_per_node"], at_least=1, below=1000)
        at_a_time = gpus * (options["runs_per_gpu"] or 1)
    elif options["runs_per_gpu"]:
        raise ConfigError("--runs-per-gpu needs --gpus-per-node, the GPUs of a Slurm job")
    parallel = flags.whole_number("array_parallelism", options["array_parallelism"], at_least=1)
    sbatch = {
        "job_name": "drac-bench",
        "partition": options["partition"],
        "time": minutes(options["time"]),
        "cpus_per_task": at_a_time * (options["cpus_per_run"] or 1),
        "gpus_per_node": gpus or None,
        "array_parallelism": parallel,
        "signal_delay_s": SAVE_S,
        "setup": ["export SUBMITIT_PREEMPT_SIGNAL=USR1"],
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **_further(options["slurm"])},
    }
    given = {name: value for name, value in sbatch.items() if value is not None}
    return SlurmEngine(folder, given, at_a_time, options["detach"])


def minutes(text: str) -> int:
    """Read a limit of time as sbatch does: "90" minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S.

    Returns:
        Whole minutes, rounded up.

    Raises:
        ConfigError: for anything else, and for one too short to save in.
    """
    match = re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,6})(?::(\d{1,4}))?(?::(\d{1,4}))?", text, re.ASCII)
    if not match:
        raise ConfigError(f"time {text!r} must be [DAYS-]H:M:S or minutes, e.g. 12:00:00 or 90")
    days, *parts = (int(part) if part is not None else None for part in match.groups())
    first, second, third = parts[0] or 0, parts[1] or 0, parts[2] or 0
    if days is not None or parts[2] is not None:
        seconds = (((days or 0) * 24 + first) * 60 + second) * 60 + third
    else:
        seconds = first * 60 + second
    if seconds <= 2 * SAVE_S:
        raise ConfigError(
            f"time {text!r} is too short: runs are told to save {SAVE_S} s before; give more"
            f" than {2 * SAVE_S // 60} minutes"
        )
    return math.ceil(seconds / 60)


def _further(words: Sequence[str]) -> dict[str, str | bool]:
    """Read options of sbatch, such as ["account=A", "exclusive"]."""
    further: dict[str, str | bool] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if not re.fullmatch("[a-z][a-z0-9-]*", name) or "\n" in value:
            raise ConfigError(f"slurm {word!r} must be KEY=VALUE, e.g. account=A or mem=16G")
        if name in ("partition", "time", "gpus-per-node"):
            raise ConfigError(f"slurm {word!r}: there is --{name} for that")
        if name in _OURS:
            raise ConfigError(f"slurm {word!r}: --{name} is what the engine sets itself")
        further[name] = value if equals else True
    return further
