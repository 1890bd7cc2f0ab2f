"""Evaluation of a policy: a fixed quota of episodes per env, every episode kept.

Taking the first episodes that finish would favour short ones. Here each env plays a number of
episodes fixed in advance, so an episode counts however long it takes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from augmentations import as_float
from drac.envs import ProcgenVectorEnv
from drac.envs.procgen_env import Split
from drac.games import Mode
from drac.networks.sampling import autocast, sample_actions
from drac.seeding import stream_seed

if TYPE_CHECKING:
    import pandas as pd

Agent = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Observations (B, 3, H, W) in [0, 1] -> logits (B, A), values (B,); e.g. an `ActorCritic`."""


@dataclass(frozen=True)
class Episode:
    """One finished episode: its level, its raw return, its length in steps."""

    level_seed: int
    episode_return: float
    length: int


def quotas(episodes: int, num_envs: int) -> list[int]:
    """Share out `episodes` over the envs as evenly as possible; the first get the remainder."""
    share, rest = divmod(episodes, num_envs)
    return [share + (index < rest) for index in range(num_envs)]


def split_name(split: Split) -> str:
    """Return how a split is written in tables: "train", "test" or "levels 0-199"."""
    return split if isinstance(split, str) else f"levels {split.start}-{split.stop - 1}"


@contextlib.contextmanager
def evaluating(agent: Agent) -> Iterator[None]:
    """Put a network into evaluation mode, and back: some act otherwise while they train."""
    if not isinstance(agent, nn.Module):
        yield
        return
    before = agent.training
    agent.eval()
    try:
        yield
    finally:
        agent.train(before)


@torch.inference_mode()
def play(
    agent: Agent,
    env: VectorEnv[Any, Any, Any],
    quota: Sequence[int],
    generator: torch.Generator,
    precision: str = "float32",
    on_episode: Callable[[], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> list[Episode]:
    """Play `quota[i]` episodes on env i with sampled actions.

    Args:
        agent: the policy.
        env: gives `infos["episode"]` as `ProcgenVectorEnv` does.
        quota: for each env, at least 0.
        generator: of the actions, on the agent's device.
        precision: "float32" or "bf16".
        on_episode: called after every episode that counts.
        on_step: called before every step of the envs; what it raises ends the evaluation.

    Returns:
        The episodes, in the order of envs, and of time within an env.
    """
    done: list[list[Episode]] = [[] for _ in quota]
    active = np.flatnonzero(np.asarray(quota) > 0)
    obs, _ = env.reset()
    while len(active):
        if on_step:
            on_step()
        # An env that has played its quota steps on, since Procgen steps all; the network skips it.
        actions = np.zeros(env.num_envs, np.int64)
        frames = torch.from_numpy(obs[active]).to(generator.device).permute(0, 3, 1, 2)
        with autocast(generator.device, precision):
            logits, _ = agent(as_float(frames))
        actions[active] = sample_actions(logits.float(), generator).cpu().numpy()
        obs, _, _, _, infos = env.step(actions)
        if "episode" not in infos:
            continue
        ended = infos["episode"]
        for i in active[infos["_episode"][active]]:
            done[i].append(
                Episode(int(ended["level_seed"][i]), float(ended["r"][i]), int(ended["l"][i]))
            )
            if on_episode:
                on_episode()
        active = np.array([i for i in active if len(done[i]) < quota[i]], np.int64)
    return [episode for episodes in done for episode in episodes]


def play_out(
    agent: Agent,
    env: VectorEnv[Any, Any, Any],
    quota: Sequence[int],
    seed: int,
    precision: str = "float32",
    on_episode: Callable[[], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> pd.DataFrame:
    """Play as `play` does, the agent in evaluation mode, and close the env.

    Returns:
        One row per episode: `level_seed, return, length`.
    """
    import pandas as pd

    device = next(agent.parameters()).device if isinstance(agent, nn.Module) else "cpu"
    generator = torch.Generator(device).manual_seed(stream_seed(seed, "actions"))
    with contextlib.closing(env), evaluating(agent):
        played = play(agent, env, quota, generator, precision, on_episode, on_step)
    table = pd.DataFrame([asdict(e) for e in played], columns=[f.name for f in fields(Episode)])
    return table.rename(columns={"episode_return": "return"})


def evaluate(
    agent: Agent,
    game: str,
    split: Split,
    episodes: int,
    num_envs: int = 64,
    seed: int = 0,
    *,
    mode: Mode = "easy",
    precision: str = "float32",
    on_episode: Callable[[], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> pd.DataFrame:
    """Play episodes of a game and return one row per episode.

    Args:
        agent: the policy; actions are sampled from it. A network plays in evaluation mode.
        game: one of `drac.games.GAMES`.
        split: "train" (levels 0..199), "test" (the full distribution) or a range of levels.
        episodes: in all, shared out over the envs in advance.
        num_envs: played side by side; never more than `episodes` are used.
        seed: decides levels and actions.
        mode: Procgen's distribution mode.
        precision: "float32" or "bf16" autocast.
        on_episode: called after every episode.
        on_step: called before every step of the envs; what it raises ends the evaluation.

    Returns:
        Columns `split, level_seed, return, length`, `episodes` rows.

    Raises:
        ValueError: for an unknown game or split, or counts below 1.
    """
    if episodes < 1 or num_envs < 1:
        raise ValueError(f"episodes {episodes} and num_envs {num_envs} must be at least 1")
    num_envs = min(num_envs, episodes)
    env = ProcgenVectorEnv(game, num_envs, split, seed=stream_seed(seed, "env"), mode=mode)
    quota = quotas(episodes, num_envs)
    table = play_out(agent, env, quota, seed, precision, on_episode, on_step)
    table.insert(0, "split", split_name(split))
    return table
