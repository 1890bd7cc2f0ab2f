"""The pieces of an update that are measured, by either engine."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from augmentations import Augmentation
from benchmark.speed.training import Engine
from benchmark.speed.worker.reference import ReferenceLearner, reference_act
from drac import hardware
from drac.config import TrainConfig
from drac.rollout import Rollout
from drac.train.collect import collect, estimate_returns
from drac.train.state import Training

WARM_UP_STEPS = 8
"""Steps of the envs before anything is timed."""


class InTurn(Augmentation):
    """Augments each minibatch by the next of several augmentations: their mean is measured."""

    name = "in-turn"
    output_range = None

    def __init__(self, parts: Sequence[Augmentation]) -> None:
        super().__init__()
        self._parts, self._samples = list(parts), 0

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the parameters of the next one."""
        self._samples += 1
        return self._current().sample(shape, generator)

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Apply the one that was last sampled. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        return self._current().apply(obs, params)

    def _current(self) -> Augmentation:
        return self._parts[(self._samples - 1) % len(self._parts)]


def training_of(config: TrainConfig, engine: Engine) -> Training:
    """Set this process up and wire a run; with the reference engine, set up as torch comes."""
    if engine == "drac":
        hardware.use(config)
        return Training(config)
    torch.set_num_threads(int(config.threads))
    torch.backends.cudnn.allow_tf32 = False
    plain = {"precision": "float32", "env_groups": 1, "cuda_graphs": False}
    training = Training(config.model_copy(update=plain))
    given = training.learner
    training.learner = ReferenceLearner(  # type: ignore[assignment]
        training.network,
        training.config,
        given.minibatch_generator,
        given.augmentation_generator,
        given.target_generator,
    )
    training.act = partial(reference_act, training.network)
    return training


def warm_up(training: Training, augmentation: Augmentation | None) -> None:
    """Play a few steps and take a gradient step of the true size."""
    with shorter(training, min(WARM_UP_STEPS, training.config.num_steps)):
        play(training)
    take_steps(training, augmentation, 1)


@contextmanager
def shorter(training: Training, num_steps: int) -> Iterator[None]:
    """Collect fewer steps inside the context, into the first rows of the rollout."""
    config, rollout = training.config, training.rollout
    training.config = config.model_copy(update={"num_steps": num_steps})
    training.rollout = copy.copy(rollout)
    for name, tensor in vars(rollout).items():
        setattr(training.rollout, name, tensor[:num_steps])
    try:
        yield
    finally:
        training.config, training.rollout = config, rollout


def take_steps(training: Training, augmentation: Augmentation | None, number: int) -> None:
    """Take gradient steps of the true size, one epoch of as many minibatches."""
    config, learner = training.config, training.learner
    size = config.rollout_size // config.minibatches
    whole, part = training.rollout, Rollout(1, 1, (1, 1, 3))
    for name, values in vars(whole).items():
        setattr(part, name, values.reshape(-1, *values.shape[2:])[: number * size, None])
    learner.config = config.model_copy(update={"epochs": 1, "minibatches": number})
    learner.update(part, augmentation)
    learner.config = config


def play(training: Training) -> None:
    """Collect a rollout, and estimate its returns."""
    collect(training)
    estimate_returns(training)
