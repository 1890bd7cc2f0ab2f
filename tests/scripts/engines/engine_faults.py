"""Sweeps of short real runs on a Ray cluster of two nodes, to which everything happens.

The command is first left alone on the local engine. Then, on Ray and with each storage, trainers
are killed (SIGKILL) at random moments, a node is removed midway and another added, and the driver
is killed once and started again. At the end every run must have completed once, and its state and
CSV files be those of the sweep left alone, timing columns aside.

    python tests/scripts/engines/engine_faults.py --kills 10 --log engine-faults.txt
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from checkout import ROOT
from fault_children import different
from log_head import add_log, written
from ray_cluster import RayCluster, ray_cluster

from benchmark.store.store import Store
from drac.files import lock
from drac.runs.meta import read_meta

STORAGES = ("shared", "fetch")
SWEEP = (
    *("run", "--suite", "smoke", "--num-envs", "4", "--hidden-size", "8", "--epochs", "1"),
    *("--steps", "640", "--eval-episodes", "1", "--levels", "0-19", "--device", "cpu"),
    *("--checkpoint-every", "0", "--retries", "50"),
)
IN_A_SECOND = """
import sys
from benchmark.engines import sweep
sweep.BACK_OFF_S = 1.0
from benchmark.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(folder: Path, seeds: int, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the sweep in a folder; what it prints goes to sweep.log there."""
    command = [sys.executable, "-c", IN_A_SECOND, *SWEEP, "--seeds", f"0-{seeds - 1}", *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    with (folder / "sweep.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)


def trainers(folder: Path) -> list[int]:
    """Return the processes that train a run in or below a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
            cwd = str((path.parent / "cwd").resolve())
        except OSError:
            continue
        if "train" in words and str(folder) in " ".join((cwd, *words)):
            found.append(int(path.parent.name))
    return found


def run_dirs(folder: Path) -> list[Path]:
    """Return the folders of the sweep's runs."""
    store = Store(folder / "results")
    return [store.run_dir(spec) for spec in store.specs("smoke")]


def complete(folder: Path) -> int:
    """Return how many runs of the sweep are complete."""
    store = Store(folder / "results")
    return sum(not store.problems(spec) for spec in store.specs("smoke"))


def quiet(folder: Path) -> None:
    """Wait until no process owns a run: they save when their driver was killed."""
    deadline = time.monotonic() + 300
    while any(map(lock.in_use, run_dirs(folder))):
        assert time.monotonic() < deadline, "a run outlives its driver"
        time.sleep(0.1)


def disturb(
    folder: Path, cluster: RayCluster, storage: str, given: argparse.Namespace
) -> tuple[Counter[str], int]:
    """Have the sweep done on Ray; return what was done to it, and its exit status."""
    rng, done = random.Random(f"{given.seed} {storage}"), Counter[str]()
    words = ["--engine", "ray", "--address", cluster.address, "--storage", storage]
    driver, runs = start(folder, given.seeds, words), 4 * given.seeds
    while driver.poll() is None:
        time.sleep(rng.uniform(0.5, 3.0))
        finished = complete(folder)
        if not done["node"] and finished >= runs // 3:
            cluster.remove(cluster.nodes[-1])
            time.sleep(5)
            cluster.add(folder)
            done["node"] += 1
        elif not done["driver"] and finished >= runs // 2:
            driver.kill()
            driver.wait()
            quiet(folder)
            driver = start(folder, given.seeds, words)
            done["driver"] += 1
        elif done["kill"] * runs <= given.kills * finished and (found := trainers(folder)):
            os.kill(rng.choice(found), 9)
            done["kill"] += 1
    return done, driver.wait()


def problems(folder: Path, alone: Path, status: int) -> list[str]:
    """Return what is not as in the sweep left alone."""
    found = [f"exit status {status}"] if status else []
    ours, theirs = run_dirs(folder), run_dirs(alone)
    names = [
        [run.relative_to(root) for run in runs] for root, runs in ((folder, ours), (alone, theirs))
    ]
    if names[0] != names[1]:
        return [*found, f"{len(ours)} runs in place of {len(theirs)}"]
    for run, other in zip(ours, theirs, strict=True):
        found += [f"{run.relative_to(folder)}: {what}" for what in different(run, other)]
    said = (folder / "sweep.log").read_text(encoding="utf-8")
    ends = Counter(re.findall(r"\] (\S+): complete$", said, re.MULTILINE))
    return found + [f"{run}: completed {n} times" for run, n in ends.items() if n > 1]


def main(argv: Sequence[str] | None = None) -> int:
    """Compare disturbed sweeps with one left alone, print a table, and write it to --log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="four runs each")
    parser.add_argument("--kills", type=int, default=10, help="of trainers, in each sweep")
    parser.add_argument("--storages", nargs="+", default=STORAGES, choices=STORAGES)
    add_log(parser)
    argv = sys.argv[1:] if argv is None else argv
    given, begun = parser.parse_args(argv), time.monotonic()
    columns = f"{'trainers killed':>17}{'nodes lost':>12}{'drivers killed':>16}{'resumed':>9}"
    table, wrong = [f"{'storage':8}{'runs':>6}{columns}  the end"], list[str]()
    with tempfile.TemporaryDirectory(prefix="f", ignore_cleanup_errors=True) as name:
        alone = Path(name) / "alone"
        alone.mkdir()
        if status := start(alone, given.seeds, ["--workers", "2"]).wait():
            print((alone / "sweep.log").read_text(encoding="utf-8"))
            return status
        for storage in given.storages:
            folder = Path(name) / storage
            folder.mkdir()
            os.environ["TMPDIR"] = str(folder)  # of the cluster: where runs are fetched from
            with ray_cluster(2) as cluster:
                done, status = disturb(folder, cluster, storage, given)
            found = problems(folder, alone, status)
            if found:
                print((folder / "sweep.log").read_text(encoding="utf-8"))
            runs = run_dirs(folder)
            resumed = sum(len(read_meta(run).get("sessions", ())) > 1 for run in runs)
            numbers = f"{done['kill']:>17}{done['node']:>12}{done['driver']:>16}{resumed:>9}"
            end = "; ".join(found[:2]) or "all complete, none twice, as if left alone, bit for bit"
            table.append(f"{storage:8}{len(runs):>6}{numbers}  {end}")
            wrong += found
    table += ["", *wrong, f"problems: {len(wrong)}"]
    print(written(given, argv, begun, table))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
