"""The smoke suite as a job array of a real Slurm: one node, this machine, two CPUs; as root.

It is first left alone on the local engine. Then, as Slurm's jobs, every run is longer than the
time limit of its job, and one job is also requeued by hand. At the end the state and CSV files of
every run must be those of the suite left alone, timing columns aside.

    apt-get install --no-install-recommends slurmctld slurmd slurm-client munge
    python tests/scripts/engines/slurm_faults.py --log slurm.txt
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from checkout import ROOT
from fault_children import different
from log_head import add_log, written
from ray_cluster import free_port

from benchmark.store.store import Store

WARNED_EARLY = """
import sys
from benchmark.engines import slurm
slurm.SAVE_S = 30
from benchmark.cli import main
sys.exit(main(sys.argv[1:]))
"""
CONF = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MinJobAge=36000
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes={host} Default=YES
"""


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Have a Slurm of this machine alone; its files are in a folder."""
    folder.chmod(0o755)  # munge wants its socket to be reachable
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    ports = free_port(), free_port()
    conf = CONF.format(host=socket.gethostname(), folder=folder, ports=ports)
    (folder / "slurm.conf").write_text(conf)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    munged = ["munged", "--foreground", f"--socket={folder}/munge.socket"]
    munged += [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "seed")]
    with contextlib.ExitStack() as stack:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
            log = stack.enter_context((folder / f"{command[0]}.log").open("wb"))
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(daemon.wait)
            stack.callback(daemon.terminate)
            time.sleep(2)
            assert daemon.poll() is None, (folder / f"{command[0]}.log").read_text()
        wait_until(lambda: "idle" in said("sinfo", "--noheader", "--format=%T"))
        yield


def said(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_until(ready: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 900
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def start(folder: Path, steps: int, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the suite in a new folder; what it prints goes to sweep.log there."""
    folder.mkdir()
    suite = ["run", "--suite", "smoke", "--hidden-size", "8", "--epochs", "1", "--device", "cpu"]
    suite += ["--steps", str(steps)]
    command = [sys.executable, "-c", WARNED_EARLY, *suite, *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    with (folder / "sweep.log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)


def finish(folder: Path, sweep: subprocess.Popen[bytes]) -> None:
    """Wait for the suite's end."""
    if sweep.wait():
        raise SystemExit((folder / "sweep.log").read_text(encoding="utf-8"))


def requeue_one(folder: Path) -> str:
    """Requeue a Slurm job whose run has got on; returns its id."""
    wait_until(lambda: [*folder.glob("results/runs/*/*/*/*/progress.csv")])
    (progress,) = [*folder.glob("results/runs/*/*/*/*/progress.csv")][:1]
    wait_until(lambda: len(progress.read_text().splitlines()) > 5)
    run = progress.parent.relative_to(folder / "results" / "runs")
    job: str = json.loads((folder / "results/engines/slurm/jobs.json").read_text())[str(run)]
    said("scontrol", "requeue", job)
    return job


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the suite on Slurm with the one left alone, print a table, and write it to --log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40_000, help="of each of the four runs")
    add_log(parser)
    argv = sys.argv[1:] if argv is None else argv
    given, begun = parser.parse_args(argv), time.monotonic()
    table = [f"{'run':32}{'Slurm job':>10}{'time limits':>12}{'restarts':>9}  the end"]
    with tempfile.TemporaryDirectory(prefix="slurm") as name:
        alone, here = Path(name) / "alone", Path(name) / "here"
        finish(alone, start(alone, given.steps, ["--workers", "2"]))
        with slurm(Path(name)):
            sweep = start(here, given.steps, ["--engine", "slurm", "--time", "0:02:00"])
            requeued = requeue_one(here)
            finish(here, sweep)
            listed = said("scontrol", "--oneliner", "show", "jobs")
            version = said("sinfo", "--version").strip()
        stores, wrong = (Store(alone / "results"), Store(here / "results")), 0
        engine = here / "results" / "engines" / "slurm"
        jobs = json.loads((engine / "jobs.json").read_text())
        for spec in stores[0].specs("smoke"):
            job = jobs[spec.id]
            said_by_it = (engine / f"{job}_0_log.out").read_text()  # some lines twice
            limits = len({*re.findall(".*this job is timed-out.*", said_by_it)})
            array, index = job.split("_")
            (line,) = re.findall(rf".*ArrayJobId={array} ArrayTaskId={index} .*", listed)
            restarts = int(re.findall(r"Restarts=(\d+)", line)[0])
            found = different(*(store.run_dir(spec) for store in stores))
            wrong += bool(found) or restarts != limits + (job == requeued)
            end = ", ".join(found) or "as if left alone, bit for bit"
            by_hand = ", requeued by hand once" if job == requeued else ""
            table.append(f"{spec.id:32}{job:>10}{limits:>12}{restarts:>9}  {end}{by_hand}")
    table += ["", f"{version}; problems: {wrong}"]
    print(written(given, argv, begun, table))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
