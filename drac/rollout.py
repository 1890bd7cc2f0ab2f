"""What the agent saw and did in one rollout, and the minibatches made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Minibatch:
    """B samples of a rollout.

    Shape:
        obs: (B, 3, H, W), uint8, or float in [0, 1].
        actions: (B,) int64.
        old_log_probs: (B,), log pi(a|s) when acting.
        old_values: (B,), V(s) when acting.
        returns: (B,), targets of the value.
        advantages: (B,), normalized over the whole rollout.
    """

    obs: Tensor
    actions: Tensor
    old_log_probs: Tensor
    old_values: Tensor
    returns: Tensor
    advantages: Tensor

    def __len__(self) -> int:
        return len(self.actions)

    def __getitem__(self, rows: slice | Tensor) -> Minibatch:
        """Return the samples of `rows`: a view for a slice, copies for indices."""
        return Minibatch(*(getattr(self, field.name)[rows] for field in fields(self)))


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
    """

    def __init__(
        self,
        num_steps: int,
        num_envs: int,
        obs_shape: tuple[int, ...] = (64, 64, 3),
        device: torch.device | str = "cpu",
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
                the permutation within a step (docs/fidelity.md, "minibatches of RL2").

        Raises:
            ValueError: if the parts would not be equal.
        """
        samples = self.samples()
        for rows in self.partition(number, generator, of_envs):
            yield samples[rows]

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
