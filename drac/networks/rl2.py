"""The network of RL^2 (Duan et al. 2016; Wang et al. 2016): it knows what came of its last step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from drac.config import TrainConfig
from drac.networks.lstm import RecurrentActorCritic


class RL2ActorCritic(RecurrentActorCritic):
    """`RecurrentActorCritic` that remembers through trials of several episodes of one level.

        x_t = features(s_t) + E [one-hot(a_t-1), r_t-1, end_t-1]

    The last action, its raw reward, and whether the episode ended with it are 0, as h and c are,
    before a trial's first step. E is orthogonal with gain 1, drawn after all other weights.

    Args:
        args: see `RecurrentActorCritic`.
        episodes_per_trial: K.
        options: of `RecurrentActorCritic`.
    """

    def __init__(self, *args: Any, episodes_per_trial: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.episodes_per_trial = episodes_per_trial
        num_actions = self.policy_head.out_features
        with torch.random.fork_rng(devices=[]):
            self.embed = nn.Linear(num_actions + 2, self.lstm.input_size, bias=False)
        nn.init.orthogonal_(self.embed.weight, generator=options.get("generator"))

    def initial_memory(self, num_envs: int) -> dict[str, Tensor]:
        """Return that of an LSTM, and (n,) the last `actions`, `rewards`, `ends` and the `episode`.

        The latter counts from 0 in a trial.
        """
        memory = super().initial_memory(num_envs)
        zeros = memory["h"].new_zeros(num_envs)
        return {
            **memory,
            "actions": zeros.long(),
            "rewards": zeros.float(),
            "ends": zeros.bool(),
            "episode": zeros.long(),
        }

    def note(
        self,
        memory: dict[str, Tensor],
        rows: slice,
        actions: NDArray[np.integer[Any]],
        rewards: NDArray[np.floating[Any]],
        ended: NDArray[np.bool_],
    ) -> None:
        """Write down what came of a step; a trial's first step follows its last episode."""
        device = memory["firsts"].device
        for name, told in {"actions": actions, "rewards": rewards, "ends": ended}.items():
            memory[name][rows] = torch.from_numpy(told).to(memory[name])
        episode = memory["episode"][rows]
        episode += torch.from_numpy(ended).to(device)
        memory["firsts"][rows] = episode == self.episodes_per_trial
        episode %= self.episodes_per_trial

    def inputs(self, features: Tensor, memory: dict[str, Tensor]) -> Tensor:
        """Add to the features (n T, H) what came of the last steps, each (n, T)."""
        chosen = F.one_hot(memory["actions"], self.policy_head.out_features)
        told = torch.stack([memory["rewards"], memory["ends"].float()], dim=-1)
        known = torch.cat([chosen.to(told), told], dim=-1) * ~memory["firsts"][..., None]
        embedded: Tensor = self.embed(known.flatten(0, 1).to(self.embed.weight))
        return features + embedded


def rl2_actor_critic(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> RL2ActorCritic:
    """Return the network of RL^2."""
    return RL2ActorCritic(
        num_actions,
        obs_shape,
        config.hidden_size,
        config.residual,
        generator=generator,
        episodes_per_trial=config.episodes_per_trial,
    )
