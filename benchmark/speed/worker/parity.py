"""Whether this device's engine computes what the plain one computes on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from augmentations import Augmentation
from benchmark.speed.records import Verdict
from benchmark.speed.worker.measure import play
from benchmark.speed.worker.reference import ReferenceLearner
from drac import hardware
from drac.arms.build import build_augmentations
from drac.config import TrainConfig, build
from drac.learner import Learner
from drac.networks import ActorCritic
from drac.objectives.objective import Objective
from drac.objectives.objective import make as make_objective
from drac.rollout import Minibatch, Rollout
from drac.train.state import Training

WEIGHT_LIMIT = 1e-9
"""In float64: of the largest difference of a weight after an update of 24 gradient steps."""

GRADIENT_LIMIT = 2e-3
"""In float32: of the norm of the error of a minibatch's whole gradient, over the gradient's norm.

Where frames are flat, rounding decides which of a max-pool's nearly equal pixels has the gradient;
a bias whose gradient nearly cancels can be 1e-2 off, with cuDNN on an H100, where the whole is 4e-4
off, and 2e-2 with TF32 (results/evidence/cuda-h100/gradients.txt)."""

COSINE_LIMIT = 0.99
"""In bf16: of the cosine of a minibatch's whole gradient to that in float32."""

METHODS = (("ppo", "paper"), ("drac-crop", "paper"), ("drac-random-conv", "released"))

FLOATS = ("log_probs", "values", "rewards", "advantages", "returns")
FROZEN = {"learning_rate": 1e-30, "max_grad_norm": 1e9, "minibatches": 2}
"""What leaves the weights and the gradients of an update's steps as they are."""

_DOUBLE_STEPS = 4  # float64 is slow on a CPU

Weights = dict[str, Tensor]
"""The weights of a network, or their gradients, by name."""


def verdicts(config: TrainConfig, begin: Callable[[str], None]) -> list[Verdict]:
    """Compare on a small rollout of real frames.

    Args:
        config: its game, device and threads are taken, and at most 8 envs x 32 steps.
        begin: called with the name of each part.
    """
    found: list[Verdict] = []
    given = config.model_dump(include={"game", "threads", "device"})
    given |= {"num_envs": min(config.num_envs, 8), "num_steps": min(config.num_steps, 32)}
    given |= {"precision": "float32", "micro_batch": 3, "env_groups": 1}
    for method, fidelity in METHODS:
        small = build({**given, "method": method, "fidelity": fidelity})
        hardware.use(small)
        if config.device == "cuda":
            begin(f"{method} ({fidelity}), two updates")
            live = small.model_copy(update={"precision": config.precision, "env_groups": 2})
            found.append(recordings(f"{method} ({fidelity})", Training(live)))
        rollout = _played(small)
        for path, how in _paths(small).items():
            name = f"{method} ({fidelity}), {path}"
            begin(name)
            found += _compare(name, how, rollout)
    return found


def recordings(name: str, training: Training) -> Verdict:
    """Train two updates; say how many of the recordings that should have been made do not hold."""
    (augmentation,) = training.augmentations.values()
    for _ in range(2):
        play(training)
        training.learner.update(training.rollout, augmentation)
    training.env.close()
    lost = [part for part in training.recorded if not part.holds]
    reasons = "".join(f" ({part.reason})" for part in lost[:1])
    number = len(lost) if training.recorded else float("nan")
    return Verdict(name=f"{name}: recordings that do not hold{reasons}", found=number, limit=0)


def _paths(config: TrainConfig) -> dict[str, TrainConfig]:
    """Return the ways in which this device can take a gradient step."""
    if config.device == "cpu":
        return {"micro-batches": config}
    plain = config.model_copy(update={"cuda_graphs": False})
    return {"CUDA graph": config, "kernel by kernel": plain}


def _compare(name: str, config: TrainConfig, rollout: Rollout) -> list[Verdict]:
    """Compare the weights after an update in float64, and gradients in float32 and bf16."""

    def verdict(what: str, figure: float, limit: float, at_least: bool = False) -> Verdict:
        return Verdict(name=f"{name}: {what}", found=figure, limit=limit, at_least=at_least)

    double = converted(rollout, "cpu", torch.float64, _DOUBLE_STEPS)
    wanted = _reference(config, torch.float64)
    wanted.update(double, augmentation_of(config))
    learner = _learner(config, torch.float64)
    learner.update(converted(double, config.device, torch.float64), augmentation_of(config))
    pairs = zip(learner.network.parameters(), wanted.network.parameters(), strict=True)
    worst = torch.stack([(mine.cpu() - plain).abs().max() for mine, plain in pairs]).max().item()
    found = [verdict("weights after an update in float64", worst, WEIGHT_LIMIT)]

    epochs = 1 if learner.captured is None else 3  # a recording is made at the fourth step
    config = config.model_copy(update={**FROZEN, "epochs": epochs})
    mine = gradients(_learner(config, torch.float32), rollout)
    plain = gradients(_reference(config, torch.float32), rollout)
    error = max(relative_error(one, other) for one, other in zip(mine, plain, strict=True))
    found.append(verdict("gradients in float32", error, GRADIENT_LIMIT))
    if hardware.has_native_bf16(config.device):
        config = config.model_copy(update={"precision": "bf16"})
        half = gradients(_learner(config, torch.float32), rollout)
        least = min(cosine(one, other) for one, other in zip(half, plain, strict=True))
        found.append(verdict("cosine of gradients in bf16", least, COSINE_LIMIT, at_least=True))
    return found


def _learner(config: TrainConfig, dtype: torch.dtype) -> Learner:
    """Return this device's engine; all its random numbers are those of the CPU."""
    network = network_of(config).to(config.device, dtype)
    minibatches, augmentations, targets = generators()
    return Learner(network, config, minibatches, augmentations, targets, _drawing_on_cpu(config))


def _drawing_on_cpu(config: TrainConfig) -> Objective:
    """Return the objective with draws that are made on the CPU, then moved to the device."""
    objective = make_objective(config)
    draw = objective.draw

    def moved(samples: Minibatch, num_actions: int, generator: torch.Generator) -> Weights:
        drawn = draw(samples, num_actions, generator)
        return {name: value.to(config.device) for name, value in drawn.items()}

    objective.draw = moved  # type: ignore[method-assign, assignment]
    return objective


def _reference(config: TrainConfig, dtype: torch.dtype) -> ReferenceLearner:
    return ReferenceLearner(network_of(config).to(dtype), config, *generators())


def network_of(config: TrainConfig, kind: type[ActorCritic] = ActorCritic) -> ActorCritic:
    """Return a network that prefers some actions, the same at every call."""
    weights = torch.Generator().manual_seed(0)
    network = kind(15, (3, 64, 64), config.hidden_size, config.residual, weights)
    with torch.no_grad():
        network.policy_head.weight.mul_(100)
    return network


def generators() -> list[torch.Generator]:
    """Return a learner's three generators, on the CPU, the same at every call."""
    return [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]


def augmentation_of(config: TrainConfig) -> Augmentation | None:
    """Return the augmentation of a method that has one; None for PPO."""
    (made,) = build_augmentations(config).values()
    return made


def _played(config: TrainConfig) -> Rollout:
    """Return a rollout on the CPU of frames that this device's policy has seen."""
    training = Training(config)
    training.network.load_state_dict(network_of(config).state_dict())
    play(training)
    training.env.close()
    return converted(training.rollout, "cpu", torch.float32)


def converted(
    rollout: Rollout, device: str, dtype: torch.dtype, num_steps: int | None = None
) -> Rollout:
    """Return a copy of the first steps; for float64 its images are in [0, 1], else uint8."""
    made = copy.copy(rollout)
    for name, value in vars(rollout).items():
        if isinstance(value, dict):  # a recurrent network's memory, which no plain engine has
            continue
        kept = value[:num_steps]
        if isinstance(kept, Tensor):  # the level seeds are numpy's
            kept = kept.to(device, dtype if name in FLOATS else kept.dtype)
        setattr(made, name, kept)
    if dtype == torch.float64 and made.obs.dtype == torch.uint8:
        made.obs = made.obs.double() / 255
    return made


def gradients(learner: Learner | ReferenceLearner, rollout: Rollout) -> list[Weights]:
    """Return the gradients of an update's minibatches; the config is to be `FROZEN`."""
    found: list[Weights] = []

    def keep() -> None:
        named = learner.network.named_parameters()
        found.append({key: p.grad.cpu().clone() for key, p in named if p.grad is not None})

    device = learner.network.fc.weight.device.type
    augmentation = augmentation_of(learner.config)
    learner.update(converted(rollout, device, torch.float32), augmentation, keep)
    return found


def relative_error(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> float:
    """Return the norm of the error of all the gradients, over the norm of what is wanted."""
    mine, plain = _flat(found), _flat(wanted)
    return float((mine - plain).norm() / plain.norm())


def cosine(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Return the cosine of all the gradients of a minibatch to others."""
    return float(torch.cosine_similarity(_flat(one), _flat(other), dim=0))


def _flat(gradients: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([gradient.flatten().double() for gradient in gradients.values()])
