"""Measuring where the time goes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from drac.config import TrainConfig
from drac.timing import PHASES, PhaseTimer, unmeasured
from drac.train import iterate
from drac.train.state import Training


def test_seconds_add_up_by_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 1.0, 3.0, 10.0, 14.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    waited: list[bool] = []
    watch = PhaseTimer(lambda: waited.append(True))
    for phase in ("act", "optimizer", "act"):
        with watch(phase):  # type: ignore[arg-type]
            pass
    assert (watch.seconds["act"], watch.seconds["optimizer"]) == (5.0, 2.0)
    assert len(waited) == 3
    assert sum(watch.seconds.values()) == 7.0


def test_inside_a_phase_others_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 4.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    watch = PhaseTimer()
    with watch("forward, backward"), watch("optimizer"):
        pass
    assert watch.seconds["forward, backward"] == 4.0
    assert watch.seconds["optimizer"] == 0.0


def test_a_phase_ends_where_its_work_fails() -> None:
    watch = PhaseTimer()
    with pytest.raises(ZeroDivisionError), watch("act"):
        _ = 1 / 0
    with watch("augment"):
        pass
    assert watch.seconds["augment"] > 0


def test_training_tells_every_phase_of_an_update() -> None:
    options: dict[str, Any] = {"num_envs": 4, "num_steps": 8, "minibatches": 2, "hidden_size": 16}
    config = TrainConfig(method="drac-crop", steps=32, device="cpu", **options)
    training = Training(config)
    assert training.phases is unmeasured
    watch = PhaseTimer()
    training.measure(watch)
    begun = time.perf_counter()
    next(iterate(training))
    whole = time.perf_counter() - begun
    spent = {phase for phase, seconds in watch.seconds.items() if seconds > 0}
    assert spent == {*PHASES} - {"evaluate", "checkpoint", "auxiliary phase"}
    assert sum(watch.seconds.values()) <= whole
    training.env.close()
