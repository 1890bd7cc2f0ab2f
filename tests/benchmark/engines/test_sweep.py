"""Retries, on an engine that does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.engines import sweep
from benchmark.engines.engine import Engine, Job
from benchmark.engines.sweep import Outcome, State, Sweep, log_end


class Scripted(Engine):
    """Ends every job at the next look, with the status that a function says of its attempt."""

    where = "nowhere"

    def __init__(self, says: Callable[[str, int], int]) -> None:
        self.says, self.waiting, self.begun = says, [], list[str]()

    def submit(self, job: Job) -> None:
        self.waiting.append(job)

    def poll(self) -> dict[str, int]:
        ended = {}
        for job in self.waiting:
            self.begun.append(job.id)
            ended[job.id] = self.says(job.id, self.begun.count(job.id))
        self.waiting.clear()
        return ended

    def cancel(self) -> None:
        self.waiting.clear()

    @property
    def running(self) -> list[Job]:
        return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(sweep.time, "monotonic", lambda: now[0])
    return now


def judge(job: Job, status: int) -> Outcome:
    states = {0: State.COMPLETE, 75: State.STOPPED}
    return Outcome(states.get(status, State.FAILED), str(status))


def swept(root: Path, count: int, says: Callable[[str, int], int], retries: int) -> Sweep:
    jobs = [Job(str(k), (), root / str(k)) for k in range(count)]
    return Sweep(Scripted(says), jobs, judge, retries)


def finish(one: Sweep, clock: list[float]) -> list[float | None]:
    """Look once a second; how long each ended job had to wait."""
    waits = []
    while not one.is_over:
        waits += [ended.again_in for ended in one.poll()]
        clock[0] += 1
    return waits


def test_a_failure_is_tried_again_after_longer_and_longer(
    tmp_path: Path, clock: list[float]
) -> None:
    one = swept(tmp_path, 1, lambda run, attempt: 1, retries=8)
    waits = finish(one, clock)
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, None]
    assert clock[0] == pytest.approx(sum(waits[:-1]), abs=10)
    assert [ended.job.id for ended in one.having(State.FAILED)] == ["0"]


def test_nothing_else_waits_for_it_and_nothing_is_lost(tmp_path: Path, clock: list[float]) -> None:
    one = swept(
        tmp_path, 1000, lambda run, attempt: (0, 1, -9)[(int(run) + attempt) % 3], retries=2
    )
    assert len(one.poll()) == 1000
    finish(one, clock)
    assert len(one.having(State.COMPLETE)) == len(one.over) == 1000
    engine = one.engine
    assert isinstance(engine, Scripted)
    assert len(engine.begun) == 334 * 3 + 333 * 2 + 333


@pytest.mark.parametrize("status", [2, 3])
def test_what_stays_bad_is_not_tried_again(tmp_path: Path, clock: list[float], status: int) -> None:
    one = swept(tmp_path, 1, lambda run, attempt: status, retries=8)
    assert finish(one, clock) == [None]
    assert len(one.having(State.FAILED)) == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_the_limit(tmp_path: Path, clock: list[float], retries: int) -> None:
    one = swept(tmp_path, 1, lambda run, attempt: -9 if attempt < 3 else 0, retries)
    finish(one, clock)
    assert len(one.having(State.COMPLETE if retries == 2 else State.FAILED)) == 1


def test_a_run_that_gets_further_has_its_retries_anew(tmp_path: Path, clock: list[float]) -> None:
    def says(run: str, attempt: int) -> int:
        (tmp_path / run).mkdir(exist_ok=True)
        meta = {"format": 1, "steps": min(attempt, 5)}
        (tmp_path / run / "meta.json").write_text(json.dumps(meta))
        return 1

    waits = finish(swept(tmp_path, 1, says, retries=2), clock)
    assert waits == [10, 10, 10, 10, 10, 20, None]


def test_what_was_stopped_is_not_tried_again(tmp_path: Path, clock: list[float]) -> None:
    one = swept(tmp_path, 2, lambda run, attempt: 75 if run == "0" else 0, retries=2)
    assert finish(one, clock) == [None, None]
    assert [ended.job.id for ended in one.having(State.STOPPED)] == ["0"]


def test_the_end_of_a_log(tmp_path: Path) -> None:
    job = Job("x", (), tmp_path)
    assert log_end(job) == []
    (tmp_path / "train.log").write_text("".join(f"line {k}\n\n" for k in range(9000)))
    assert log_end(job) == [f"line {k}" for k in range(8992, 9000)]
