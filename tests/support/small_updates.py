"""Small networks, rollouts, minibatches and updates, and PPO's losses of one sample.

For the tests of learners and objectives: in float64 rounding hides nothing, and the losses are
written from the equations, with torch's own distributions.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any, TypeVar

import pytest
import torch
from graph_recorder import Recorder
from procgen_runs import with_defaults
from torch import Tensor

from drac import methods
from drac.arms.build import build_augmentations
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.objectives.objective import make as make_objective
from drac.rollout import Minibatch, Rollout

Network = TypeVar("Network", bound=ActorCritic)

NUM_ACTIONS = 5
OBS_SHAPE = (3, 16, 16)
SMALL: dict[str, Any] = {
    "num_envs": 8,
    "num_steps": 8,
    "steps": 64,
    "minibatches": 4,
    "hidden_size": 16,
    "device": "cpu",
    "precision": "float32",
}


def make_config(**options: Any) -> TrainConfig:
    return TrainConfig(**with_defaults({"method": "ucb-drac", **SMALL}, options))


def network_of(kind: type[Network], seed: int = 0, **options: Any) -> Network:
    """A network in float64 whose heads are not nearly zero, as they are at first."""
    generator = torch.Generator().manual_seed(seed)
    network = kind(NUM_ACTIONS, OBS_SHAPE, 16, "impala", generator, **options).double()
    with torch.no_grad():
        network.policy_head.weight *= 100
    return network


def minibatch_of(number: int, seed: int = 0) -> Minibatch:
    """Samples in float64, images too; some ratios and values will be clipped."""
    generator = torch.Generator().manual_seed(seed)

    def normal() -> Tensor:
        return torch.randn(number, generator=generator, dtype=torch.float64)

    return Minibatch(
        obs=torch.rand(number, *OBS_SHAPE, generator=generator, dtype=torch.float64),
        actions=torch.randint(NUM_ACTIONS, (number,), generator=generator),
        old_log_probs=-math.log(NUM_ACTIONS) + 0.3 * normal(),
        old_values=0.3 * normal(),
        returns=normal(),
        advantages=normal(),
    )


def ppo_losses(
    logits: Tensor,
    value: Tensor,
    action: int,
    old_log_prob: Tensor,
    old_value: Tensor,
    target: Tensor,
    advantage: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """PPO's policy loss, value loss and entropy of one sample, with clip 0.2."""
    policy = torch.distributions.Categorical(logits=logits)
    log_prob = policy.log_prob(torch.tensor(action))
    clipped = old_value + (value - old_value).clip(-0.2, 0.2)
    value_loss = 0.5 * max((value - target) ** 2, (clipped - target) ** 2)
    return policy_loss(log_prob, old_log_prob, advantage), value_loss, policy.entropy()


def policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """PPO's surrogate of one sample, with clip 0.2, to be minimized."""
    ratio = (log_prob - old_log_prob).exp()
    return -min(ratio * advantage, ratio.clip(0.8, 1.2) * advantage)


def random_rollout(
    seed: int = 0,
    num_steps: int = 8,
    num_envs: int = 8,
    size: int = OBS_SHAPE[1],
    num_actions: int = NUM_ACTIONS,
    network: ActorCritic | None = None,
) -> Rollout:
    """Random steps of small images: some ratios will be clipped, some episodes end.

    What a recurrent network remembered before them, and was told in them, is random too.
    """
    generator = torch.Generator().manual_seed(seed)
    memory, carried = (network.initial_memory(num_envs), network.carried) if network else ({}, ())
    rollout = Rollout(num_steps, num_envs, (size, size, 3), "cpu", memory, carried)
    rollout.obs.random_(0, 256, generator=generator)
    rollout.actions.random_(0, num_actions, generator=generator)
    for tensor in (rollout.values, rollout.rewards, rollout.advantages, rollout.returns):
        tensor.normal_(generator=generator)
    rollout.log_probs.normal_(-math.log(num_actions), 0.2, generator=generator)
    rollout.dones.copy_(torch.rand(num_steps, num_envs, generator=generator) < 0.3)
    for value in rollout.begun.values():
        value.normal_(generator=generator)
    for name, given in rollout.given.items():
        if name == "firsts":
            given[0] = torch.rand(num_envs, generator=generator) < 0.3
            given[1:] = rollout.dones[:-1]
        elif name == "rewards":
            given.normal_(generator=generator)
        else:
            given.random_(0, num_actions if name == "actions" else 2, generator=generator)
    return rollout


def in_float64(rollout: Rollout) -> Rollout:
    """The rollout with its numbers, though not its images, widened."""
    for name in ("log_probs", "values", "rewards", "advantages", "returns"):
        setattr(rollout, name, getattr(rollout, name).double())
    return rollout


@contextlib.contextmanager
def images_in_float64() -> Iterator[None]:
    """Have images scaled to float64, so that rounding cannot hide a difference."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (
            "learner.learner",
            "learner.trpo",
            "learner.ppg",
            "objectives.mixreg",
            "objectives.daac",
        ):
            patch.setattr(f"drac.{module}.as_float", _as_double)
        yield


def _as_double(obs: Tensor) -> Tensor:
    return obs.double() / (255 if obs.dtype == torch.uint8 else 1)


def network_for(config: TrainConfig, seed: int = 0) -> Any:
    """The network of the config's method, as it begins, in float32."""
    make = resolve_name(methods.get(config.method).network)
    return make(config, NUM_ACTIONS, OBS_SHAPE, torch.Generator().manual_seed(seed))


def learner_of(config: TrainConfig, network: Any = None, record: Recorder | None = None) -> Any:
    """The learner of the config's method with its objective; without a network on its own."""
    generators = (torch.Generator().manual_seed(seed) for seed in (1, 2, 3))
    make = resolve_name(methods.get(config.method).learner)
    network = network_for(config) if network is None else network
    return make(network, config, *generators, make_objective(config), record)


def updated(config: TrainConfig, num_updates: int = 1) -> dict[str, Tensor]:
    """The parameters after updates of the config's method, in float64."""
    learner = learner_of(config, network_for(config).double())
    (augmentation,) = build_augmentations(config).values()
    with images_in_float64():
        for seed in range(num_updates):
            rollout = random_rollout(seed, network=learner.network)
            learner.update(in_float64(rollout), augmentation)
    return {name: weight.detach() for name, weight in learner.network.named_parameters()}


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Of any weight of `one` from that of the same name in `other`."""
    return max((one[name] - other[name]).abs().max().item() for name in one)


class PlainAdam:
    """Kingma and Ba 2015, algorithm 1; weights without a gradient stay as they are."""

    def __init__(self, weights: list[Tensor], rate: float, eps: float, most: float) -> None:
        self.weights, self.rate, self.eps, self.most = weights, rate, eps, most
        self.state: dict[int, tuple[int, Tensor, Tensor]] = {}

    def minimize(self, loss: Tensor) -> None:
        gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients if g is not None))
        for index, (weight, gradient) in enumerate(zip(self.weights, gradients, strict=True)):
            if gradient is None:
                continue
            g = gradient * min(1.0, self.most / (norm + 1e-6))
            t, m, v = self.state.get(index, (0, torch.zeros_like(g), torch.zeros_like(g)))
            t, m, v = t + 1, 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            self.state[index] = (t, m, v)
            with torch.no_grad():
                scale = (v / (1 - 0.999**t)).sqrt() + self.eps
                weight -= self.rate * m / (1 - 0.9**t) / scale


def images(rollout: Rollout) -> Tensor:
    """(T, N, 3, H, W), in float64."""
    return rollout.obs.permute(0, 1, 4, 2, 3).double() / 255
