"""The IMPALA actor-critic with an LSTM under its heads (Hochreiter and Schmidhuber 1997)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drac.config import TrainConfig
from drac.networks.impala import ActorCritic, Residual, widened


class RecurrentActorCritic(ActorCritic):
    """`ActorCritic` whose heads see the state h_t of an LSTM in place of the features x_t.

        (h_t, c_t) = LSTM(x_t, h_t-1, c_t-1),  h and c being 0 before an episode's first step

    The network holds no state: its memory of n envs is what `initial_memory` makes, which whoever
    plays keeps. `firsts` says where an episode begins. It computes in float32 at least.

    Weights: the LSTM's are orthogonal with gain 1, its biases 0, drawn after the others, which
    begin as in `ActorCritic`.

    Args:
        num_actions: A.
        obs_shape: (channels, height, width).
        hidden_size: width of `fc`, of h and of c, H.
        residual: see `drac.networks.impala.ResidualBlock`.
        generator: source of the initial weights; None takes torch's global one.
    """

    carried: ClassVar[tuple[str, ...]] = ("h", "c")

    def __init__(
        self,
        num_actions: int,
        obs_shape: tuple[int, int, int] = (3, 64, 64),
        hidden_size: int = 256,
        residual: Residual = "impala",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(num_actions, obs_shape, hidden_size, residual, generator)
        with torch.random.fork_rng(devices=[]):
            self.lstm = nn.LSTMCell(hidden_size, hidden_size)
        for weight in (self.lstm.weight_ih, self.lstm.weight_hh):
            nn.init.orthogonal_(weight, generator=generator)
        for bias in (self.lstm.bias_ih, self.lstm.bias_hh):
            nn.init.zeros_(bias)

    def initial_memory(self, num_envs: int) -> dict[str, Tensor]:
        """Return `h` and `c` (n, H), 0, and `firsts` (n,) bool, True."""
        weight = self.lstm.weight_hh
        state = {name: weight.new_zeros(num_envs, self.lstm.hidden_size) for name in self.carried}
        return {**state, "firsts": weight.new_ones(num_envs, dtype=torch.bool)}

    def note(
        self,
        memory: dict[str, Tensor],
        rows: slice,
        actions: NDArray[np.integer[Any]],
        rewards: NDArray[np.floating[Any]],
        ended: NDArray[np.bool_],
    ) -> None:
        """Write down in a memory that the episodes of some of its envs have ended."""
        firsts = memory["firsts"]
        firsts[rows] = torch.from_numpy(ended).to(firsts.device)

    def advance(
        self, obs: Tensor, memory: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Look at the next image of n envs; see `ActorCritic.advance`."""
        outputs, state = self._remembering(self.features(obs), self._of_one_step(memory))
        return (*self.heads(outputs), state)

    def _of_one_step(self, memory: dict[str, Tensor]) -> dict[str, Tensor]:
        """Make sequences of length 1 of what envs told."""
        return {name: v if name in self.carried else v[:, None] for name, v in memory.items()}

    def forward(self, obs: Tensor, **memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's logits (B, A) and the values (B,) of n sequences of T images.

        Args:
            obs: (B, 3, H, W), float in [0, 1], B = n T, one sequence after the other.
            memory: `h` and `c` (n, H) before each sequence, and of each step (n, T) the rest of
                what `initial_memory` names; without it every image is an episode's first.
        """
        memory = memory or self._of_one_step(self.initial_memory(len(obs)))
        return self.heads(self._remembering(self.features(obs), memory)[0])

    def inputs(self, features: Tensor, memory: dict[str, Tensor]) -> Tensor:
        """Return what the LSTM sees, (n T, H): the features."""
        return features

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _remembering(
        self, features: Tensor, memory: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Map features (n T, H) to states h (n T, H), and what is remembered after the last."""
        inputs, firsts = self.inputs(features, memory), memory["firsts"]
        with torch.autocast(features.device.type, enabled=False):
            x = widened(inputs).unflatten(0, firsts.shape)
            h, c, kept = memory["h"].to(x), memory["c"].to(x), 1 - firsts.to(x)
            outputs = []
            for t in range(firsts.shape[1]):
                h, c = self.lstm(x[:, t], (h * kept[:, t, None], c * kept[:, t, None]))
                outputs.append(h)
            return torch.stack(outputs, dim=1).flatten(0, 1), {"h": h, "c": c}


def actor_critic(
    config: TrainConfig,
    num_actions: int,
    obs_shape: tuple[int, int, int],
    generator: torch.Generator | None = None,
) -> ActorCritic:
    """Return the network of most methods, with the LSTM if the run is recurrent."""
    kind: Any = RecurrentActorCritic if config.recurrent else ActorCritic
    network: ActorCritic = kind(
        num_actions, obs_shape, config.hidden_size, config.residual, generator
    )
    return network
