"""CUDA's path, on the CPU: the recorder is replaced, all that surrounds it is the real thing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pkgutil import resolve_name

import pytest
import torch
from torch import Tensor

import augmentations
from drac import methods
from drac.config import TrainConfig
from drac.learner import Learner
from drac.learner.cuda_graphs import WARMUP_CALLS, Captured, Replay, Tensors
from drac.networks import ActorCritic
from drac.objectives.objective import make as make_objective
from drac.rollout import Rollout


class Recorder:
    """As a CUDA graph: recording runs nothing that lasts, a replay fills the same tensors anew."""

    def __init__(self) -> None:
        self.recordings = self.replays = 0

    def __call__(self, function: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
        self.recordings += 1
        outputs: Tensors = {}

        def replay() -> None:
            self.replays += 1
            for name, value in function().items():
                outputs.setdefault(name, torch.empty_like(value)).copy_(value)

        return outputs, replay


def double(inputs: Tensors) -> Tensors:
    return {"twice": inputs["x"] * 2}


def test_each_set_of_shapes_is_recorded_once_after_warming_up() -> None:
    record = Recorder()
    captured = Captured(double, record)
    for call in range(6):
        for size in (2, 3):
            x = torch.full((size,), float(call))
            assert torch.equal(captured({"x": x})["twice"], 2 * x)
        expected = 2 if call >= WARMUP_CALLS else 0
        assert record.recordings == expected
    assert record.replays == 2 * (6 - WARMUP_CALLS)


def test_a_result_is_not_overwritten_by_the_next_call() -> None:
    captured = Captured(double, Recorder())
    results = [captured({"x": torch.full((1,), float(i))})["twice"] for i in range(7)]
    assert torch.cat(results).tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_inputs_are_copied_and_never_changed() -> None:
    seen: list[Tensor] = []

    def add_one(inputs: Tensors) -> Tensors:
        seen.append(inputs["x"])
        return {"y": inputs["x"] + 1}

    captured = Captured(add_one, Recorder())
    given = [torch.full((2,), float(i)) for i in range(6)]
    for i, x in enumerate(given):
        captured({"x": x})
        assert torch.equal(x, torch.full((2,), float(i)))
    replayed = seen[WARMUP_CALLS:]
    assert all(x is replayed[0] for x in replayed)  # one fixed tensor, filled anew
    assert all(replayed[0] is not x for x in given)


def test_what_cannot_be_recorded_runs_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    def fails(function: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    captured = Captured(double, fails)
    with caplog.at_level(logging.WARNING):
        for i in range(6):
            assert captured({"x": torch.tensor([float(i)])})["twice"].item() == 2 * i
    (record,) = caplog.records
    assert record.getMessage().endswith("operation not permitted when stream is capturing")
    assert captured.failed


def test_forgetting_records_anew() -> None:
    record = Recorder()
    captured = Captured(double, record)
    for _ in range(WARMUP_CALLS + 1):
        captured({"x": torch.zeros(1)})
    captured.clear()
    for _ in range(WARMUP_CALLS + 1):
        captured({"x": torch.zeros(1)})
    assert record.recordings == 2


def filled_rollout(seed: int = 0) -> Rollout:
    generator = torch.Generator().manual_seed(seed)
    rollout = Rollout(8, 8, (16, 16, 3))
    rollout.obs.random_(256, generator=generator)
    rollout.actions.random_(5, generator=generator)
    for tensor in (rollout.values, rollout.rewards, rollout.advantages, rollout.returns):
        tensor.normal_(generator=generator)
    rollout.log_probs.normal_(-1.6, 0.1, generator=generator)
    return rollout


def learner(record: Recorder | None, **options: object) -> Learner:
    config = TrainConfig.model_validate(
        {"method": "drac-flip", "num_envs": 8, "num_steps": 8, "minibatches": 4, **options}
        | {"device": "cpu", "precision": "float32", "steps": 64, "micro_batch": 64}
    )
    network = ActorCritic(5, (3, 16, 16), 16, generator=torch.Generator().manual_seed(1))
    return Learner(network, config, record=record)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
@pytest.mark.parametrize("name", [None, "flip", "crop"])
def test_a_replayed_update_is_the_update(name: str | None, fidelity: str) -> None:
    """Weights, figures and generators after three updates, bit for bit."""
    record = Recorder()
    augmentation = augmentations.make(name) if name else None
    plain, captured = learner(None, fidelity=fidelity), learner(record, fidelity=fidelity)
    for seed in range(3):
        figures = [each.update(filled_rollout(seed), augmentation) for each in (plain, captured)]
        assert figures[0] == figures[1]
    assert record.recordings == 1
    assert record.replays == 3 * 3 * 4 - WARMUP_CALLS
    for one, other in zip(plain.network.parameters(), captured.network.parameters(), strict=True):
        assert torch.equal(one, other)
    for key in ("augmentation", "targets", "minibatches"):
        assert torch.equal(plain.state_dict()[key], captured.state_dict()[key])


@pytest.mark.parametrize("method", ["rand-fm", "ibac-sni", "mixreg"])
def test_a_replayed_update_of_another_loss_is_the_update(method: str) -> None:
    """Also what the method changes between updates, and draws, reaches the recording."""
    made = []
    for record in (None, Recorder()):
        own = learner(None, method=method)
        kind, objective = methods.get(method), make_objective(own.config)
        generator = torch.Generator().manual_seed(1)
        network = resolve_name(kind.network)(own.config, 5, (3, 16, 16), generator)
        made.append(
            resolve_name(kind.learner)(network, own.config, objective=objective, record=record)
        )
    plain, captured = made
    for seed in range(3):
        figures = [each.update(filled_rollout(seed), None) for each in (plain, captured)]
        assert figures[0] == figures[1]
    assert captured.captured._recordings
    state, other = plain.network.state_dict(), captured.network.state_dict()
    assert all(torch.equal(state[name], other[name]) for name in state)


def test_another_augmentation_is_no_other_recording() -> None:
    """The bandit's arms share one: their images are put into it."""
    record = Recorder()
    captured = learner(record)
    for name in ("flip", "crop", "random-conv"):
        captured.update(filled_rollout(), augmentations.make(name))
    assert record.recordings == 1


def test_a_restored_optimizer_is_recorded_anew() -> None:
    """The recording writes to the optimizer's tensors, which loading replaces."""
    record = Recorder()
    captured = learner(record)
    captured.update(filled_rollout(), augmentations.make("flip"))
    captured.load_state_dict(captured.state_dict())
    captured.update(filled_rollout(), augmentations.make("flip"))
    assert record.recordings == 2
