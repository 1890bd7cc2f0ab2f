"""Runs on this machine, a few at a time, one process each."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.store.store import LOG
from drac.config import TrainConfig, as_argv

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have Linux send this process SIGTERM when its parent ends, even by kill -9: it saves."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(frozen=True)
class Job:
    """A run to be executed in its folder."""

    id: str
    config: TrainConfig
    run_dir: Path


def train_command(job: Job) -> list[str]:
    """Return the command that executes a job: `drac train` with its flags."""
    words = [sys.executable, "-m", "drac.cli", "train", *as_argv(job.config)]
    return [*words, "--run-dir", str(job.run_dir)]


@dataclass
class LocalEngine:
    """Executes jobs with `workers` processes side by side, which share the cores.

    Args:
        workers: at least 1.
    """

    workers: int = 1
    _waiting: deque[Job] = field(default_factory=deque, init=False)
    _running: dict[str, tuple[Job, subprocess.Popen[bytes]]] = field(
        default_factory=dict, init=False
    )

    def submit(self, job: Job) -> None:
        """Queue a job. It begins at the next `poll` that finds a worker free."""
        self._waiting.append(job)

    def poll(self) -> dict[str, int]:
        """Begin what can begin; return the exit status of each job that has ended since."""
        ended = {}
        for job, process in list(self._running.values()):
            status = process.poll()
            if status is not None:
                ended[job.id] = status
                del self._running[job.id]
        while self._waiting and len(self._running) < self.workers:
            job = self._waiting.popleft()
            self._running[job.id] = (job, self._begin(job))
        return ended

    def cancel(self) -> None:
        """Drop what waits; let what runs save its state and end; wait for it.

        If the waiting is interrupted, for instance by Ctrl-C, what still runs is killed.
        """
        self._waiting.clear()
        processes = [process for _, process in self._running.values()]
        try:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait()
        finally:
            for process in processes:
                process.kill()  # does nothing to one that has ended
                process.wait()
            self._running.clear()

    @property
    def running(self) -> list[Job]:
        """The jobs that are executing."""
        return [job for job, _ in self._running.values()]

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs."""
        return not self._waiting and not self._running

    def _begin(self, job: Job) -> subprocess.Popen[bytes]:
        job.run_dir.mkdir(parents=True, exist_ok=True)
        threads = max(1, len(os.sched_getaffinity(0)) // self.workers)
        # A session of its own, so that the terminal's Ctrl-C reaches it through `cancel` alone.
        with (job.run_dir / LOG).open("ab") as log:
            return subprocess.Popen(
                train_command(job),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"OMP_NUM_THREADS": str(threads), **os.environ},
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
