"""What the tests of DAAC and IDAAC share: small networks, rollouts and samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drac.config import TrainConfig
from drac.networks.daac import DecoupledActorCritic, daac_network, idaac_network
from drac.objectives.objective import Inputs
from drac.rollout import Minibatch, Rollout

NUM_ACTIONS = 5
SHAPE = (3, 16, 16)


def make_config(method: str = "idaac", **options: Any) -> TrainConfig:
    small = {"num_envs": 8, "num_steps": 8, "hidden_size": 16, "minibatches": 4}
    return TrainConfig(method=method, precision="float32", device="cpu", **{**small, **options})


def make_network(config: TrainConfig, seed: int = 0) -> DecoupledActorCritic:
    function = idaac_network if config.method == "idaac" else daac_network
    return function(config, NUM_ACTIONS, SHAPE, torch.Generator().manual_seed(seed))


def make_rollout(seed: int = 0, num_steps: int = 8, num_envs: int = 8) -> Rollout:
    generator = torch.Generator().manual_seed(seed)
    rollout = Rollout(num_steps, num_envs, (16, 16, 3))
    rollout.obs.random_(0, 256, generator=generator)
    rollout.actions.random_(0, NUM_ACTIONS, generator=generator)
    for tensor in (rollout.values, rollout.advantages, rollout.returns):
        tensor.normal_(generator=generator)
    rollout.log_probs.normal_(-1.6, 0.2, generator=generator)
    rollout.dones.copy_(torch.rand(num_steps, num_envs, generator=generator) < 0.3)
    return rollout


def make_inputs(size: int = 12) -> Inputs:
    """Samples, and partners of which the third has none, in float64."""
    generator = torch.Generator().manual_seed(5)
    rollout = make_rollout()
    rows = torch.arange(size)
    samples = rollout.samples()[rows]
    samples = Minibatch(
        samples.obs,
        samples.actions,
        *(getattr(samples, name).double() for name in list(vars(samples))[2:]),
    )
    draws = {
        "other_obs": rollout.samples().obs[rows + 20],
        "other_first": torch.randint(2, (size,), generator=generator),
        "paired": (torch.arange(size) != 2).double(),
    }
    return Inputs(samples, samples.obs.double() / 255, None, draws)


def gradients(network: DecoupledActorCritic, loss: Tensor) -> set[str]:
    """Names of the parameters that a loss moves."""
    named = dict(network.named_parameters())
    taken = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {n for n, g in zip(named, taken, strict=True) if g is not None and bool((g != 0).any())}
