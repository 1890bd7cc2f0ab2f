"""Pairs of observations of one episode, for classifiers of their order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """A partner for each of B steps.

    Shape:
        rows: (B,) int64; the partner's row. A step alone in its episode is its own partner.
        other_first: (B,) int64; 1 where the partner came first, else 0.
        paired: (B,) float32; 0 where a step is alone in its episode, else 1.
    """

    rows: Tensor
    other_first: Tensor
    paired: Tensor


class EpisodeSpans:
    """The first and last step, within a rollout, of the episode that each step belongs to.

    An episode that began before the rollout, or goes on after it, is cut at the rollout's ends.

    Args:
        dones: (T, N) bool; whether the episode ended with step t.

    Shape:
        first, last: (T, N) int64, in 0..T-1.
    """

    def __init__(self, dones: Tensor) -> None:
        num_steps = len(dones)
        time = torch.arange(num_steps, device=dones.device)[:, None].expand_as(dones)
        begins, ends = torch.ones_like(dones), dones.clone()
        begins[1:], ends[-1] = dones[:-1], True
        self.first = torch.where(begins, time, 0).cummax(0).values
        backwards = torch.where(ends, time, num_steps).flip(0)
        self.last = backwards.cummin(0).values.flip(0)

    def partners(self, rows: Tensor, generator: torch.Generator) -> Pairs:
        """Draw for each step another one of its episode, all equally likely.

        Args:
            rows: (B,) int64; step t of env n is t*N + n.
            generator: on the spans' device.
        """
        num_envs = self.first.shape[1]
        time, env = rows.div(num_envs, rounding_mode="floor"), rows % num_envs
        first, last = self.first.flatten()[rows], self.last.flatten()[rows]
        uniform = torch.rand(len(rows), generator=generator, device=rows.device)
        others = last - first  # how many there are to choose from
        # Rounding must not reach the upper end.
        choice = (uniform * others).long().minimum((others - 1).clamp(min=0))
        other = first + choice
        other = torch.where(others > 0, other + (other >= time), time)
        return Pairs(other * num_envs + env, (other < time).long(), (others > 0).float())
