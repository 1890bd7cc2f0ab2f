"""Whether this device's engine computes what the plain one computes on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from augmentations import Augmentation
from benchmark.speed.training import Task, Verdict
from benchmark.speed.worker.reference import ReferenceLearner
from benchmark.speed.worker.work import play
from drac import hardware
from drac.arms.build import build_augmentations
from drac.config import TrainConfig, build
from drac.learner import Learner
from drac.networks import ActorCritic
from drac.objectives.objective import Inputs, Objective
from drac.objectives.objective import make as make_objective
from drac.rollout import Minibatch, Rollout
from drac.train.state import Training

WEIGHT_LIMIT = 1e-9
"""In float64: of the largest difference of a weight after an update of 24 gradient steps."""

GRADIENT_LIMIT = 2e-3
"""In float32: of the norm of a tensor's gradient's error, over the norm of the gradient."""

COSINE_LIMIT = 0.99
"""In bf16: of the cosine of a minibatch's whole gradient to that in float32."""

METHODS = (("ppo", "paper"), ("drac-crop", "paper"), ("drac-random-conv", "released"))

_FLOATS = ("log_probs", "values", "rewards", "advantages", "returns")
_FROZEN = {"learning_rate": 1e-30, "max_grad_norm": 1e9, "minibatches": 2}
"""What leaves the weights and the gradients of an update's steps as they are."""

_DOUBLE_STEPS = 4  # float64 is slow on a CPU


def verdicts(task: Task, begin: Callable[[str], None]) -> list[dict[str, Any]]:
    """Compare on a small rollout of real frames; `begin` is called with the name of each part.

    Returns:
        The fields of `Verdict`, one dict a comparison.
    """
    found: list[Verdict] = []
    small = {
        name: min(task.config[name], most) for name, most in (("num_envs", 8), ("num_steps", 32))
    }
    for method, fidelity in METHODS:
        given = {name: task.config[name] for name in ("game", "threads", "device")} | small
        given |= {"precision": "float32", "micro_batch": 3, "env_groups": 1}
        config = build({**given, "method": method, "fidelity": fidelity})
        hardware.use(config)
        rollout = _played(config)
        for path, how in _paths(config).items():
            name = f"{method} ({fidelity}), {path}"
            begin(name)
            found += _compare(name, how, rollout)
    return [vars(verdict) for verdict in found]


def _paths(config: TrainConfig) -> dict[str, TrainConfig]:
    """Return the ways in which this device can take a gradient step."""
    if config.device == "cpu":
        return {"micro-batches": config}
    plain = config.model_copy(update={"cuda_graphs": False})
    return {"CUDA graph": config, "kernel by kernel": plain}


def _compare(name: str, config: TrainConfig, rollout: Rollout) -> list[Verdict]:
    """Compare the weights after an update in float64, and gradients in float32 and bf16."""
    double = _converted(rollout, "cpu", torch.float64, _DOUBLE_STEPS)
    wanted = _reference(config, torch.float64)
    wanted.update(double, _augmentation(config))
    learner = _learner(config, torch.float64)
    learner.update(_converted(double, config.device, torch.float64), _augmentation(config))
    pairs = zip(learner.network.parameters(), wanted.network.parameters(), strict=True)
    worst = max((mine.cpu() - plain).abs().max().item() for mine, plain in pairs)
    found = [Verdict(f"{name}: weights after an update in float64", worst, WEIGHT_LIMIT)]
    if learner.captured is not None:
        failed = float(learner.captured.failed)
        found.append(Verdict(f"{name}: recordings that failed", failed, 0))

    epochs = 1 if learner.captured is None else 3  # a recording is made at the fourth step
    config = config.model_copy(update={**_FROZEN, "epochs": epochs})
    mine = _gradients(_learner(config, torch.float32), rollout, config)
    plain = _gradients(_reference(config, torch.float32), rollout, config)
    errors = [
        ((one[key] - other[key]).norm() / other[key].norm()).item()
        for one, other in zip(mine, plain, strict=True)
        for key in other
    ]
    found.append(Verdict(f"{name}: gradients in float32", max(errors), GRADIENT_LIMIT))
    if not hardware.has_native_bf16(config.device):
        return found
    config = config.model_copy(update={"precision": "bf16"})
    half = _gradients(_learner(config, torch.float32), rollout, config)
    cosine = min(_cosine(one, other) for one, other in zip(half, plain, strict=True))
    name = f"{name}: cosine of gradients in bf16"
    return [*found, Verdict(name, cosine, COSINE_LIMIT, at_least=True)]


class _DrawnOnCPU:
    """An objective whose draws are made on the CPU, then moved: the same on every device."""

    def __init__(self, objective: Objective, device: str) -> None:
        self._objective, self._device = objective, device

    def draw(
        self, minibatch: Minibatch, num_actions: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw with a generator of the CPU."""
        drawn = self._objective.draw(minibatch, num_actions, generator)
        return {name: value.to(self._device) for name, value in drawn.items()}

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures."""
        return self._objective(network, inputs)


def _learner(config: TrainConfig, dtype: torch.dtype) -> Learner:
    """Return this device's engine; all its random numbers are those of the CPU."""
    objective = _DrawnOnCPU(make_objective(config), config.device)
    network = _network(config).to(config.device, dtype)
    minibatches, augmentations, targets = _generators()
    return Learner(network, config, minibatches, augmentations, targets, objective)


def _reference(config: TrainConfig, dtype: torch.dtype) -> ReferenceLearner:
    return ReferenceLearner(_network(config).to(dtype), config, *_generators())


def _network(config: TrainConfig) -> ActorCritic:
    weights = torch.Generator().manual_seed(0)
    network = ActorCritic(15, (3, 64, 64), config.hidden_size, config.residual, weights)
    with torch.no_grad():
        network.policy_head.weight.mul_(100)  # a policy that prefers some actions
    return network


def _generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]


def _augmentation(config: TrainConfig) -> Augmentation | None:
    (made,) = build_augmentations(config).values()
    return made


def _played(config: TrainConfig) -> Rollout:
    """Return a rollout on the CPU of frames that this device's policy has seen."""
    training = Training(config)
    training.network.load_state_dict(_network(config).state_dict())
    play(training)
    training.env.close()
    return _converted(training.rollout, "cpu", torch.float32)


def _converted(
    rollout: Rollout, device: str, dtype: torch.dtype, num_steps: int | None = None
) -> Rollout:
    """Return a copy elsewhere; for float64 its images are in [0, 1], else they are uint8."""
    made = copy.copy(rollout)
    for name, value in vars(rollout).items():
        kept = value[:num_steps]
        if isinstance(kept, Tensor):  # the level seeds are numpy's
            kept = kept.to(device, dtype if name in _FLOATS else kept.dtype)
        setattr(made, name, kept)
    if dtype == torch.float64 and made.obs.dtype == torch.uint8:
        made.obs = made.obs.double() / 255
    return made


def _gradients(
    learner: Learner | ReferenceLearner, rollout: Rollout, config: TrainConfig
) -> list[dict[str, Tensor]]:
    """Return the gradients of an update's minibatches, by the names of the weights."""
    found: list[dict[str, Tensor]] = []

    def keep() -> None:
        named = learner.network.named_parameters()
        found.append({key: p.grad.cpu().clone() for key, p in named if p.grad is not None})

    device = learner.network.fc.weight.device.type
    learner.update(_converted(rollout, device, torch.float32), _augmentation(config), keep)
    return found


def _cosine(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    mine, plain = (torch.cat([g.flatten() for g in given.values()]) for given in (one, other))
    return float(torch.cosine_similarity(mine.double(), plain.double(), dim=0))
