"""What the agent saw and did in one rollout, and the minibatches made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLES = ("obs", "actions", "old_log_probs", "old_values", "returns", "advantages")
"""The fields of a `Minibatch` that have a row for each sample."""

_MEMORY = "memory."


@dataclass(frozen=True)
class Minibatch:
    """B samples of a rollout; for a recurrent network n sequences of T, one after the other.

    Shape:
        obs: (B, 3, H, W), uint8, or float in [0, 1].
        actions: (B,) int64.
        old_log_probs: (B,), log pi(a|s) when acting.
        old_values: (B,), V(s) when acting.
        returns: (B,), targets of the value.
        advantages: (B,), normalized over the whole rollout.
        memory: what a recurrent network is to know besides, the first dimension n: what it
            remembered before each sequence, and (n, T) what the envs told it at each step.
    """

    obs: Tensor
    actions: Tensor
    old_log_probs: Tensor
    old_values: Tensor
    returns: Tensor
    advantages: Tensor
    memory: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def length(self) -> int:
        """Steps that must stay together: T, or 1."""
        sequences = [len(value) for value in self.memory.values()]
        return len(self) // sequences[0] if sequences else 1

    def __getitem__(self, rows: slice | Tensor) -> Minibatch:
        """Return the samples of `rows`: a view for a slice, copies for indices.

        With a memory it must be a slice of whole sequences.
        """
        memory = self.memory
        if memory and isinstance(rows, slice):
            whole = slice(rows.start // self.length, rows.stop // self.length)
            memory = {name: value[whole] for name, value in memory.items()}
        return Minibatch(**{name: getattr(self, name)[rows] for name in SAMPLES}, memory=memory)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything by name; what is of the memory as "memory.NAME"."""
        own = {name: getattr(self, name) for name in SAMPLES}
        return own | {_MEMORY + name: value for name, value in self.memory.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Minibatch:
        """Return the minibatch of which `tensors`, among others, are these."""
        of_memory = [name for name in tensors if name.startswith(_MEMORY)]
        memory = {name.removeprefix(_MEMORY): tensors[name] for name in of_memory}
        return cls(**{name: tensors[name] for name in SAMPLES}, memory=memory)


class Rollout:
    """T steps of N envs. Observations stay uint8, in the layout the envs give them.

    Shape:
        obs: (T, N, H, W, 3) uint8.
        actions: (T, N) int64.
        log_probs, values, rewards, advantages, returns: (T, N) float32.
        dones: (T, N) bool; whether the episode ended with step t.
        last_values: (N,) float32, V of the states after the last step.
        level_seeds: (T, N) int64, a numpy array; the level in which step t was taken, or -1 if the
            env does not say.

    Args:
        num_steps: T.
        num_envs: N.
        obs_shape: (H, W, 3).
        device: of all but `level_seeds`.
        memory: a recurrent network's, of N envs, as its `initial_memory` makes it.
        carried: which of it are carried from step to step.

    Attributes:
        begun: of what is carried, (N, ...), what was remembered before the first step.
        given: of the rest of the memory, (T, N, ...), what it was at each step.
    """

    def __init__(
        self,
        num_steps: int,
        num_envs: int,
        obs_shape: tuple[int, ...] = (64, 64, 3),
        device: torch.device | str = "cpu",
        memory: Mapping[str, Tensor] | None = None,
        carried: Sequence[str] = (),
    ) -> None:
        shape = (num_steps, num_envs)
        self.obs = torch.zeros(*shape, *obs_shape, dtype=torch.uint8, device=device)
        self.actions = torch.zeros(shape, dtype=torch.int64, device=device)
        self.dones = torch.zeros(shape, dtype=torch.bool, device=device)
        self.level_seeds: NDArray[np.int64] = np.full(shape, -1, np.int64)
        self.last_values = torch.zeros(num_envs, device=device)
        self.log_probs = torch.zeros(shape, device=device)
        self.values = torch.zeros(shape, device=device)
        self.rewards = torch.zeros(shape, device=device)
        self.advantages = torch.zeros(shape, device=device)
        self.returns = torch.zeros(shape, device=device)
        memory = memory or {}
        self.begun = {name: torch.zeros_like(memory[name]) for name in carried}
        self.given = {
            name: torch.zeros(num_steps, *value.shape, dtype=value.dtype, device=device)
            for name, value in memory.items()
            if name not in carried
        }

    def normalized_advantages(self) -> Tensor:
        """Advantages less their mean over their std + 1e-5, over the whole rollout: (T, N)."""
        centered = self.advantages - self.advantages.mean()
        return centered / (self.advantages.std() + 1e-5)

    def samples(self) -> Minibatch:
        """Return all T*N steps as one minibatch of views; obs is channels_last."""
        return Minibatch(
            obs=self.obs.flatten(0, 1).permute(0, 3, 1, 2),
            actions=self.actions.flatten(),
            old_log_probs=self.log_probs.flatten(),
            old_values=self.values.flatten(),
            returns=self.returns.flatten(),
            advantages=self.normalized_advantages().flatten(),
        )

    def minibatches(
        self, number: int, generator: torch.Generator, of_envs: bool = False
    ) -> Iterator[Minibatch]:
        """Yield `number` minibatches: a random permutation of all steps, cut into equal parts.

        Args:
            number: must divide T*N; with `of_envs`, N.
            generator: on the CPU; decides the permutation.
            of_envs: permute the envs instead, each with its T steps: step by step, in the order of
                the permutation within a step (docs/fidelity.md, "minibatches of RL2"); of a
                recurrent network env by env, with its memory.

        Raises:
            ValueError: if the parts would not be equal.
        """
        samples = self.samples()
        for rows in self.partition(number, generator, of_envs):
            yield self._sequences(samples, rows) if self.begun else samples[rows]

    def _sequences(self, samples: Minibatch, rows: Tensor) -> Minibatch:
        """Return whole envs, one after the other, and what the network remembered of each."""
        steps = rows.view(len(self.actions), -1)
        envs = steps[0]
        memory = {name: value[envs] for name, value in self.begun.items()}
        memory |= {name: value[:, envs].transpose(0, 1) for name, value in self.given.items()}
        return replace(samples[steps.T.flatten()], memory=memory)

    def partition(
        self, number: int, generator: torch.Generator, of_envs: bool = False
    ) -> Iterator[Tensor]:
        """Yield the rows (B,) int64 of each of the `minibatches`: step t of env n is t*N + n."""
        num_steps, num_envs = self.actions.shape
        items, name = (num_envs, "envs") if of_envs else (self.actions.numel(), "samples")
        size, rest = divmod(items, number)
        if rest:
            raise ValueError(f"{items} {name} do not divide into {number} parts")
        # Pinned: what is copied from pageable memory makes the CPU wait for the GPU.
        pinned = self.obs.device.type == "cuda"
        order = torch.randperm(items, generator=generator, pin_memory=pinned)
        order = order.to(self.obs.device, non_blocking=True)
        starts = torch.arange(0, num_steps * num_envs, num_envs, device=order.device)[:, None]
        for rows in order.split(size):
            yield (starts + rows).flatten() if of_envs else rows
