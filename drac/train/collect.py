"""One rollout: what the agent sees and does, and the returns and advantages that follow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augmentations import as_float
from drac.errors import NonFinite
from drac.networks.sampling import autocast, draw_noise
from drac.returns import gae
from drac.train.state import Training


@torch.inference_mode()
def collect(training: Training, on_step: Callable[[], None] = lambda: None) -> None:
    """Play one rollout with the current policy: fill in all but advantages and returns.

    The envs are served group after group: while the network looks at one group, Procgen's threads
    step the others. Noise is drawn for all envs at once, in their order, so that the number of
    groups changes nothing (but for the rounding of batches of another size).
    """
    rollout, envs, config = training.rollout, training.env, training.config
    phases = training.phases
    raw_rewards = np.empty((config.num_steps, config.num_envs))
    dones = np.empty((config.num_steps, config.num_envs), np.bool_)

    def receive(t: int, group: int) -> None:
        rows = envs.rows[group]
        with phases("step envs"):
            obs, raw_rewards[t, rows], dones[t, rows], infos = envs.receive(group)
        rollout.level_seeds[t, rows] = infos.get("prev_level_seed", -1)
        training.obs[rows] = obs
        training.count_episodes(infos, rows)

    for t in range(config.num_steps):
        with phases("act"):
            noise = draw_noise(config.num_envs, envs.num_actions, training.policy_generator)
        for group, rows in enumerate(envs.rows):
            if t:
                receive(t - 1, group)
            with phases("act"):
                actions = _act(training, t, rows, noise[rows])
            with phases("step envs"):
                envs.send(group, actions)
        on_step()
    for group in range(len(envs.rows)):
        receive(config.num_steps - 1, group)
    with phases("normalize, GAE"):
        rollout.rewards.copy_(torch.from_numpy(training.normalizer(raw_rewards, dones)))
        rollout.dones.copy_(torch.from_numpy(dones))


def _act(training: Training, t: int, rows: slice, noise: Tensor) -> NDArray[np.int64]:
    """Choose the actions of some envs; keep what was seen and done in row t of the rollout."""
    rollout = training.rollout
    rollout.obs[t, rows].copy_(_on_device(training.obs[rows], rollout.obs.device), True)
    acted = training.act({"obs": rollout.obs[t, rows], "noise": noise})
    rollout.actions[t, rows] = acted["actions"]
    rollout.values[t, rows] = acted["values"]
    rollout.log_probs[t, rows] = acted["log_probs"]
    actions: NDArray[np.int64] = acted["actions"].cpu().numpy()
    return actions


def _on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array as a tensor that CUDA can fetch while the CPU goes on."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory() if device.type == "cuda" else tensor


@torch.inference_mode()
def estimate_returns(training: Training) -> float:
    """Fill in advantages and returns; return the reward that the bandit is credited with.

    Raises:
        NonFinite: if the returns are NaN or infinite.
    """
    rollout, config = training.rollout, training.config
    with training.phases("normalize, GAE"):
        obs = torch.from_numpy(training.obs).to(rollout.obs.device)
        with autocast(rollout.obs.device, config.precision):
            _, last_value = training.network(as_float(obs.permute(0, 3, 1, 2)))
        rollout.last_values.copy_(last_value)
        advantages, returns = gae(
            rollout.rewards,
            rollout.values,
            rollout.dones,
            last_value,
            config.gamma,
            config.gae_lambda,
        )
        rollout.advantages.copy_(advantages)
        rollout.returns.copy_(returns)
        # The released code averages over T+1 rows, the last of them 0 (docs/fidelity.md, "reward").
        rows = config.num_steps + (config.bandit_reward_rows == "released")
        mean = float(returns.double().sum() / (rows * config.num_envs))
    if not math.isfinite(mean):
        raise NonFinite("what the value network expects is NaN or infinite")
    return mean
