"""What an engine costs a run: thousands of fake trainers of milliseconds, some of which fail.

    python tests/scripts/engines/fake_sweep.py --runs 10000 --engine local --workers 2
    python tests/scripts/engines/fake_sweep.py --runs 1000 10000 100000 --engine simulated

The second has no trainers at all: what is left is the scheduler's own.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.engines import catalogue, sweep
from benchmark.engines.engine import Engine, Job
from benchmark.engines.sweep import Outcome, State, Sweep

FAKE = """
import os, random, sys
ended = os.open(sys.argv[1] + "/ended", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
status = int(random.random() < 0.05)
os.write(ended, b"%d" % status)
sys.exit(status)
"""
WITHOUT = ("-I", "-S", "-c")


def judge(job: Job, status: int) -> Outcome:
    """Judge by the exit status alone."""
    return Outcome(State.FAILED if status else State.COMPLETE, str(status))


class Simulated(Engine):
    """Jobs that end when they are looked at.

    Args:
        at_a_time: so many end at a look, at most.
    """

    where = "simulated"

    def __init__(self, at_a_time: int) -> None:
        self._at_a_time, self._waiting = at_a_time, deque[Job]()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append(job)

    def poll(self) -> dict[str, int]:
        """End some jobs."""
        ended = {}
        for _ in range(min(self._at_a_time, len(self._waiting))):
            job = self._waiting.popleft()
            ended[job.id] = int(random.random() < 0.05)
            ENDED[job.id] = ENDED.get(job.id, "") + str(ended[job.id])
        return ended

    def cancel(self) -> None:
        """Drop what waits."""
        self._waiting.clear()

    @property
    def running(self) -> list[Job]:
        """None: a job ends as it begins."""
        return []


ENDED: dict[str, str] = {}
"""Id of a simulated job -> how its attempts have ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the fakes and print what they took, beside the same processes one after another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, nargs="+", default=(10_000,))
    parser.add_argument("--engine", default="local")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(argv)
    sweep.BACK_OFF_S = 0.05
    return max(execute(runs, given.engine, given.workers) for runs in given.runs)


def execute(runs: int, name: str, workers: int) -> int:
    """Execute so many; returns 1 if one was lost or done twice."""
    options: dict[str, Any] = {"workers": str(workers), "gpus": (), "runs_per_gpu": None}
    options |= {"address": None, "storage": "shared", "cpus_per_run": None}
    simulated = name == "simulated"
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / str(k) for k in range(runs)]
        jobs = [Job(folder.name, (*WITHOUT, FAKE, str(folder)), folder) for folder in folders]
        alone = time.monotonic()
        for _ in range(0 if simulated else 100):
            subprocess.run([sys.executable, *WITHOUT, FAKE, temporary], check=False)
        each = (time.monotonic() - alone) / 100
        make = Simulated(workers) if simulated else None
        with make or catalogue.get(name)(options, Path(temporary) / "engine") as engine:
            begun, cpu, pause = time.monotonic(), time.process_time(), 0.001
            executing = Sweep(engine, jobs, judge, retries=20)
            while not executing.is_over:
                pause = 0.001 if executing.poll() else min(2 * pause, 0.2)
                time.sleep(0 if simulated else pause)
            took, cpu = time.monotonic() - begun, time.process_time() - cpu
        statuses = [
            ENDED.pop(folder.name) if simulated else (folder / "ended").read_text()
            for folder in folders
        ]
    attempts = sum(map(len, statuses))
    lost = [text for text in statuses if text.strip("1") != "0"]
    print(
        f"{name}: {runs:,} runs, {attempts:,} attempts, {took:.1f} s; {1000 * took / attempts:.2f}"
        f" ms an attempt, of which the process alone takes {1000 * each:.1f} ms on one core, and"
        f" the scheduler's own CPU {1000 * cpu / attempts:.2f} ms; complete"
        f" {len(executing.having(State.COMPLETE)):,}, lost or done twice {len(lost):,}",
        flush=True,
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
