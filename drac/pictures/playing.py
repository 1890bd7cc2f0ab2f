"""A trained agent plays, and every step is told with the picture that a person would see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from augmentations import as_float
from drac.envs import ProcgenVectorEnv
from drac.envs.procgen_env import Split
from drac.envs.trials import in_trials
from drac.evaluate.episodes import Episode, evaluating
from drac.games import Mode
from drac.networks.remembering import Agent, Remembering
from drac.networks.sampling import autocast, sample_actions
from drac.seeding import stream_seed


@dataclass(frozen=True)
class Moment:
    """A moment of an episode, and what the agent made of it.

    Attributes:
        picture: uint8 (512, 512, 3), what a person sees.
        obs: uint8 (64, 64, 3), what the agent sees.
        level_seed: the level.
        number: of the episode, from 1.
        step: of the episode, from 0.
        episode_return: the sum of rewards so far.
        probabilities: (A,) of the actions.
        value: the agent's estimate, in units of normalized rewards.
        action: the one that was drawn.
        episode: the whole episode, if it ended with this action. What it led to is not to be seen:
            Procgen starts the next episode in the same step.
    """

    picture: NDArray[np.uint8]
    obs: NDArray[np.uint8]
    level_seed: int
    number: int
    step: int
    episode_return: float
    probabilities: NDArray[np.float64]
    value: float
    action: int
    episode: Episode | None = None


@torch.inference_mode()
def watch(
    agent: Agent,
    game: str,
    split: Split,
    episodes: int,
    seed: int = 0,
    *,
    mode: Mode = "easy",
    precision: str = "float32",
    episodes_per_trial: int = 1,
) -> Iterator[Moment]:
    """Play episodes one after the other, with sampled actions, and yield every step.

    Args:
        agent: the policy; a network plays in evaluation mode.
        game: one of `drac.games.GAMES`.
        split: "train" (levels 0..199), "test" (the full distribution) or a range of levels.
        episodes: at least 1.
        seed: decides levels and actions.
        mode: Procgen's distribution mode.
        precision: "float32" or "bf16".
        episodes_per_trial: episodes that are played in one level, one after the other.

    Raises:
        ValueError: for an unknown game or split, or no episodes.
        NonFinite: if the policy is NaN.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, not {episodes}")
    device = torch.device("cpu")
    if isinstance(agent, nn.Module):
        device = next(agent.parameters()).device
    generator = torch.Generator(device).manual_seed(stream_seed(seed, "watch", "actions"))
    env_seed = stream_seed(seed, "watch", "env")
    env: Any = ProcgenVectorEnv(game, 1, split, env_seed, mode, 0, render_mode="rgb_array")
    if episodes_per_trial > 1:
        env = in_trials(env, episodes_per_trial, seed)
    with contextlib.closing(env), evaluating(agent):
        obs, infos = env.reset()
        remembering = Remembering(agent, 1)
        for number in range(1, episodes + 1):
            step, total = 0, 0.0
            while True:
                picture, level_seed = env.render()[0], int(infos["level_seed"][0])
                frames = torch.from_numpy(obs).to(device).permute(0, 3, 1, 2)
                with autocast(device, precision):
                    logits, value, carried = remembering.advance(
                        as_float(frames), remembering.memory
                    )
                remembering.memory |= carried
                action = sample_actions(logits.float(), generator).cpu().numpy()
                before = obs[0]
                obs, rewards, ended, _, infos = env.step(action)
                remembering.note(action, rewards, ended)
                episode = None
                if "finished" in infos:
                    told = infos["finished"]
                    episode = Episode(level_seed, float(told["r"][0]), int(told["l"][0]))
                yield Moment(
                    picture=picture,
                    obs=before,
                    level_seed=level_seed,
                    number=number,
                    step=step,
                    episode_return=total,
                    probabilities=logits[0].double().softmax(dim=0).cpu().numpy(),
                    value=float(value[0]),
                    action=int(action[0]),
                    episode=episode,
                )
                step, total = step + 1, total + float(rewards[0])
                if episode:
                    break
