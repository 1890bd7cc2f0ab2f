"""A sweep of short real runs on a Ray cluster of two nodes, undisturbed and disturbed.

The same command is first left alone on the local engine. Then, on Ray, running trainers are killed
(SIGKILL) at random moments, one node is removed midway and another added, and the driver is killed
once and started again. At the end every run must be complete, and its state and CSV files those of
the sweep left alone, timing columns aside.

    python tests/scripts/engines/engine_faults.py --kills 20 --log engine-faults.txt
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from checkout import ROOT
from fault_runs import differences
from ray_cluster import RayCluster, ray_cluster

from benchmark.store.store import Store
from drac.runs.meta import read_meta

SWEEP = (
    *("run", "--suite", "smoke", "--num-envs", "4", "--hidden-size", "8", "--epochs", "1"),
    *("--steps", "1920", "--eval-episodes", "1", "--levels", "0-19", "--device", "cpu"),
    *("--checkpoint-every", "0", "--retries", "50"),
)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
ENVIRONMENT["PYTHONPATH"] = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"


def start(folder: Path, seeds: int, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the sweep in a folder; what it prints goes to sweep.log there."""
    code = "import sys; from benchmark.engines import sweep; sweep.BACK_OFF_S = 1.0"
    code += "; from benchmark.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *SWEEP, "--seeds", f"0-{seeds - 1}", *words]
    with (folder / "sweep.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)


def trainers(folder: Path) -> list[int]:
    """Return the processes that train in a folder, or in one of Ray's below it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            cwd = (path.parent / "cwd").resolve()
        except OSError:
            continue
        where = f"{cwd} {b' '.join(words).decode(errors='replace')}"
        if b"train" in words and str(folder) in where:
            found.append(int(path.parent.name))
    return found


def complete(folder: Path) -> int:
    """Return how many runs of the sweep are complete."""
    store = Store(folder / "results")
    return sum(not store.problems(spec) for spec in store.specs("smoke"))


def disturb(folder: Path, cluster: RayCluster, given: argparse.Namespace) -> list[str]:
    """Run the sweep on Ray with everything that may happen; return what was done to it."""
    rng, done, killed = random.Random(given.seed), list[str](), 0
    words = ["--engine", "ray", "--address", cluster.address, "--storage", given.storage]
    driver = start(folder, given.seeds, words)
    runs = 4 * given.seeds
    node_lost = driver_lost = False
    while driver.poll() is None:
        time.sleep(rng.uniform(0.5, 3.0))
        finished = complete(folder)
        if not node_lost and finished >= runs // 3:
            cluster.remove(cluster.nodes[-1])
            time.sleep(5)
            cluster.add(folder)
            node_lost = True
            done.append(f"a node removed, another added, with {finished} of {runs} runs complete")
        elif not driver_lost and finished >= runs // 2:
            driver.kill()
            driver.wait()
            driver = start(folder, given.seeds, words)
            driver_lost = True
            done.append(f"the driver killed and started again, with {finished} runs complete")
        elif killed < given.kills and (found := trainers(folder)):
            os.kill(rng.choice(found), 9)
            killed += 1
    done += [f"{killed} trainers killed", f"exit status {driver.returncode}"]
    return done


def main(argv: Sequence[str] | None = None) -> int:
    """Compare a disturbed sweep with one left alone, and write what was found to --log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="four runs each")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--storage", default="shared", choices=("shared", "fetch"))
    parser.add_argument("--log", type=Path, help="where the result goes")
    given = parser.parse_args(argv)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="f", ignore_cleanup_errors=True) as name:
        alone, disturbed = Path(name) / "alone", Path(name) / "ray"
        alone.mkdir()
        disturbed.mkdir()
        os.environ["TMPDIR"] = ENVIRONMENT["TMPDIR"] = str(disturbed)
        if start(alone, given.seeds, ["--workers", "2"]).wait():
            print((alone / "sweep.log").read_text(encoding="utf-8"))
            return 1
        with ray_cluster(2) as cluster:
            done = disturb(disturbed, cluster, given)
        stores = Store(alone / "results"), Store(disturbed / "results")
        specs = stores[0].specs("smoke")
        same_runs = specs == stores[1].specs("smoke")
        differing = [
            f"{spec.name}: {', '.join(found)}"
            for spec in specs
            if (found := differences(*(store.run_dir(spec) for store in stores)))
        ]
        begun_again = [len(read_meta(stores[1].run_dir(s)).get("sessions", ())) for s in specs]
        sizes = f"{sum(n > 1 for n in begun_again)} of them in several sessions"
        said = (disturbed / "sweep.log").read_text(encoding="utf-8")
    options = f"--seeds {given.seeds} --kills {given.kills} --seed {given.seed}"
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    lines = [
        f"command: python {__file__} {options} --storage {given.storage}",
        f"machine: {machine}, {time.monotonic() - begun:.0f} s",
        "",
        *done,
        f"{len(specs)} runs, {sizes}; the same runs as undisturbed: {same_runs}",
        f"runs that differ from the undisturbed sweep: {'; '.join(differing) or 'none'}",
    ]
    print("\n".join(lines))
    ended_well = done[-1] == "exit status 0"
    if not ended_well:
        print(said)
    if given.log:
        given.log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if same_runs and not differing and ended_well else 1


if __name__ == "__main__":
    sys.exit(main())
