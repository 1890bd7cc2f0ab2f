"""One cell of the table: a paper-sized update, piece by piece, in this process."""

from __future__ import annotations

import dataclasses
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from augmentations import Augmentation
from benchmark.speed.training import Cell, Machine, Task
from benchmark.speed.worker.arithmetic import flop, matmul_rates
from benchmark.speed.worker.others import Others
from benchmark.speed.worker.work import InTurn, play, shorter, take_steps, training_of, warm_up
from drac import hardware, methods
from drac.config import TrainConfig, build, quantities
from drac.envs.procgen_env import Split
from drac.evaluate import evaluate
from drac.objectives.drac import DrAC
from drac.runs import checkpoint
from drac.runs.logs import SPLITS
from drac.timing import PhaseTimer
from drac.train.state import Training

WHOLE_UPDATES = {"cpu": 1, "cuda": 5}
"""Updates that are timed where whole ones are."""

MATMUL_S = 3.0

Begin = Callable[[str], None]


def measure(task: Task, begin: Begin) -> dict[str, Any]:
    """Measure a task; `begin` is called with the name of each part before it is timed.

    Returns:
        `machine` and `cell`, as `Machine` and `Cell`.
    """
    config = build(task.config)
    training = training_of(config, task.engine)
    parts = [made for made in training.augmentations.values() if made is not None]
    augmentation = InTurn(parts) if parts else None
    warm_up(training, augmentation)
    begin("training")
    whole = not task.gradient_steps
    others = Others()
    update_s, phases = (_whole if whole else _pieces)(training, augmentation, task)
    others_cores = others.cores()
    evaluate_s = checkpoint_s = checkpoint_mb = None
    if task.evaluate:
        begin("evaluation")
        evaluate_s = _evaluation(training)
        checkpoint_s, checkpoint_mb = _checkpoint(training)
    memory, on_device = _peak_memory_mb(), _peak_device_mb(config)
    begin("matrix products")
    rates = matmul_rates(torch.device(config.device), _precision(task), MATMUL_S)
    forward_flop, both_flop = flop(training.network, (3, 64, 64))
    training.env.close()
    network_s = phases["act"] + phases["forward, backward"]
    cell = Cell(
        **{name: getattr(config, name) for name in _OF_CONFIG},
        precision=_precision(task),
        engine=task.engine,
        steps_per_s=config.rollout_size / update_s,
        update_s=update_s,
        phases=phases | _shares(config, update_s, evaluate_s, checkpoint_s),
        network_share=network_s / sum(phases.values()),
        evaluate_s=evaluate_s,
        checkpoint_s=checkpoint_s,
        checkpoint_mb=checkpoint_mb,
        forward_flop=forward_flop,
        both_flop=both_flop,
        model_gflops=_update_flop(config, forward_flop, both_flop) / update_s / 1e9,
        matmul_gflops=rates.best,
        matmul_mean_gflops=rates.mean,
        peak_memory_mb=memory,
        peak_device_mb=on_device,
        others_cores=others_cores,
    )
    return {"machine": dataclasses.asdict(_machine(config)), "cell": dataclasses.asdict(cell)}


_OF_CONFIG = (
    *("method", "device", "threads", "num_envs", "num_steps"),
    *("micro_batch", "env_groups"),
)


def _shares(
    config: TrainConfig, update_s: float, evaluate_s: float | None, checkpoint_s: float | None
) -> dict[str, float]:
    """Return the seconds of evaluations and checkpoints that fall to one update."""
    evaluations = config.rollout_size / config.eval_every if config.eval_every else 0.0
    if steps := quantities.interval_steps(config.checkpoint_every):
        checkpoints = config.rollout_size / steps
    else:
        minutes = (
            quantities.interval_minutes(config.checkpoint_every) or update_s / 60
        )  # 0: every update
        checkpoints = update_s / (60 * minutes)
    return {
        "evaluate": (evaluate_s or 0.0) * evaluations,
        "checkpoint": (checkpoint_s or 0.0) * checkpoints,
    }


def _pieces(
    training: Training, augmentation: Augmentation | None, task: Task
) -> tuple[float, dict[str, float]]:
    """Time some steps of the envs and some gradient steps; scale both to an update.

    Returns:
        Seconds of an update, and of its phases.
    """
    config = training.config
    with shorter(training, task.collect_steps or config.num_steps):
        played_s, played = _timed(training, partial(play, training))
        share = training.config.num_steps / config.num_steps
    number = min(task.gradient_steps, config.minibatches)
    learned_s, learned = _timed(training, partial(take_steps, training, augmentation, number))
    repeats = config.epochs * config.minibatches / number
    phases = {name: played[name] / share + learned[name] * repeats for name in played}
    return played_s / share + learned_s * repeats, phases


def _whole(
    training: Training, augmentation: Augmentation | None, task: Task
) -> tuple[float, dict[str, float]]:
    """Time whole updates; on CUDA once more with a wait after every phase, for the phases alone."""
    number = WHOLE_UPDATES[training.config.device]
    on_cuda = training.config.device == "cuda"

    def updates(count: int) -> None:
        for _ in range(count):
            play(training)
            training.learner.update(training.rollout, augmentation)

    if not on_cuda:
        seconds, phases = _timed(training, partial(updates, number))
        return seconds / number, {name: value / number for name, value in phases.items()}
    updates(1)  # everything has been recorded after it
    torch.cuda.synchronize()
    begun = time.perf_counter()
    updates(number)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - begun
    _, phases = _timed(training, partial(updates, 1), torch.cuda.synchronize)
    return seconds / number, phases


def _timed(
    training: Training, work: Callable[[], None], synchronize: Callable[[], None] | None = None
) -> tuple[float, dict[str, float]]:
    """Return the seconds of some work, and those of its phases with "other" for the rest."""
    stopwatch = PhaseTimer(synchronize)
    training.measure(stopwatch)
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    phases: dict[str, float] = dict(stopwatch.seconds)  # type: ignore[arg-type]
    phases["other"] = max(0.0, seconds - sum(phases.values()))
    return seconds, phases


def _evaluation(training: Training) -> float:
    """Return the seconds of one evaluation as a run makes it, on both splits."""
    config = training.config
    begun = time.perf_counter()
    for split in SPLITS:
        levels: Split = config.train_levels if split == "train" else "test"
        evaluate(
            training.network,
            config.game,
            levels,
            config.eval_episodes,
            config.eval_envs,
            mode=config.mode,
            precision=config.precision,
        )
    return time.perf_counter() - begun


def _checkpoint(training: Training) -> tuple[float, float]:
    """Return the seconds of a checkpoint and its size in 10^6 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        path = checkpoint.save(Path(folder), 0, {"training": training.state_dict()})
        return time.perf_counter() - begun, path.stat().st_size / 1e6


def _precision(task: Task) -> str:
    return "float32" if task.engine == "reference" else str(task.config["precision"])


def _update_flop(config: TrainConfig, forward: float, both: float) -> float:
    """Return the operations that an update needs: clean and augmented images, no third pass."""
    objective = methods.get(config.method).part("objective")
    passes = 1 + issubclass(objective, DrAC)
    acting = (config.rollout_size + config.num_envs) * forward
    return acting + config.epochs * config.rollout_size * passes * both


def _peak_memory_mb() -> float:
    """Return the peak of this process's resident memory, in 10^6 bytes."""
    # ru_maxrss may hold what the parent had when it made us; VmHWM begins anew with each program.
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _peak_device_mb(config: TrainConfig) -> float | None:
    return torch.cuda.max_memory_allocated() / 1e6 if config.device == "cuda" else None


def _machine(config: TrainConfig) -> Machine:
    return Machine(
        cpu=hardware.cpu_info().get("model name", "") or "unknown CPU",
        cores=len(os.sched_getaffinity(0)),
        device=torch.cuda.get_device_name() if config.device == "cuda" else "cpu",
        torch=torch.__version__,
    )
