"""What an engine costs a run: thousands of fake trainers of milliseconds, some of which fail.

python tests/scripts/engines/fake_sweep.py --runs 10000 --engine local --workers 2
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.engines import catalogue, sweep
from benchmark.engines.engine import Job
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


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the fakes and print what they took, beside the same processes one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(argv)
    sweep.BACK_OFF_S = 0.05
    options: dict[str, Any] = {"workers": str(given.workers), "gpus": (), "runs_per_gpu": None}
    options |= {"address": None, "storage": "shared", "cpus_per_run": None}
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(k) for k in range(given.runs)]
        jobs = [Job(folder.name, (*WITHOUT, FAKE, str(folder)), folder) for folder in folders]
        alone = time.monotonic()
        for _ in range(100):
            subprocess.run([sys.executable, *WITHOUT, FAKE, name], check=False)
        each = (time.monotonic() - alone) / 100
        with catalogue.get(given.engine)(options, Path(name) / "engine") as engine:
            begun, pause = time.monotonic(), 0.001
            executing = Sweep(engine, jobs, judge, retries=20)
            while not executing.is_over:
                pause = 0.001 if executing.poll() else min(2 * pause, 0.2)
                time.sleep(pause)
            took = time.monotonic() - begun
        statuses = [(folder / "ended").read_text() for folder in folders]
    attempts = sum(map(len, statuses))
    lost = [text for text in statuses if text.strip("1") != "0"]
    print(
        f"{given.engine}: {given.runs:,} runs, {attempts:,} attempts, {took:.1f} s;"
        f" {1000 * took / attempts:.1f} ms an attempt, of which the process alone takes"
        f" {1000 * each:.1f} ms on one core; complete"
        f" {len(executing.having(State.COMPLETE)):,}, lost or done twice {len(lost):,}"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
