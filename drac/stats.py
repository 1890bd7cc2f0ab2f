"""The figures of one update. Imports no torch, so that tables can share the names."""

from __future__ import annotations

import math
from dataclasses import dataclass


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

    def not_finite(self) -> str:
        """Say which loss, or the gradient, is NaN or infinite; "" if none is.

        `approx_kl` and `clip_fraction` are only watched: nothing is learned from them.
        """
        learned = (name for name in vars(self) if name not in ("approx_kl", "clip_fraction"))
        bad = [name for name in learned if not math.isfinite(getattr(self, name))]
        if not bad:
            return ""
        return f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} NaN or infinite"


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
        skipped_steps: gradient steps so far that were not finite and left out, `--on-nan skip`.
        train_episodes: of how many episodes `train_return` is the mean.
        explained_variance: share of the returns' variance that the values explain, at most 1.
        envs_ended: share of the training envs that have ended an episode since the run began. As
            long as it is below 1, `train_return` is of the short episodes, which end first.
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
    skipped_steps: int = 0
    train_episodes: int = 0
    envs_ended: float = 1.0
    explained_variance: float = math.nan


def early_text(envs_ended: float, num_envs: int) -> str:
    """Say which envs a training return is of, " (12 of 64 envs)"; "" if of all, or if not known.

    Args:
        envs_ended: see `Report`; NaN where it is not known.
        num_envs: how many there are.
    """
    return f" ({envs_ended * num_envs:.0f} of {num_envs} envs)" if envs_ended < 1 else ""
