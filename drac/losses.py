"""Pure loss functions: tensors in, a scalar out.

Each is a mean over the batch. Targets never carry a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def _check(**tensors: Tensor) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"shapes must be equal, not {shapes}")


def clipped_policy_loss(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float
) -> Tensor:
    """PPO's surrogate, to be minimized (Schulman et al. 2017, equation 7).

        -mean(min(r A, clamp(r, 1 - clip, 1 + clip) A)),  r = exp(log_prob - old_log_prob)

    Args:
        log_prob: (B,), log pi(a|s) of the current policy.
        old_log_prob: (B,), of the policy that acted.
        advantage: (B,).
        clip: epsilon.
    """
    _check(log_prob=log_prob, old_log_prob=old_log_prob, advantage=advantage)
    ratio = torch.exp(log_prob - old_log_prob)
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()


def policy_gradient_loss(log_prob: Tensor, weight: Tensor) -> Tensor:
    """The loss whose gradient is the policy gradient's estimate (Williams 1992).

        -mean(log_prob * weight)

    Args:
        log_prob: (B,), log pi(a|s) of the current policy.
        weight: (B,), of each action: a return, or an advantage.
    """
    _check(log_prob=log_prob, weight=weight)
    return -(log_prob * weight.detach()).mean()


def value_loss(value: Tensor, target: Tensor) -> Tensor:
    """Half the squared error of the value, 1/2 mean((V - R)^2).

    Args:
        value: (B,), V(s) now.
        target: (B,), the return R.
    """
    _check(value=value, target=target)
    return 0.5 * ((value - target) ** 2).mean()


def clipped_value_loss(value: Tensor, old_value: Tensor, target: Tensor, clip: float) -> Tensor:
    """Squared error of the value, its step from the old value clipped as in OpenAI baselines.

        1/2 mean(max((V - R)^2, (V_old + clamp(V - V_old, -clip, clip) - R)^2))

    Args:
        value: (B,), V(s) now.
        old_value: (B,), V(s) when acting.
        target: (B,), the return R.
        clip: bound of the step.
    """
    _check(value=value, old_value=old_value, target=target)
    clipped = old_value + (value - old_value).clamp(-clip, clip)
    return 0.5 * torch.maximum((value - target) ** 2, (clipped - target) ** 2).mean()


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy, in nats, of categorical policies with `logits` (B, A)."""
    log_probs = F.log_softmax(logits, dim=1)
    return -(log_probs.exp() * log_probs).sum(dim=1).mean()


def policy_consistency_loss(
    logits_aug: Tensor, logits: Tensor, actions: Tensor | None = None
) -> Tensor:
    """DrAC's policy term G_pi (Raileanu et al. 2021, equation 3).

        mean(KL(pi(.|s) || pi(.|f(s))))

    With `actions`, sampled from pi(.|s): -mean(log pi(a|f(s))), the released code's one-sample
    estimate of the cross-entropy, which has the same gradient on average.

    Args:
        logits_aug: (B, A), of the augmented observations f(s).
        logits: (B, A), of the clean observations; a constant target.
        actions: (B,) int64, or None for the exact divergence.
    """
    _check(logits_aug=logits_aug, logits=logits)
    log_probs_aug = F.log_softmax(logits_aug, dim=1)
    if actions is not None:
        return F.nll_loss(log_probs_aug, actions)
    log_probs = F.log_softmax(logits.detach(), dim=1)
    return (log_probs.exp() * (log_probs - log_probs_aug)).sum(dim=1).mean()


def value_consistency_loss(value_aug: Tensor, value: Tensor, scale: float = 1.0) -> Tensor:
    """DrAC's value term G_V (Raileanu et al. 2021, equation 4).

        scale * mean((V(s) - V(f(s)))^2)

    Args:
        value_aug: (B,), of the augmented observations.
        value: (B,), of the clean observations; a constant target.
        scale: 1 in the paper, 1/2 in the released code.
    """
    _check(value_aug=value_aug, value=value)
    return scale * ((value.detach() - value_aug) ** 2).mean()
