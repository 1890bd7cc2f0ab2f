"""Small networks, minibatches and updates in float64, and PPO's losses of one sample.

For the tests of objectives: rounding hides nothing, and the losses are written from the equations,
with torch's own distributions.
"""

from __future__ import annotations

import math
from pkgutil import resolve_name
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from drac import methods
from drac.config import TrainConfig
from drac.learner import Learner
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
    return TrainConfig(**{**SMALL, **options})


def network_of(kind: type[Network], **options: Any) -> Network:
    """A network in float64 whose heads are not nearly zero, as they are at first."""
    generator = torch.Generator().manual_seed(0)
    network = kind(NUM_ACTIONS, OBS_SHAPE, 16, "impala", generator, **options).double()
    with torch.no_grad():
        network.policy_head.weight *= 100
    return network


def minibatch_of(size: int, seed: int = 0) -> Minibatch:
    """Samples in float64, images too; some ratios and values will be clipped."""
    generator = torch.Generator().manual_seed(seed)

    def normal() -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    return Minibatch(
        obs=torch.rand(size, *OBS_SHAPE, generator=generator, dtype=torch.float64),
        actions=torch.randint(NUM_ACTIONS, (size,), generator=generator),
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


def random_rollout(seed: int) -> Rollout:
    """64 random steps of 16 x 16 images."""
    generator = torch.Generator().manual_seed(seed)
    rollout = Rollout(8, 8, (*OBS_SHAPE[1:], OBS_SHAPE[0]))
    rollout.obs.random_(0, 256, generator=generator)
    rollout.actions.random_(0, NUM_ACTIONS, generator=generator)
    for tensor in (rollout.values, rollout.advantages, rollout.returns):
        tensor.normal_(generator=generator)
    rollout.log_probs.fill_(-math.log(NUM_ACTIONS))
    return rollout


def learner_of(config: TrainConfig) -> Learner:
    """The learner of the config's method, on its network and objective, all in float64."""
    method = methods.get(config.method)
    generator = torch.Generator().manual_seed(0)
    network = resolve_name(method.network)(config, NUM_ACTIONS, OBS_SHAPE, generator).double()
    generators = (torch.Generator().manual_seed(seed) for seed in (1, 2, 3))
    objective = make_objective(config)
    learner: Learner = resolve_name(method.learner)(network, config, *generators, objective)
    return learner


def updated(config: TrainConfig, num_updates: int = 1) -> dict[str, Tensor]:
    """The parameters after updates of the config's method, in float64."""
    learner = learner_of(config)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("drac.learner.learner", "drac.objectives.mixreg"):
            patch.setattr(f"{module}.as_float", _as_double)
        for seed in range(num_updates):
            rollout = random_rollout(seed)
            for name in ("log_probs", "values", "rewards", "advantages", "returns"):
                setattr(rollout, name, getattr(rollout, name).double())
            learner.update(rollout, None)
    return {name: weight.detach() for name, weight in learner.network.named_parameters()}


def _as_double(obs: Tensor) -> Tensor:
    return obs.double() / (255 if obs.dtype == torch.uint8 else 1)
