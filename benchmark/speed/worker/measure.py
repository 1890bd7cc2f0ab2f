"""One cell of the table: a paper-sized update, piece by piece, in this process."""

from __future__ import annotations

import copy
import itertools
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from augmentations import Augmentation, Identity
from benchmark.speed.records import Cell, Engine, Task
from benchmark.speed.worker.machine import Others, matmul_rates, peak_memory_mb
from benchmark.speed.worker.reference import ReferenceLearner, reference_act
from drac import hardware, methods
from drac.config import TrainConfig, quantities
from drac.envs.procgen_env import Split
from drac.evaluate import evaluate
from drac.networks import ActorCritic, fused
from drac.runs import checkpoint
from drac.runs.logs import SPLITS
from drac.timing import PhaseTimer
from drac.train.collect import collect, estimate_returns
from drac.train.state import Training

CUDA_UPDATES = 5
"""Updates that are timed on CUDA, where one is short."""

COUNTED_STEPS = 4
"""Steps of each env in the rollout with which the operations of learning are counted."""

QUICK_STEPS = 2
"""Gradient steps that a quick measurement times, each after its part of a rollout."""

MATMUL_S = 3.0
"""Of matrix products, at most: no longer than training was timed."""


def measure(task: Task, begin: Callable[[str], None]) -> Cell:
    """Measure a task; `begin` is called with the name of each part before it is timed."""
    config, device = task.config, torch.device(task.config.device)
    _warm_up(config, task.engine)
    training = training_of(_timed_part(task), task.engine)
    begin("training")
    others, begun = Others(), time.perf_counter()
    update_s, phases = (_on_cuda if device.type == "cuda" else _on_cpu)(training, config)
    matmul_s = min(MATMUL_S, time.perf_counter() - begun)
    found: dict[str, Any] = {"others_cores": others.cores()}
    if task.evaluate:
        begin("evaluation")
        found |= _evaluation(training) | _checkpoint(training)
    found["peak_memory_mb"] = peak_memory_mb()
    if device.type == "cuda":
        recorded = training.recorded
        found["graphs"] = bool(recorded) and all(part.holds for part in recorded)
        found["peak_device_mb"] = torch.cuda.max_memory_allocated() / 1e6
    begin("matrix products")
    matmul_gflops, matmul_mean_gflops = matmul_rates(device, config.precision, matmul_s)
    forward_flop, both_flop = flop(training.network, (3, 64, 64))
    training.env.close()
    network_s = sum(phases[name] for name in ("act", "forward, backward", "auxiliary phase"))
    return Cell(
        **config.model_dump(include=Cell.model_fields.keys() & TrainConfig.model_fields.keys()),
        **found,
        engine=task.engine,
        steps_per_s=config.rollout_size / update_s,
        update_s=update_s,
        phases=phases | _shares(config, update_s, found),
        network_share=network_s / sum(phases.values()),
        forward_flop=forward_flop,
        both_flop=both_flop,
        model_gflops=update_flop(config, forward_flop) / update_s / 1e9,
        matmul_gflops=matmul_gflops,
        matmul_mean_gflops=matmul_mean_gflops,
    )


def training_of(config: TrainConfig, engine: Engine) -> Training:
    """Set this process up and wire a run; with the reference engine, set up as torch comes."""
    if engine == "drac":
        hardware.use(config)
        return Training(config)
    torch.set_num_threads(int(config.threads))
    torch.backends.cudnn.allow_tf32 = False
    training = Training(config)
    given = training.learner
    training.learner = ReferenceLearner(  # type: ignore[assignment]
        training.network,
        config,
        given.minibatch_generator,
        given.augmentation_generator,
        given.target_generator,
    )
    training.acting.act = partial(reference_act, training.network)
    return training


def one_step(config: TrainConfig) -> TrainConfig:
    """Return a config whose update is one gradient step of the true size, on a short rollout."""
    num_steps = -(-config.num_steps // config.minibatches)
    return config.model_copy(update={"num_steps": num_steps, "minibatches": 1, "epochs": 1})


def _warm_up(config: TrainConfig, engine: Engine) -> None:
    """Have memory, threads and kernels ready for steps of the true size."""
    training = training_of(one_step(config), engine)
    play(training)
    training.learner.update(training.rollout, _in_turn(training))
    training.env.close()


def _timed_part(task: Task) -> TrainConfig:
    """Return the config whose update is timed in place of a whole one.

    An auxiliary phase after every update costs what falls to an update of one after many.
    """
    config = task.config.model_copy(update={"phasic_updates": 1})
    if task.how == "epoch":
        return config.model_copy(update={"epochs": 1})
    return one_step(config) if task.how == "quick" else config


class InTurn(Augmentation):
    """Augments each minibatch by the next of several augmentations: their mean is measured."""

    name = "in-turn"
    output_range = None

    def __init__(self, parts: Sequence[Augmentation]) -> None:
        super().__init__()
        self._turns, self._current = itertools.cycle(parts), parts[0]

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the parameters of the next one."""
        self._current = next(self._turns)
        return self._current.sample(shape, generator)

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Apply the one that was last sampled. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        return self._current.apply(obs, params)


def play(training: Training) -> None:
    """Collect a rollout, and estimate its returns."""
    collect(training)
    estimate_returns(training)


def _in_turn(training: Training) -> Augmentation | None:
    parts = [made for made in training.augmentations.values() if made is not None]
    return training.view.in_update(InTurn(parts)) if parts else None


def _on_cpu(training: Training, config: TrainConfig) -> tuple[float, dict[str, float]]:
    """Time collecting, and gradient steps; scale both to an update of `config`.

    Returns:
        Seconds of an update, and of its phases.
    """
    part = training.config
    times = QUICK_STEPS if part.rollout_size < config.rollout_size else 1
    learn = partial(training.learner.update, training.rollout, _in_turn(training))
    played_s, played = _timed(training, partial(play, training), times)
    learned_s, learned = _timed(training, learn, times)
    plays = config.rollout_size / part.rollout_size / times
    has_epochs = "epochs" not in methods.get(config.method).ignores
    repeats = plays * (config.epochs / part.epochs if has_epochs else 1)
    phases = {name: played[name] * plays + learned[name] * repeats for name in played}
    return played_s * plays + learned_s * repeats, phases


def _on_cuda(training: Training, config: TrainConfig) -> tuple[float, dict[str, float]]:
    """Time whole updates, then one more with a wait after every phase, for the phases alone."""
    augmentation = _in_turn(training)

    def updates(number: int) -> None:
        for _ in range(number):
            play(training)
            training.learner.update(training.rollout, augmentation)
        torch.cuda.synchronize()

    updates(1)  # everything has been recorded after it
    begun = time.perf_counter()
    updates(CUDA_UPDATES)
    update_s = (time.perf_counter() - begun) / CUDA_UPDATES
    _, phases = _timed(training, partial(updates, 1), synchronize=torch.cuda.synchronize)
    return update_s, phases


def _timed(
    training: Training,
    work: Callable[[], object],
    times: int = 1,
    synchronize: Callable[[], None] | None = None,
) -> tuple[float, dict[str, float]]:
    """Return the seconds of some work, and those of its phases with "other" for the rest."""
    stopwatch = PhaseTimer(synchronize)
    training.measure(stopwatch)
    begun = time.perf_counter()
    for _ in range(times):
        work()
    seconds = time.perf_counter() - begun
    phases: dict[str, float] = dict(stopwatch.seconds)  # type: ignore[arg-type]
    phases["other"] = max(0.0, seconds - sum(phases.values()))
    return seconds, phases


def _evaluation(training: Training) -> dict[str, float]:
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
    return {"evaluate_s": time.perf_counter() - begun}


def _checkpoint(training: Training) -> dict[str, float]:
    """Return the seconds of a checkpoint and its size in 10^6 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        path = checkpoint.save(Path(folder), 0, {"training": training.state_dict()})
        seconds = time.perf_counter() - begun
        return {"checkpoint_s": seconds, "checkpoint_mb": path.stat().st_size / 1e6}


def _shares(config: TrainConfig, update_s: float, found: dict[str, float]) -> dict[str, float]:
    """Return the seconds of evaluations and checkpoints that fall to one update."""
    evaluations = config.rollout_size / config.eval_every if config.eval_every else 0.0
    checkpoints = 1.0  # one every update
    if steps := quantities.interval_steps(config.checkpoint_every):
        checkpoints = config.rollout_size / steps
    elif minutes := quantities.interval_minutes(config.checkpoint_every):
        checkpoints = update_s / (60 * minutes)
    return {
        "evaluate": found.get("evaluate_s", 0.0) * evaluations,
        "checkpoint": found.get("checkpoint_s", 0.0) * checkpoints,
    }


def flop(network: ActorCritic, obs_shape: tuple[int, int, int]) -> tuple[float, float]:
    """Count the floating-point operations of one image: forward, and forward and backward."""
    network = copy.deepcopy(network)
    image = torch.zeros(1, *obs_shape, device=network.fc.weight.device)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        network(image)
    with FlopCounterMode(display=False) as both:
        logits, value = network(image)
        (logits.sum() + value.sum()).backward()
    return float(forward.get_total_flops()), float(both.get_total_flops())


def update_flop(config: TrainConfig, forward: float) -> float:
    """Return the operations that an update needs of the network, by the trainer's engine.

    What it learns with is counted in an update of a short rollout, as it grows with the length;
    augmenting, but where the augmentation is learned, is no part of it, nor are channels of zeros.
    """
    minibatches = math.gcd(config.minibatches, COUNTED_STEPS * config.num_envs)
    changed = {"num_steps": COUNTED_STEPS, "minibatches": minibatches, "phasic_updates": 1}
    training = Training(config.model_copy(update={**changed, "cuda_graphs": False}))
    play(training)
    augmentation = _in_turn(training)
    if augmentation and methods.get(config.method).augmentations != "learned":
        augmentation = Identity()
    with FlopCounterMode(display=False) as learning, fused.without_zeros():
        training.learner.update(training.rollout, augmentation)
    training.env.close()
    acting = (config.rollout_size + config.num_envs) * forward
    return acting + float(learning.get_total_flops()) * config.num_steps / COUNTED_STEPS
