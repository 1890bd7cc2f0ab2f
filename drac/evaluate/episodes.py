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
from numpy.typing import NDArray
from torch import Tensor, nn

from augmentations import as_float
from drac import hardware
from drac.cuda_graphs import Captured, Recorder, record_cuda_graph
from drac.envs import ProcgenVectorEnv
from drac.envs.procgen_env import Split
from drac.envs.trials import in_trials
from drac.errors import NonFinite
from drac.games import NUM_ACTIONS, Mode
from drac.networks import ActorCritic
from drac.networks.remembering import Agent, Remembering
from drac.networks.sampling import autocast, draw_noise, pick_actions
from drac.seeding import stream_seed

if TYPE_CHECKING:
    import pandas as pd


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


def device_of(agent: Agent) -> torch.device:
    """Return where an agent computes: on the CPU, if it is no network."""
    if isinstance(agent, nn.Module):
        return next(agent.parameters()).device
    return torch.device("cpu")


class Player:
    """Chooses the actions of those envs of N that still play.

    On CPU the network is shown their frames alone. On CUDA, which is fastest where shapes stay, it
    is shown all N, and our own networks are recorded; the draws are the same.

    Args:
        agent: the policy.
        num_envs: N.
        num_actions: A.
        generator: of the actions, on the agent's device.
        precision: "float32" or "bf16".
        fixed: whether all N are shown; None: on CUDA.
        record: makes the recording; None: CUDA's own for our networks, where all N are shown.

    Attributes:
        note: is to be told what came of each step; see `Remembering`.
    """

    def __init__(
        self,
        agent: Agent,
        num_envs: int,
        num_actions: int,
        generator: torch.Generator,
        precision: str = "float32",
        fixed: bool | None = None,
        record: Recorder | None = None,
    ) -> None:
        self._agent = Remembering(agent, num_envs)
        self.note = self._agent.note
        self._generator, self._precision = generator, precision
        self._device = generator.device
        on_cuda = self._device.type == "cuda"
        self._fixed = on_cuda if fixed is None else fixed
        if on_cuda and self._fixed and isinstance(agent, ActorCritic):
            record = record or record_cuda_graph
        self._choose = Captured(self._chosen, record) if record else self._chosen
        self._noise = torch.ones(num_envs, num_actions, device=self._device)
        self._active = np.arange(num_envs)
        self._rows = self._on_device(self._active)

    def __call__(self, obs: NDArray[np.uint8], active: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return actions (N,) for observations (N, H, W, 3); 0 for envs that are not in `active`.

        Raises:
            NonFinite: if the policy of an env is NaN.
        """
        if len(active) != len(self._active):
            self._active, self._rows = active, self._on_device(active)
        noise = draw_noise(len(active), self._noise.shape[1], self._generator)
        if self._fixed:
            noise = self._noise.index_copy_(0, self._rows, noise)
        shown = self._on_device(obs if self._fixed else obs[active])
        rows = slice(None) if self._fixed else self._rows
        memory = {name: value[rows] for name, value in self._agent.memory.items()}
        found = self._choose({"obs": shown, "noise": noise, **memory})
        chosen = found.pop("actions").cpu().numpy()
        for name, value in found.items():
            self._agent.memory[name][rows] = value
        actions = np.zeros(len(obs), np.int64)
        actions[active] = chosen[active] if self._fixed else chosen
        if (actions < 0).any():
            raise NonFinite("the policy is NaN or infinite")
        return actions

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        return hardware.to_device(array, self._device)

    def _chosen(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Sample `actions` (n,), -1 where the policy is NaN: one look at them tells both."""
        memory = dict(inputs)
        obs, noise = memory.pop("obs"), memory.pop("noise")
        with autocast(self._device, self._precision):
            logits, _, carried = self._agent.advance(as_float(obs.permute(0, 3, 1, 2)), memory)
        actions = pick_actions(logits.float(), noise)
        actions = actions.masked_fill(logits.float().softmax(1).isnan().any(1), -1)
        return {"actions": actions, **carried}


@torch.inference_mode()
def play(
    player: Player,
    env: VectorEnv[Any, Any, Any],
    quota: Sequence[int],
    on_episode: Callable[[], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> list[Episode]:
    """Play `quota[i]` episodes on env i with sampled actions.

    Args:
        player: chooses the actions.
        env: gives `infos["finished"]` as `ProcgenVectorEnv` does.
        quota: for each env, at least 0.
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
        # An env that has played its quota steps on, since Procgen steps all.
        actions = player(obs, active)
        obs, rewards, ended, _, infos = env.step(actions)
        player.note(actions, rewards, ended)
        if "finished" not in infos:
            continue
        told = infos["finished"]
        for i in active[infos["_finished"][active]]:
            done[i].append(
                Episode(int(told["level_seed"][i]), float(told["r"][i]), int(told["l"][i]))
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

    generator = torch.Generator(device_of(agent)).manual_seed(stream_seed(seed, "actions"))
    with contextlib.closing(env), evaluating(agent):
        player = Player(agent, env.num_envs, NUM_ACTIONS, generator, precision)
        played = play(player, env, quota, on_episode, on_step)
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
    episodes_per_trial: int = 1,
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
        episodes_per_trial: K; above 1, every K rows are a trial, played one after the other in one
            level, for an agent that remembers through it.

    Returns:
        Columns `split, level_seed, return, length`, `episodes` rows.

    Raises:
        ValueError: for an unknown game or split, counts below 1, or trials that are not whole.
    """
    if episodes < 1 or num_envs < 1:
        raise ValueError(f"episodes {episodes} and num_envs {num_envs} must be at least 1")
    trials, rest = divmod(episodes, episodes_per_trial)
    if rest:
        raise ValueError(f"{episodes} episodes are no whole trials of {episodes_per_trial}")
    num_envs = min(num_envs, trials)
    threads = hardware.evaluation_threads(device_of(agent).type)
    env: Any = ProcgenVectorEnv(game, num_envs, split, stream_seed(seed, "env"), mode, threads)
    if episodes_per_trial > 1:
        env = in_trials(env, episodes_per_trial, seed)
    quota = [episodes_per_trial * share for share in quotas(trials, num_envs)]
    table = play_out(agent, env, quota, seed, precision, on_episode, on_step)
    table.insert(0, "split", split_name(split))
    return table
