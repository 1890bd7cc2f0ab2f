"""Drawing actions: torch's own bits, the right frequencies, and rows that stand for themselves."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from drac.networks.sampling import draw_noise, pick_actions, sample_actions


@pytest.mark.parametrize("rows", [1, 7, 64, 2048])
def test_a_draw_is_multinomials(rows: int) -> None:
    """The same bits, and the generator is left in the same state."""
    one, other = (torch.Generator().manual_seed(3) for _ in range(2))
    for seed in range(5):
        logits = 3 * torch.randn(rows, 15, generator=torch.Generator().manual_seed(seed))
        expected = torch.multinomial(logits.softmax(1), 1, generator=one).squeeze(1)
        assert torch.equal(sample_actions(logits, other), expected)
    assert torch.equal(one.get_state(), other.get_state())


def test_actions_come_as_often_as_the_policy_says() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    actions = sample_actions(logits.expand(20_000, 4), generator)
    counts = torch.bincount(actions, minlength=4).numpy()
    assert stats.chisquare(counts, 20_000 * logits.softmax(0).numpy()).pvalue > 0.001


def test_an_impossible_action_is_never_picked() -> None:
    logits = torch.tensor([0.0, -torch.inf, 0.0]).expand(5_000, 3)
    actions = sample_actions(logits, torch.Generator().manual_seed(0))
    assert set(actions.tolist()) == {0, 2}


def test_rows_may_be_cut_as_one_likes() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 15, generator=generator)
    noise = draw_noise(64, 15, generator)
    parts = [pick_actions(logits[i : i + 16], noise[i : i + 16]) for i in range(0, 64, 16)]
    assert torch.equal(torch.cat(parts), pick_actions(logits, noise))
