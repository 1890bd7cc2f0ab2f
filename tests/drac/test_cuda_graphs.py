"""CUDA's path, on the CPU: the recorder is replaced, all that surrounds it is the real thing."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from graph_recorder import Recorder
from small_runs import same
from small_updates import learner_of, make_config, random_rollout
from torch import Tensor

import augmentations
from drac import cuda_graphs
from drac.arms.build import build_augmentations
from drac.cuda_graphs import WARMUP_CALLS, Captured, Replay, Tensors


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
    assert captured.reason == "operation not permitted when stream is capturing"
    assert not captured.holds


def test_the_first_error_is_told_and_nothing_else_is_recorded_from_then_on() -> None:
    """As `capture_end` raises over what broke the recording, and the process stays crooked."""
    calls: list[str] = []

    def fails(function: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
        calls.append("recorded")
        try:
            raise RuntimeError("what broke it")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    first, second = Captured(double, fails), Captured(double, fails)
    for captured in (first, second):
        for _ in range(WARMUP_CALLS + 2):
            captured({"x": torch.zeros(1)})
    assert calls == ["recorded"]
    assert first.reason == "what broke it"
    assert second.reason == "an earlier recording of this process failed"


def test_recording_is_outside_inference_mode_and_what_is_recorded_inside() -> None:
    """Before torch 2.11 the generator's state would be a tensor that only that mode may change."""
    outside: list[bool] = []
    inside: list[bool] = []

    def record(function: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
        outside.append(torch.is_inference_mode_enabled())
        return Recorder()(function)

    def look(inputs: Tensors) -> Tensors:
        inside.append(torch.is_inference_mode_enabled())
        return double(inputs)

    captured = Captured(look, record)
    with torch.inference_mode():
        for i in range(WARMUP_CALLS + 2):
            assert captured({"x": torch.tensor([float(i)])})["twice"].item() == 2 * i
    assert outside == [False]
    assert set(inside) == {True}


class FakeCuda:
    """Streams and recordings of `torch.cuda`, where there is none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current, self.made = "main", 0
        for name in ("Stream", "stream", "current_stream", "set_stream", "CUDAGraph", "graph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        cuda_graphs._side_stream.cache_clear()
        monkeypatch.setattr(cuda_graphs, "_broken", set())

    def Stream(self, device: object) -> Any:
        self.made += 1
        return SimpleNamespace(wait_stream=lambda other: None)

    def stream(self, stream: object) -> Any:
        return nullcontext()

    def current_stream(self) -> Any:
        return SimpleNamespace(name=self.current, wait_stream=lambda other: None)

    def set_stream(self, stream: Any) -> None:
        self.current = stream.name

    def CUDAGraph(self) -> Any:
        return SimpleNamespace(replay=lambda: None)

    @contextmanager
    def graph(self, graph: object) -> Iterator[None]:
        self.current = "of the recording"
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")


def test_after_a_recording_that_failed_the_stream_is_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda(monkeypatch)

    def broken(inputs: Tensors) -> Tensors:
        if cuda.current != "main":
            raise RuntimeError("what broke it")
        return double(inputs)

    captured = Captured(broken)
    for _ in range(WARMUP_CALLS + 2):
        captured({"x": torch.zeros(1)})
    assert captured.reason == "what broke it"
    assert cuda.current == "main"


def test_all_warm_up_calls_share_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would hold the activations' memory for itself."""
    cuda = FakeCuda(monkeypatch)
    image = SimpleNamespace(
        is_cuda=True, device="cuda:0", shape=(1,), dtype=torch.uint8, record_stream=lambda s: None
    )
    for _ in range(2):
        captured = Captured(dict)
        for _ in range(WARMUP_CALLS):
            captured({"x": image})  # type: ignore[dict-item]
    assert cuda.made == 1


def test_adam_does_not_warn_of_steps_before_the_recording() -> None:
    """torch's own check, with what it would find on CUDA."""
    learner = learner_of(make_config(method="ppo"))
    optimizer = learner.optimizer
    for group in optimizer.param_groups:
        group["capturable"] = True
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        cuda = SimpleNamespace(type="cuda", is_capturing=lambda: False)
        for name in ("current_accelerator", "current_stream"):
            patch.setattr(torch.accelerator, name, lambda **options: cuda)
        optimizer._accelerator_graph_capture_health_check()
        assert not told
        vars(optimizer)["_warned_capturable_if_run_uncaptured"] = False
        optimizer._accelerator_graph_capture_health_check()
    assert len(told) == 1


def test_nothing_is_collected_in_a_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that the garbage collector frees there would spoil it: seen on an H100."""
    graph = SimpleNamespace(replay=lambda: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda it: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    collects = []

    def function() -> dict[str, torch.Tensor]:
        collects.append(gc.isenabled())
        return {}

    def fails() -> dict[str, torch.Tensor]:
        function()
        raise RuntimeError("cannot be recorded")

    assert gc.isenabled()
    cuda_graphs.record_cuda_graph(function)
    assert gc.isenabled()
    with pytest.raises(RuntimeError, match="cannot be recorded"):
        cuda_graphs.record_cuda_graph(fails)
    assert gc.isenabled()
    assert collects == [False, False]


def test_forgetting_records_anew() -> None:
    record = Recorder()
    captured = Captured(double, record)
    for _ in range(WARMUP_CALLS + 1):
        captured({"x": torch.zeros(1)})
    captured.clear()
    for _ in range(WARMUP_CALLS + 1):
        captured({"x": torch.zeros(1)})
    assert record.recordings == 2


UPDATES = [
    ({"method": "ppo", "fidelity": "paper"}, 1, 36),
    ({"method": "drac-crop", "fidelity": "released"}, 1, 36),
    *(({"method": method}, 1, 36) for method in ("rand-fm", "ibac-sni", "mixreg")),
    ({"method": "drac-meta-coef-flip"}, 1, 36),
    ({"method": "daac", "idaac_value_epochs": 2}, 2, 36),
    ({"method": "idaac", "idaac_value_epochs": 2}, 3, 48),
    ({"method": "trpo"}, 1, 36),
    ({"method": "ppg", "phasic_updates": 2}, 2, 36),
    *(({"method": method, "phasic_updates": 2}, 2, 36) for method in ("dcpg", "ddcpg")),
]
"""Options, how many parts are recorded, and how many gradient steps three updates have."""
MORE = [
    ({"method": method, "fidelity": fidelity}, 1, 36)
    for method, fidelity in (
        ("ppo", "released"),
        ("drac-crop", "paper"),
        ("drac-flip", "paper"),
        ("drac-flip", "released"),
    )
]


@pytest.mark.parametrize(
    ("options", "parts", "steps"),
    [*UPDATES, *(pytest.param(*case, marks=pytest.mark.full) for case in MORE)],
    ids=["-".join(map(str, o.values())) for o, *_ in (*UPDATES, *MORE)],
)
def test_a_replayed_update_is_the_update(options: dict[str, Any], parts: int, steps: int) -> None:
    """Weights, figures and state after three updates, bit for bit."""
    record = Recorder()
    config = make_config(micro_batch=64, **options)
    (augmentation,) = build_augmentations(config).values()
    plain, captured = learner_of(config), learner_of(config, record=record)
    for seed in range(3):
        figures = [each.update(random_rollout(seed), augmentation) for each in (plain, captured)]
        assert figures[0] == figures[1]
    assert record.recordings == parts
    assert record.replays == steps - parts * WARMUP_CALLS
    assert same(plain.network.state_dict(), captured.network.state_dict())
    assert same(plain.state_dict(), captured.state_dict())


def test_another_augmentation_is_no_other_recording_but_a_restored_optimizer_is() -> None:
    """The arms' images are put into one; it writes to the optimizer's tensors, which are new."""
    record = Recorder()
    captured = learner_of(make_config(method="drac-flip", micro_batch=64), record=record)
    for name in ("flip", "crop", "random-conv"):
        captured.update(random_rollout(), augmentations.make(name))
    assert record.recordings == 1
    captured.load_state_dict(captured.state_dict())
    captured.update(random_rollout(), augmentations.make("flip"))
    assert record.recordings == 2
