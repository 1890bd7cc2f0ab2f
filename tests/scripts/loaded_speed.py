"""How fast training is beside other work, with OpenMP's own waiting and with the commands'.

A child trains for some seconds, again and again, in turns with each setting of GOMP_SPINCOUNT;
meanwhile other processes of the same priority are busy, one thread each. Prints every figure, the
medians and their ratio. Nothing else should run.

    python tests/scripts/loaded_speed.py
    python tests/scripts/loaded_speed.py --busy 0          # what it costs on quiet cores
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from statistics import median

from drac.commands.openmp import SPIN_COUNT


def train(seconds: float, precision: str, threads: int, method: str) -> float:
    """Train in this process; return steps per second, without the first update."""
    from benchmark.speed.worker.measure import play
    from drac import hardware
    from drac.config import build
    from drac.train.state import Training

    sizes = {"num_envs": 64, "num_steps": 4, "minibatches": 1, "epochs": 3}
    how = {"game": "starpilot", "method": method, "precision": precision, "device": "cpu"}
    config = hardware.resolve(build({**sizes, **how, "threads": threads}))
    hardware.use(config)
    training = Training(config)
    augmentation = training.augmentations[training.selector.select()]
    begun, steps = 0.0, -config.rollout_size
    while not begun or time.perf_counter() - begun < seconds:
        play(training)
        training.learner.update(training.rollout, augmentation)
        begun = begun or time.perf_counter()
        steps += config.rollout_size
    return steps / (time.perf_counter() - begun)


def child(spin: str, given: argparse.Namespace) -> float:
    """Return the steps per second of a child whose threads spin as long as `spin` says."""
    environment = {**os.environ, "GOMP_SPINCOUNT": spin} if spin else dict(os.environ)
    how = [f"--{name}={getattr(given, name)}" for name in ("seconds", "precision", "threads")]
    command = [sys.executable, __file__, "--child", f"--method={given.method}", *how]
    return float(subprocess.check_output(command, env=environment, text=True).split()[-1])


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, default=2, help="processes that are busy meanwhile")
    parser.add_argument("--spins", nargs="+", default=["", str(SPIN_COUNT)], help="first: the old")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--method", default="drac-crop")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(train(given.seconds, given.precision, given.threads, given.method))
        return
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(given.busy)]
    found: dict[str, list[float]] = {spin: [] for spin in given.spins}
    try:
        for _ in range(given.rounds):
            for spin, speeds in found.items():
                speeds.append(child(spin, given))
                print(f"GOMP_SPINCOUNT={spin or '(unset)'}: {speeds[-1]:.1f} steps/s", flush=True)
    finally:
        for process in busy:
            process.kill()
    first = median(found[given.spins[0]])
    print(f"{given.method}, {given.precision}, {given.threads} threads, {given.busy} busy")
    for spin, speeds in found.items():
        middle = median(speeds)
        print(f"{spin or '(unset)'}: median {middle:.1f} steps/s, {middle / first:.2f} times")


if __name__ == "__main__":
    main()
