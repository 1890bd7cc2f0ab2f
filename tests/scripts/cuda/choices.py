"""What each choice that CUDA leaves open gives: seconds of an update, one choice changed at a time.

Every variant trains some updates in this process, of which the first record everything; medians of
the others, with a wait for the GPU after collecting and after learning. The baseline is measured
first and last. Also: whether two runs of a seed agree bit for bit, and how long an evaluation
takes with 2 and with 16 of Procgen's threads.

    python tests/scripts/cuda/choices.py --json choices.json
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import torch

from benchmark.speed.worker.measure import InTurn, play
from drac import hardware
from drac.config import build
from drac.evaluate import evaluate
from drac.networks import fused
from drac.train.state import Training

WARMUP_UPDATES = 2
Found = dict[str, Any]


def run_of(method: str, **options: Any) -> Training:
    """Return a run on StarPilot as it is by default on CUDA."""
    fixed = {"game": "starpilot", "device": "cuda", "precision": "bf16"}
    config = hardware.resolve(build({**fixed, "method": method, **options}))
    hardware.use(config)
    return Training(config)


def measured(method: str, updates: int, arm: str | None = None, **options: Any) -> Found:
    """Train; return medians of the seconds of collecting and of learning."""
    torch.cuda.reset_peak_memory_stats()
    run = run_of(method, **options)
    parts = [made for made in run.augmentations.values() if made is not None]
    augmentation = run.augmentations[arm] if arm else InTurn(parts) if parts else None
    collecting, learning = [], []
    for _ in range(WARMUP_UPDATES + updates):
        begun = time.perf_counter()
        play(run)
        torch.cuda.synchronize()
        played = time.perf_counter()
        run.learner.update(run.rollout, augmentation)
        torch.cuda.synchronize()
        collecting.append(played - begun)
        learning.append(time.perf_counter() - played)
    run.env.close()
    collect_s, learn_s = median(collecting[-updates:]), median(learning[-updates:])
    return {
        "collect_s": round(collect_s, 4),
        "learn_s": round(learn_s, 4),
        "steps_per_s": round(run.config.rollout_size / (collect_s + learn_s)),
        "first_update_s": round(collecting[0] + learning[0], 2),
        "graphs": bool(run.recorded) and all(part.holds for part in run.recorded),
        "reserved_gb": round(torch.cuda.max_memory_reserved() / 1e9, 2),
    }


@contextmanager
def deterministic() -> Iterator[None]:
    """Have torch choose deterministic kernels, or say that there is none."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def cudnn_benchmark() -> Iterator[None]:
    """Have cuDNN choose by a stopwatch."""
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False


@contextmanager
def sixteen_threads() -> Iterator[None]:
    """Give torch as many threads as there are cores, whatever the config says."""
    with mock.patch.object(hardware, "use"):
        torch.set_num_threads(16)
        yield
    torch.set_num_threads(1)


@contextmanager
def torch_s_kernels() -> Iterator[None]:
    """Run the network on torch's own kernels."""
    with mock.patch.object(fused, "kernels", return_value=None):
        yield


@contextmanager
def as_it_is() -> Iterator[None]:
    """Change nothing."""
    yield


def variants() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield names, contexts and arguments of `measured`."""
    for method in ("ppo", "ucb-drac"):
        yield "baseline", as_it_is, {"method": method}
    yield "env groups 1", as_it_is, {"method": "ppo", "env_groups": 1}
    yield "env groups 4", as_it_is, {"method": "ppo", "env_groups": 4}
    yield "16 threads of torch", sixteen_threads, {"method": "ppo"}
    yield "cuDNN benchmark", cudnn_benchmark, {"method": "ppo"}
    yield "cuDNN benchmark", cudnn_benchmark, {"method": "ucb-drac"}
    yield "deterministic", deterministic, {"method": "ppo"}
    yield "deterministic", deterministic, {"method": "ucb-drac"}
    for method in ("ppo", "ucb-drac"):
        yield "torch's kernels", torch_s_kernels, {"method": method}
        yield "frames of three channels", fused.without_zeros, {"method": method}
    yield "no CUDA graphs", as_it_is, {"method": "ppo", "cuda_graphs": False}
    yield "float32", as_it_is, {"method": "ppo", "precision": "float32"}
    yield "float32, tf32", as_it_is, {"method": "ppo", "precision": "float32", "tf32": True}
    for arm in ("crop", "random-conv", "color-jitter", "rotate"):
        yield f"{arm} alone", as_it_is, {"method": "ucb-drac", "arm": arm}
    yield "compile", as_it_is, {"method": "ppo", "compile": True}
    yield "compile", as_it_is, {"method": "ucb-drac", "compile": True}
    for method in ("ppo", "ucb-drac"):
        yield "baseline again", as_it_is, {"method": method}


def weights(method: str, updates: int) -> list[torch.Tensor]:
    """Train; return the weights."""
    run = run_of(method)
    arms = list(run.augmentations.values())
    for i in range(updates):
        play(run)
        run.learner.update(run.rollout, arms[i % len(arms)])
    run.env.close()
    return [p.detach().cpu().clone() for p in run.network.parameters()]


def same_bits(method: str, updates: int, how: Any) -> Found:
    """Train twice with one seed; say whether the weights have the same bits."""
    with how():
        one, other = weights(method, updates), weights(method, updates)
    worst = max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))
    same = all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    return {"same_bits": same, "largest_difference": worst, "updates": updates}


def evaluations() -> Iterator[tuple[str, Found]]:
    """Yield how long an evaluation of 100 episodes takes."""
    run = run_of("ppo")
    for threads in (2, 16):
        with mock.patch.object(hardware, "evaluation_threads", lambda device, n=threads: n):
            begun = time.perf_counter()
            table = evaluate(run.network, "starpilot", "test", 100, precision="bf16")
            seconds = time.perf_counter() - begun
        yield (
            f"evaluation, {threads} threads",
            {"seconds": round(seconds, 2), "longest_episode": int(table["length"].max())},
        )
    run.env.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="variants whose names begin so")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found: dict[str, Found] = {}

    def keep(name: str, figures: Found) -> None:
        found[name] = figures
        print(f"{name:42} {figures}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    def wanted(name: str) -> bool:
        return not given.only or name.startswith(tuple(given.only))

    for name, how, arguments in variants():
        if not wanted(name):
            continue
        try:
            with how():
                figures = measured(updates=given.updates, **arguments)
        except Exception as error:  # the others are to be measured all the same
            figures = {"error": f"{type(error).__name__}: {error}"[:300]}
        keep(f"{arguments['method']}, {name}", figures)
        gc.collect()
        torch.cuda.empty_cache()
    for method in ("ppo", "ucb-drac"):
        for name, how in (("bits", as_it_is), ("bits, deterministic", deterministic)):
            if wanted(name):
                keep(f"{method}, {name}", same_bits(method, 8 if method == "ucb-drac" else 3, how))
    if wanted("evaluation"):
        for name, figures in evaluations():
            keep(name, figures)


if __name__ == "__main__":
    main()
