"""The fault test: runs that are killed again and again end with the bits of one that never was.

For each of several methods one run is left alone. The same command, in another folder, is then
killed (SIGKILL) and started again until its share of the kills has been dealt; half of them come
while a checkpoint is being written, as its temporary file shows, the others at random moments. At
the end weights, optimizer, generators and all CSV files must be those of the run left alone, timing
columns aside. Nothing in drac knows of this.

    python tests/scripts/fault_runs.py --kills 100 --seed 0 --log results/evidence/faults.txt
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from drac.runs import checkpoint
from drac.runs.logs import TIMING_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("ppo", "ucb-drac", "rl2-drac", "plr")
BETWEEN = 5
"""Updates that a run makes between two kills, at most. Each is followed by a checkpoint."""

FLAGS = (
    *("--game", "bigfish", "--num-envs", "4", "--num-steps", "16", "--hidden-size", "16"),
    *("--minibatches", "2", "--epochs", "1", "--eval-episodes", "2", "--eval-envs", "2"),
    *("--threads", "1", "--device", "cpu", "--precision", "float32", "--levels", "0-19"),
    *("--checkpoint-every", "0", "--eval-every", "1280"),
)

Tell = Callable[[str], None]


@dataclass
class Dealt:
    """The kills of one run."""

    in_saving: int = 0
    at_random: int = 0
    starts: int = 0
    differing: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.in_saving + self.at_random


def start(method: str, kills: int, run_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start `drac train`, long enough for so many kills; the same command every time."""
    steps = 64 * (BETWEEN * kills + 20)
    command = [sys.executable, "-m", "drac.cli", "train", "--method", method, *FLAGS]
    command += ["--steps", str(steps)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("ab") as file:
        return subprocess.Popen(
            [*command, "--run-dir", str(run_dir)], stdout=file, stderr=file, env=env, cwd=ROOT
        )


def newest_step(run_dir: Path) -> int:
    """Return the step of a run's newest checkpoint, -1 if there is none."""
    newest = checkpoint.newest(run_dir)
    return int(newest.stem.removeprefix("step_")) if newest else -1


def wait_for(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    """Wait until something is so; False if the process ends first."""
    while not ready():
        if process.poll() is not None:
            return False
        time.sleep(0.0005)
    return True


def saving(run_dir: Path) -> bool:
    """Whether a checkpoint is being written: its temporary file is there."""
    try:
        return any(p.name.startswith(".step_") for p in checkpoint.folder(run_dir).iterdir())
    except FileNotFoundError:
        return False


def kill_once(process: subprocess.Popen[bytes], run_dir: Path, mid: bool, rng: Any) -> bool:
    """Kill a run while it saves, or at a random moment; False if it ended before.

    A start always makes some progress first, lest a run be killed for ever in its imports; every
    tenth kill does come there.
    """
    begun, updates = newest_step(run_dir), rng.randrange(1, BETWEEN)
    if not mid and rng.random() < 0.2:
        time.sleep(rng.uniform(0.0, 6.0))
        if process.poll() is not None:
            return False
    else:
        if not wait_for(process, lambda: newest_step(run_dir) >= begun + 64 * updates):
            return False
        if mid:
            if not wait_for(process, lambda: saving(run_dir)):
                return False
            time.sleep(rng.choice((0.0, 0.0, 0.001, 0.003)))
        else:
            time.sleep(rng.uniform(0.0, 0.3))
    process.kill()
    return process.wait() == -9


def torment(method: str, folder: Path, kills: int, rng: Any, tell: Tell) -> Dealt:
    """Run a method to its end, killing it `kills` times on the way."""
    run_dir, log, dealt = folder / f"{method}-killed", folder / f"{method}-killed.log", Dealt()
    shutil.rmtree(run_dir, ignore_errors=True)
    while True:
        dealt.starts += 1
        process = start(method, kills, run_dir, log)
        if dealt.kills >= kills:
            status = process.wait()
            break
        mid = dealt.in_saving <= dealt.at_random
        if not kill_once(process, run_dir, mid, rng):
            status = process.wait()
            if status >= 0:
                break
        left = saving(run_dir)  # what the killed process did not remove
        dealt.in_saving += left
        dealt.at_random += not left
        tell(
            f"{method}: kill {dealt.kills} of {kills}"
            f" {'while saving' if left else 'between'}, at step {newest_step(run_dir):,}"
        )
    if status:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        dealt.differing.append(f"ended with status {status}: {last}")
    return dealt


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between two finished runs, timing aside; nothing if they are equal."""
    found = []
    ours, theirs = checkpoint.newest(one), checkpoint.newest(other)
    if ours is None or theirs is None or ours.name != theirs.name:
        return [f"checkpoints {ours} and {theirs}"]
    a, b = (checkpoint.load(path) for path in (ours, theirs))
    for key in ("training", "evaluations", "evaluated_step"):
        found += differing(a[key], b[key], key)
    for path in sorted(one.glob("*.csv")):
        if rows(path) != rows(other / path.name):
            found.append(path.name)
    names = [{path.name for path in run.glob("*.csv")} for run in (one, other)]
    return found + sorted(names[0] ^ names[1])


def differing(a: Any, b: Any, where: str) -> list[str]:
    """Return the places in which two states differ by a bit."""
    if isinstance(a, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape
        as_bytes = [t.contiguous().view(torch.uint8) if t.dim() else t for t in (a, b)]
        return [] if same and torch.equal(*as_bytes) else [where]
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [place for key in a for place in differing(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list | tuple) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return [place for n, (x, y) in pairs for place in differing(x, y, f"{where}[{n}]")]
    return [] if a == b else [where]


def rows(path: Path) -> list[list[str]]:
    """Return a CSV file's rows without the columns that measure time."""
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    kept = [n for n, name in enumerate(table[0]) if name not in TIMING_COLUMNS]
    return [[row[n] for n in kept] for row in table]


def main(argv: Sequence[str] | None = None) -> int:
    """Deal the kills, print a table, and write it to --log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--log", type=Path, help="where the table goes")
    given = parser.parse_args(argv)
    rng, begun = random.Random(given.seed), time.monotonic()
    shares = [
        given.kills * (n + 1) // len(given.methods) - given.kills * n // len(given.methods)
        for n in range(len(given.methods))
    ]
    results: dict[str, Dealt] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for method, share in zip(given.methods, shares, strict=True):
            print(f"{method}: left alone", flush=True)
            if start(method, share, folder / method, folder / f"{method}.log").wait():
                print((folder / f"{method}.log").read_text(encoding="utf-8"))
                return 1
            dealt = torment(method, folder, share, rng, lambda text: print(text, flush=True))
            if not dealt.differing:
                dealt.differing = differences(folder / method, folder / f"{method}-killed")
            results[method] = dealt
    lines = [
        f"command: python tests/scripts/fault_runs.py --kills {given.kills} --seed {given.seed}",
        f"machine: {platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        f"time: {time.monotonic() - begun:.0f} s; a checkpoint after each update",
        "",
        f"{'method':12}{'kills':>7}{'while saving':>14}{'at random':>11}{'starts':>8}  the end",
    ]
    for method, dealt in results.items():
        end = "; ".join(dealt.differing[:5]) or "bit-identical"
        lines.append(
            f"{method:12}{dealt.kills:>7}{dealt.in_saving:>14}{dealt.at_random:>11}"
            f"{dealt.starts:>8}  {end}"
        )
    total = sum(dealt.kills for dealt in results.values())
    mid = sum(dealt.in_saving for dealt in results.values())
    failed = [method for method, dealt in results.items() if dealt.differing]
    enough = total >= given.kills
    said = f"{total} kills, {mid} while saving; runs that differ: {', '.join(failed) or 'none'}"
    lines += ["", said if enough else f"{said}; a run ended before its kills had been dealt"]
    print("\n".join(lines))
    if given.log:
        given.log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if failed or not enough else 0


if __name__ == "__main__":
    sys.exit(main())
