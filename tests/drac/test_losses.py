"""The losses against per-sample loops in plain Python, and their special cases."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from drac import losses

SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def softmax(logits: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in logits)
    return [math.exp(x) / total for x in logits]


@given(SEEDS, SIZES)
def test_clipped_policy_loss(seed: int, size: int) -> None:
    log_prob, old, advantage = normal(seed, 3, size)
    total = 0.0
    for new, before, a in zip(log_prob.tolist(), old.tolist(), advantage.tolist(), strict=True):
        ratio = math.exp(new - before)
        total -= min(ratio * a, min(max(ratio, 0.8), 1.2) * a)
    loss = losses.clipped_policy_loss(log_prob, old, advantage, 0.2)
    assert loss.item() == pytest.approx(total / size)


@given(SEEDS, SIZES)
def test_clipped_value_loss(seed: int, size: int) -> None:
    value, old, target = normal(seed, 3, size)
    total = 0.0
    for v, before, r in zip(value.tolist(), old.tolist(), target.tolist(), strict=True):
        clipped = before + min(max(v - before, -0.2), 0.2)
        total += max((v - r) ** 2, (clipped - r) ** 2) / 2
    loss = losses.clipped_value_loss(value, old, target, 0.2)
    assert loss.item() == pytest.approx(total / size)


@given(SEEDS, SIZES)
def test_entropy(seed: int, size: int) -> None:
    logits = normal(seed, size, 4)
    rows = [softmax(row) for row in logits.tolist()]
    expected = -sum(p * math.log(p) for row in rows for p in row) / size
    assert losses.entropy(logits).item() == pytest.approx(expected)


@given(SEEDS, SIZES)
def test_policy_consistency_is_the_kl_divergence_from_the_clean_policy(
    seed: int, size: int
) -> None:
    augmented, clean = normal(seed, 2, size, 4)
    total = 0.0
    for row_aug, row in zip(augmented.tolist(), clean.tolist(), strict=True):
        pairs = zip(softmax(row), softmax(row_aug), strict=True)
        total += sum(p * math.log(p / q) for p, q in pairs)
    loss = losses.policy_consistency_loss(augmented, clean)
    assert loss.item() == pytest.approx(total / size)


def test_the_sampled_target_has_the_gradient_of_the_divergence_on_average() -> None:
    augmented, clean = normal(0, 2, 1, 3)
    augmented.requires_grad_()
    (exact,) = torch.autograd.grad(losses.policy_consistency_loss(augmented, clean), augmented)
    average = torch.zeros_like(exact)
    for action, probability in enumerate(clean.softmax(1)[0]):
        loss = losses.policy_consistency_loss(augmented, clean, torch.tensor([action]))
        average += probability * torch.autograd.grad(loss, augmented)[0]
    torch.testing.assert_close(average, exact)


@given(SEEDS, SIZES)
def test_value_consistency(seed: int, size: int) -> None:
    augmented, clean = normal(seed, 2, size)
    pairs = zip(augmented.tolist(), clean.tolist(), strict=True)
    expected = sum((v - w) ** 2 for v, w in pairs) / size
    assert losses.value_consistency_loss(augmented, clean).item() == pytest.approx(expected)
    half = losses.value_consistency_loss(augmented, clean, scale=0.5)
    assert half.item() == pytest.approx(expected / 2)


def test_targets_carry_no_gradient() -> None:
    augmented, clean = (x.requires_grad_() for x in normal(0, 2, 5, 3))
    losses.policy_consistency_loss(augmented, clean).backward()
    assert clean.grad is None
    assert augmented.grad is not None
    value_aug, value = (x.requires_grad_() for x in normal(0, 2, 5))
    losses.value_consistency_loss(value_aug, value).backward()
    assert value.grad is None
    assert value_aug.grad is not None


def test_equal_policies_have_no_divergence() -> None:
    logits = normal(0, 5, 3)
    assert losses.policy_consistency_loss(logits + 7.0, logits).item() == pytest.approx(
        0, abs=1e-12
    )


def test_extreme_logits_stay_finite() -> None:
    sure, unsure = torch.tensor([[1e4, -1e4]]), torch.tensor([[-1e4, 1e4]])
    assert losses.policy_consistency_loss(unsure, sure).isfinite()
    assert losses.entropy(sure).item() == 0


def test_an_unclipped_ratio_of_one_gives_the_policy_gradient() -> None:
    log_prob = torch.zeros(4, requires_grad=True)
    advantage = torch.tensor([1.0, -2.0, 3.0, 0.0])
    losses.clipped_policy_loss(log_prob, torch.zeros(4), advantage, 0.2).backward()
    assert log_prob.grad is not None
    torch.testing.assert_close(log_prob.grad, -advantage / 4)


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes must be equal"):
        losses.value_consistency_loss(torch.zeros(3), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="shapes must be equal"):
        losses.clipped_policy_loss(torch.zeros(3), torch.zeros(1), torch.zeros(3), 0.2)
