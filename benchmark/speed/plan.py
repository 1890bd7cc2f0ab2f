"""Which measurements answer a question, and in which order they are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from benchmark.speed import children
from benchmark.speed.records import Cell, Report, Task, Verdict, Workers, this_machine
from drac.config import TrainConfig

MICRO_BATCHES = (64, 128, 256)
ENV_GROUPS = (1, 2, 4)
"""What is tried by `calibrate`, on CPU and on CUDA."""

DISTURBED = 0.05
"""Cores that other processes may keep busy before a measurement counts as disturbed."""

Found = TypeVar("Found", Cell, Workers)


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        configs: one for each method and precision; nothing in them is "auto".
        whole: whether whole updates are timed on CPU too.
        attempts: how often a measurement that others disturb is made; the least disturbed counts.
        on_part: called with the name of each part of the work before it begins.
    """

    configs: tuple[TrainConfig, ...]
    whole: bool = False
    attempts: int = 1
    on_part: Callable[[str], None] = lambda name: None

    def cells(self, reference: bool) -> Report:
        """Measure every config, one after the other.

        Args:
            reference: whether each method is measured with the plain engine too.
        """
        tasks: list[Task] = []
        last = {config.method: config for config in self.configs}
        plain = {"precision": "float32", "env_groups": 1, "cuda_graphs": False}
        for config in self.configs:
            tasks.append(self._task(config, evaluate=True))
            if reference and config is last[config.method]:
                tasks.append(self._task(config, plain, engine="reference"))
        found = [self._attempts(partial(self._alone, task)) for task in tasks]
        cells = [
            least_disturbed(cells).model_copy(
                update={"attempts": tuple(cell.steps_per_s for cell in cells)}
            )
            for cells in found
        ]
        return self._report(cells=cells)

    def workers(self, number: int) -> Report:
        """Measure one run alone, `number` side by side, and one with the threads of all."""

        def row(config: TrainConfig) -> Workers:
            task = self._task(config)
            wide = self._task(config, {"threads": int(config.threads) * number})
            return Workers(
                alone=self._alone(task),
                together=tuple(self._measure([task] * number)),
                one=self._alone(wide),
            )

        rows = [least_disturbed(self._attempts(partial(row, config))) for config in self.configs]
        return self._report(workers=rows)

    def calibration(self, most_threads: int) -> Report:
        """Measure, shortly, what the config may choose: on CPU micro-batches and threads."""
        cells: list[Cell] = []
        for config in self.configs:
            for choice in choices(config, most_threads):
                task = self._task(config, choice)
                if config.device == "cpu":
                    task = task.model_copy(update={"how": "quick"})
                said = "".join(f", {name} {value}" for name, value in choice.items())
                cells += self._measure([task], said)
        return self._report(cells=cells)

    def _report(self, **measured: Any) -> Report:
        names = ("game", "num_envs", "num_steps", "micro_batch", "env_groups", "threads")
        config = self.configs[0]
        settings = {name: getattr(config, name) for name in (*names, "eval_episodes")}
        return Report(
            machine=this_machine(config.device, cores=len(os.sched_getaffinity(0))),
            settings={**settings, "whole_updates": self._task(config).how == "whole"},
            **measured,
        )

    def _task(self, config: TrainConfig, changed: dict[str, Any] | None = None, **how: Any) -> Task:
        whole = self.whole or config.device == "cuda"
        changed_config = config.model_copy(update=changed)
        return Task(config=changed_config, how="whole" if whole else "epoch", **how)

    def _attempts(self, measured: Callable[[], Found]) -> list[Found]:
        """Measure until others do not disturb it, or there are enough attempts."""
        found = [measured()]
        while len(found) < self.attempts and found[-1].others_cores > DISTURBED:
            found.append(measured())
        return found

    def _alone(self, task: Task) -> Cell:
        (cell,) = self._measure([task])
        return cell

    def _measure(self, tasks: list[Task], said: str = "") -> list[Cell]:
        beside = f", {len(tasks)} side by side" if len(tasks) > 1 else ""

        def on_part(name: str) -> None:
            self.on_part(f"{name}{beside}{said}")

        cells = [Cell(**found) for found in children.run(tasks, on_part)]
        on_part(f"{tasks[0].name}: {sum(cell.steps_per_s for cell in cells):,.0f} steps/s")
        return cells


def least_disturbed(attempts: Sequence[Found]) -> Found:
    """Return the attempt beside which other processes did least."""
    return min(attempts, key=attrgetter("others_cores"))


def choices(config: TrainConfig, most_threads: int) -> Iterator[dict[str, int]]:
    """Yield what may be chosen for a config's device: the values of some of its fields."""
    if config.device == "cuda":
        yield from ({"env_groups": n} for n in ENV_GROUPS if config.num_envs % n == 0)
        return
    for threads in sorted({1, most_threads}):
        for micro_batch in MICRO_BATCHES:
            yield {"threads": threads, "micro_batch": micro_batch}


def verdicts(config: TrainConfig, on_part: Callable[[str], None]) -> list[Verdict]:
    """Compare the engine of a config's device with the plain one."""
    (found,) = children.run([Task(config=config, how="parity")], on_part)
    return [Verdict(**verdict) for verdict in found]


def recommendation(report: Report) -> str:
    """Say which flags gave the most steps per second."""
    best = max(report.cells, key=lambda cell: cell.steps_per_s)
    lines = [f"fastest here: drac train {_flags(best)}"]
    exact = [cell for cell in report.cells if cell.precision == "float32"]
    if best.precision != "float32" and exact:
        fastest = max(exact, key=lambda cell: cell.steps_per_s)
        lines.append(f"in float32:   drac train {_flags(fastest)}")
    if best.device == "cpu":
        cores = report.machine.cores
        lines.append(
            f"runs side by side: drac-bench speed --workers {cores} --threads 1 measures those"
        )
    return "\n".join(lines)


def _flags(cell: Cell) -> str:
    words = f"--device {cell.device} --precision {cell.precision}"
    if cell.device == "cpu":
        return f"{words} --threads {cell.threads} --micro-batch {cell.micro_batch}"
    return f"{words} --env-groups {cell.env_groups}"
