"""Where the time of an update goes on a GPU: its kernels, and how much of it the GPU idles.

Profiles 32 steps of collecting and 3 gradient steps of a run that has recorded everything, and
prints the kernels that take longest.

    python tests/scripts/cuda/profile_update.py --method ucb-drac --out kernels.txt
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmark.speed.worker.measure import play
from drac import hardware
from drac.config import build
from drac.train.collect import collect
from drac.train.state import Training

COLLECTED_STEPS = 32
GRADIENT_STEPS = 3
TOP = 30


class Enough(Exception):
    """So many steps were profiled."""


def stop_after(number: int) -> Callable[[], None]:
    """Return what is called after every step, and raises `Enough` after `number`."""
    left = iter(range(number - 1))

    def on_step() -> None:
        if next(left, None) is None:
            raise Enough

    return on_step


def profiled(work: Callable[[Callable[[], None]], Any], number: int) -> list[tuple[str, int, int]]:
    """Return (name, begin, end) in ns of what the GPU did during the first `number` steps."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        with suppress(Enough):
            work(stop_after(number))
        torch.cuda.synchronize()
    return [
        (event.name(), event.start_ns(), event.start_ns() + event.duration_ns())
        for event in found.profiler.kineto_results.events()
        if event.device_type() == torch.autograd.DeviceType.CUDA and event.duration_ns() > 0
    ]


def busy_ns(events: list[tuple[str, int, int]]) -> int:
    """Return the length of the union of the events."""
    busy, reached = 0, 0
    for _, begin, end in sorted(events, key=lambda event: event[1]):
        busy += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return busy


def told(title: str, events: list[tuple[str, int, int]], number: int) -> list[str]:
    """Return lines about what was profiled."""
    span = max(end for _, _, end in events) - min(begin for _, begin, _ in events)
    busy = busy_ns(events)
    idle, launched = 1 - busy / span, len(events) / number
    lines = [
        f"{title}: {span / 1e6 / number:.3f} ms a step, {launched:.0f} kernels, idle {idle:.1%}"
    ]
    by_name: dict[str, list[int]] = defaultdict(list)
    for name, begin, end in events:
        by_name[name].append(end - begin)
    ranked = sorted(by_name.items(), key=lambda item: -sum(item[1]))
    for name, times in ranked[:TOP]:
        lines.append(
            f"  {sum(times) / busy:6.1%} {sum(times) / 1e6 / number:9.4f} ms"
            f" {len(times) / number:7.1f} x  {name[:150]}"
        )
    return lines


def main() -> None:
    """Profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="ppo")
    parser.add_argument("--arm", default="crop")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    config = build(
        {
            "game": "starpilot",
            "method": given.method,
            "precision": given.precision,
            "device": "cuda",
            "compile": given.compile,
        }
    )
    training = Training(config)
    hardware.use(training.config)
    augmentation = training.augmentations.get(given.arm)
    for _ in range(2):
        play(training)
        training.learner.update(training.rollout, augmentation)
    lines = [f"{given.method}, {given.precision}, arm {augmentation and given.arm}"]
    learn = training.learner
    collected = profiled(lambda on_step: collect(training, on_step), COLLECTED_STEPS)
    lines += told("collecting", collected, COLLECTED_STEPS)
    learned = profiled(
        lambda on_step: learn.update(training.rollout, augmentation, on_step), GRADIENT_STEPS
    )
    lines += told("gradient steps", learned, GRADIENT_STEPS)
    lines.append(f"max_memory_reserved {torch.cuda.max_memory_reserved() / 1e9:.2f} GB")
    print("\n".join(lines))
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    training.env.close()


if __name__ == "__main__":
    main()
