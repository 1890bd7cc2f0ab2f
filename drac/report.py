"""The figures of one update. Imports no torch, so that tables can share the names."""

from __future__ import annotations

import math
from dataclasses import dataclass


class NonFinite(ArithmeticError):
    """What a run computed is NaN or infinite. The message is one sentence, fit for the terminal."""


@dataclass(frozen=True)
class UpdateStats:
    """Losses of one gradient step, or their means over an update's steps.

    `aug_policy_loss` and `aug_value_loss` are 0 without augmentation; objectives with other terms
    beside PPO's say which they put there (`drac.objectives.daac`). `approx_kl` estimates
    KL(pi_old || pi) in nats, `clip_fraction` is the share of ratios outside the clip range, and
    `grad_norm` the norm before clipping. `extra_loss` is a term that only the run's method has,
    before its weight, and 0 where there is none: see docs/methods.md.
    """

    policy_loss: float
    value_loss: float
    entropy: float
    aug_policy_loss: float
    aug_value_loss: float
    approx_kl: float
    clip_fraction: float
    grad_norm: float
    extra_loss: float = 0.0

    def check_finite(self, where: str) -> None:
        """Raise NonFinite, naming `where`, if a loss or the gradient is NaN or infinite.

        `approx_kl` and `clip_fraction` are only watched: nothing is learned from them.
        """
        learned = (name for name in vars(self) if name not in ("approx_kl", "clip_fraction"))
        bad = [name for name in learned if not math.isfinite(getattr(self, name))]
        if bad:
            are = "is" if len(bad) == 1 else "are"
            raise NonFinite(f"{', '.join(bad)} {are} NaN or infinite {where}")


@dataclass(frozen=True)
class ArmStats:
    """An arm at one update: how often it was selected, its mean, and the score it ran with."""

    arm: str
    count: int
    mean: float
    score: float


@dataclass(frozen=True)
class Report:
    """What one update did.

    Attributes:
        step: environment steps so far.
        update: number of updates so far, from 1.
        arm: the augmentation of this update; "none" for PPO.
        arms: every arm, with the scores among which `arm` was selected.
        bandit_reward: mean of the rollout's returns, credited to the arm of the update before.
        train_return: mean raw return of the last 100 training episodes; None before the first.
        train_length: mean length of these episodes, in steps.
        episodes: training episodes finished so far.
        stats: the losses.
    """

    step: int
    update: int
    arm: str
    arms: tuple[ArmStats, ...]
    bandit_reward: float
    train_return: float | None
    train_length: float | None
    episodes: int
    stats: UpdateStats
