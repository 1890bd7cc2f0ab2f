"""Pairs of one episode: spans against a slow loop, and what is drawn."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from drac.learner.episode_pairs import EpisodeSpans

GRIDS = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=9
    )
)


def episodes(dones: Tensor) -> list[list[int]]:
    """The rows of each episode within the rollout, by walking through each env."""
    num_steps, num_envs = dones.shape
    found = []
    for env in range(num_envs):
        current: list[int] = []
        for time in range(num_steps):
            current.append(time * num_envs + env)
            if dones[time, env] or time == num_steps - 1:
                found.append(current)
                current = []
    return found


@given(GRIDS)
def test_the_spans_are_those_of_a_slow_loop(grid: list[list[bool]]) -> None:
    dones = torch.tensor(grid)
    num_envs = dones.shape[1]
    spans = EpisodeSpans(dones)
    for rows in episodes(dones):
        for row in rows:
            time, env = divmod(row, num_envs)
            assert spans.first[time, env] * num_envs + env == rows[0]
            assert spans.last[time, env] * num_envs + env == rows[-1]


@given(GRIDS, st.integers(0, 99))
def test_a_partner_is_another_step_of_the_episode(grid: list[list[bool]], seed: int) -> None:
    dones = torch.tensor(grid)
    everyone = torch.randperm(dones.numel(), generator=torch.Generator().manual_seed(seed))
    pairs = EpisodeSpans(dones).partners(everyone, torch.Generator().manual_seed(seed))
    of = {row: rows for rows in episodes(dones) for row in rows}
    for row, other, first, paired in zip(
        everyone.tolist(),
        pairs.rows.tolist(),
        pairs.other_first.tolist(),
        pairs.paired.tolist(),
        strict=True,
    ):
        assert paired == (len(of[row]) > 1)
        assert other in of[row]
        assert (other == row) == (not paired)
        assert first == (other < row)


def test_all_partners_are_equally_likely() -> None:
    dones = torch.zeros(6, 2, dtype=torch.bool)
    dones[4, 0] = True
    rows = torch.full((8000,), 2 * 2 + 0)  # step 2 of env 0, whose episode has the steps 0 to 4
    pairs = EpisodeSpans(dones).partners(rows, torch.Generator().manual_seed(0))
    counts = torch.bincount(pairs.rows, minlength=12)
    assert {i for i, count in enumerate(counts.tolist()) if count} == {0, 2, 6, 8}
    shares = counts[[0, 2, 6, 8]] / 8000
    torch.testing.assert_close(shares, torch.full((4,), 0.25), rtol=0, atol=0.02)
    assert pairs.other_first.sum() == counts[0] + counts[2]


def test_the_generator_decides() -> None:
    spans, rows = EpisodeSpans(torch.zeros(50, 2, dtype=torch.bool)), torch.arange(100)
    drawn = [spans.partners(rows, torch.Generator().manual_seed(s)).rows for s in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
