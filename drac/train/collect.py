"""One rollout: what the agent sees and does, and the returns and advantages that follow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from augmentations import as_float
from drac.envs.groups import Received
from drac.errors import NonFinite
from drac.networks.sampling import autocast
from drac.returns import gae
from drac.train.state import Training


@torch.inference_mode()
def collect(training: Training, on_step: Callable[[], None] = lambda: None) -> None:
    """Play one rollout with the current policy: fill in all but advantages and returns.

    The envs are served group after group: while the network looks at one group, Procgen's threads
    step the next. Noise is drawn for all envs at once, in their order, so that the number of
    groups changes nothing (but for the rounding of batches of another size).
    """
    rollout, envs, config = training.rollout, training.env, training.config
    phases, acting = training.phases, training.acting
    raw_rewards = np.empty((config.num_steps, config.num_envs))
    dones = np.empty((config.num_steps, config.num_envs), np.bool_)

    def receive(group: int) -> Received:
        with phases("step envs"):
            received = envs.receive(group)
        _, rewards, ended, _ = received
        acting.note(group, rewards, ended)
        return received

    def keep(t: int, group: int, received: Received) -> None:
        rows, (obs, rewards, ended, infos) = envs.rows[group], received
        raw_rewards[t, rows], dones[t, rows] = rewards, ended
        rollout.level_seeds[t, rows] = infos.get("prev_level_seed", -1)
        training.obs[rows] = obs
        training.count_episodes(infos, rows)

    acting.begin()
    for t in range(config.num_steps):
        with phases("act"):
            acting.draw(training.policy_generator)
        for group, rows in enumerate(envs.rows):
            received = receive(group) if t else None
            with phases("act"):  # what came of the last step is written down meanwhile
                acting.launch(group, t, received[0] if received else training.obs[rows])
            if received:
                keep(t - 1, group, received)
        for group in range(len(envs.rows)):
            with phases("act"):
                actions = acting.actions(group)
            with phases("step envs"):
                envs.send(group, actions)
        on_step()
    for group in range(len(envs.rows)):
        keep(config.num_steps - 1, group, receive(group))
    with phases("normalize, GAE"):
        rollout.rewards.copy_(torch.from_numpy(training.normalizer(raw_rewards, dones)))
        rollout.dones.copy_(torch.from_numpy(dones))


@torch.inference_mode()
def estimate_returns(training: Training) -> float:
    """Fill in advantages and returns; return the reward that the bandit is credited with.

    Raises:
        NonFinite: if the returns are NaN or infinite.
    """
    rollout, config = training.rollout, training.config
    with training.phases("normalize, GAE"):
        obs = training.view(torch.from_numpy(training.obs).to(rollout.obs.device), slice(None))
        with autocast(rollout.obs.device, config.precision):
            images = as_float(obs.permute(0, 3, 1, 2))
            _, last_value, _ = training.network.advance(images, training.acting.memory)
        rollout.last_values.copy_(last_value)
        # On the CPU: hundreds of steps of a few numbers each, which a GPU would be launched for.
        known = (rollout.rewards, rollout.values, training.acting.ends(), last_value)
        rewards, values, ends, last = (x.cpu() for x in known)
        advantages, returns = gae(rewards, values, ends, last, config.gamma, config.gae_lambda)
        rollout.advantages.copy_(advantages)
        rollout.returns.copy_(returns)
        # The released code averages over T+1 rows, the last of them 0 (docs/fidelity.md, "reward").
        rows = config.num_steps + (config.bandit_reward_rows == "released")
        mean = float(returns.double().sum() / (rows * config.num_envs))
    if not math.isfinite(mean):
        raise NonFinite("what the value network expects is NaN or infinite")
    return mean
