"""What a learner takes from a rollout: minibatches of steps or of whole envs, and advantages."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_updates import learner_of, make_config, random_rollout

from drac.config import build
from drac.errors import ConfigError
from drac.rollout import Minibatch, Rollout


def rows_of(minibatches: Iterator[Minibatch]) -> list[int]:
    return [int(action) for minibatch in minibatches for action in minibatch.actions]


def test_minibatches_are_a_partition_of_the_rollout() -> None:
    rollout = Rollout(4, 6, (2, 2, 3))
    rollout.actions.copy_(torch.arange(24).reshape(4, 6))
    rollout.obs[:, :, 0, 0, 0] = torch.arange(24).reshape(4, 6)
    generator = torch.Generator().manual_seed(0)
    batches = list(rollout.minibatches(3, generator))
    assert [len(batch) for batch in batches] == [8, 8, 8]
    assert sorted(rows_of(iter(batches))) == list(range(24))
    assert rows_of(iter(batches)) != list(range(24))
    assert rows_of(rollout.minibatches(3, generator)) != rows_of(iter(batches))
    for batch in batches:
        assert torch.equal(batch.obs[:, 0, 0, 0].long(), batch.actions)
    with pytest.raises(ValueError, match="24 samples do not divide into 5 parts"):
        list(rollout.minibatches(5, generator))


def test_the_order_goes_to_a_gpu_through_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """From pageable memory the copy would make the CPU wait for the GPU, every epoch."""
    rollout, told = Rollout(2, 4), []

    class Order:
        def to(self, device: Any, **options: Any) -> torch.Tensor:
            told.append((device.type, options))
            return torch.arange(8)

    def randperm(number: int, generator: torch.Generator, pin_memory: bool) -> Order:
        told.append(pin_memory)
        return Order()

    monkeypatch.setattr(torch, "randperm", randperm)
    rollout.obs = SimpleNamespace(device=SimpleNamespace(type="cuda"))  # type: ignore[assignment]
    assert len(list(rollout.partition(2, torch.Generator()))) == 2
    assert told == [True, ("cuda", {"non_blocking": True})]


def test_advantages_are_normalized_over_the_whole_rollout() -> None:
    rollout = random_rollout()
    advantages = rollout.samples().advantages
    raw = rollout.advantages.flatten()
    expected = (raw - raw.mean()) / (raw.std() + 1e-5)
    torch.testing.assert_close(advantages, expected)


def test_minibatches_of_envs_hold_whole_envs() -> None:
    """By the definition: every minibatch all T steps of N / number envs; each env in one."""
    rollout = Rollout(5, 6, (2, 2, 3))
    rollout.actions.copy_(torch.arange(30).reshape(5, 6))  # step t of env n is 6 t + n
    generator = torch.Generator().manual_seed(0)
    seen: list[int] = []
    for minibatch in rollout.minibatches(3, generator, of_envs=True):
        envs = {int(action) % 6 for action in minibatch.actions}
        assert len(envs) == 2
        assert {int(a) for a in minibatch.actions} == {6 * t + n for t in range(5) for n in envs}
        assert len(minibatch) == 10
        seen += envs
    assert sorted(seen) == list(range(6))
    again = [
        sorted({int(a) % 6 for a in m.actions}) for m in rollout.minibatches(3, generator, True)
    ]
    assert again != [sorted(seen[i : i + 2]) for i in (0, 2, 4)]
    with pytest.raises(ValueError, match="6 envs do not divide into 4 parts"):
        list(rollout.minibatches(4, generator, of_envs=True))


def test_only_a_method_with_the_option_takes_whole_envs(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    minibatches = Rollout.minibatches

    def spy(rollout: Rollout, number: int, generator: torch.Generator, of_envs: bool) -> Any:
        taken.append(of_envs)
        return minibatches(rollout, number, generator, of_envs)

    monkeypatch.setattr(Rollout, "minibatches", spy)
    cases = (("rl2-drac", "released"), ("rl2-drac", "paper"), ("ppo", "released"))
    for method, fidelity in cases:
        config = make_config(method=method, fidelity=fidelity, epochs=1)
        learner_of(config).update(random_rollout(), None)
    assert taken == [True, False, False]


def test_envs_that_do_not_divide_are_refused_where_it_matters() -> None:
    options = {"num_envs": 4, "num_steps": 16, "steps": 640, "fidelity": "released"}
    build({"method": "ppo", **options})
    build({"method": "rl2-drac", "minibatch_by": "steps", **options})
    with pytest.raises(ConfigError, match="num_envs 4 is not divisible by minibatches 8.*envs"):
        build({"method": "rl2-drac", **options})
