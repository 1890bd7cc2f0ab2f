"""Which measurements answer a question, and in which order they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from benchmark.speed import training_children
from benchmark.speed.training import (
    DISTURBED,
    Cell,
    Engine,
    Machine,
    Report,
    Task,
    Verdict,
    Workers,
)
from drac.config import TrainConfig

MICRO_BATCHES = (64, 128, 256)
ENV_GROUPS = (1, 2, 4)
"""What is tried by `calibrate`, on CPU and on CUDA."""

QUICK_COLLECT, QUICK_GRADIENT = 16, 2
"""Steps of the envs and gradient steps that `calibrate` times on CPU."""

Found = TypeVar("Found")
OnPart = Callable[[str], None]


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
    on_part: OnPart = lambda name: None

    def settings(self) -> dict[str, Any]:
        """Return what all cells share, for the report."""
        names = ("game", "num_envs", "num_steps", "micro_batch", "env_groups", "threads")
        config = self.configs[0]
        shared = {name: getattr(config, name) for name in names}
        whole = self.whole or config.device == "cuda"
        return {**shared, "eval_episodes": config.eval_episodes, "whole_updates": whole}

    def cells(self, reference: bool) -> Report:
        """Measure every config, one after the other.

        Args:
            reference: whether each method is measured with the plain engine too.
        """
        measured: list[tuple[Machine, Cell]] = []
        for config in self.configs:
            last = config.method not in {later.method for later in self._after(config)}
            engines: tuple[Engine, ...] = ("drac", "reference") if reference and last else ("drac",)
            measured += (self._cell(self._task(config, engine)) for engine in engines)
        machines, cells = zip(*measured, strict=True)
        return Report(machines[0], self.settings(), cells)

    def _after(self, config: TrainConfig) -> tuple[TrainConfig, ...]:
        return self.configs[self.configs.index(config) + 1 :]

    def workers(self, number: int) -> Report:
        """Measure one run alone, `number` side by side, and one with the threads of all."""
        rows, machines = zip(*(self._row(config, number) for config in self.configs), strict=True)
        return Report(machines[0], self.settings(), workers=rows)

    def _row(self, config: TrainConfig, number: int) -> tuple[Workers, Machine]:
        task = replace(self._task(config), evaluate=False, in_step=True)
        threads = int(config.threads) * number
        wide = replace(task, config={**task.config, "threads": threads})

        def measured() -> tuple[Workers, Machine]:
            ((machine, alone),) = self._measure([task])
            together = tuple(cell for _, cell in self._measure([task] * number))
            ((_, one),) = self._measure([wide])
            return Workers(alone, together, one), machine

        return self._undisturbed(measured, lambda found: found[0].others_cores)

    def calibration(self, most_threads: int) -> Report:
        """Measure, shortly, what the config may choose: on CPU micro-batches and threads."""
        found: list[tuple[Machine, Cell]] = []
        for config in self.configs:
            for choice in choices(config, most_threads):
                task = replace(self._task(config.model_copy(update=choice)), evaluate=False)
                if config.device == "cpu":
                    task = replace(
                        task,
                        collect_steps=min(QUICK_COLLECT, config.num_steps),
                        gradient_steps=min(QUICK_GRADIENT, config.minibatches),
                    )
                said = ", ".join(f"{name} {value}" for name, value in choice.items())
                found += self._measure([task], said)
        machines, cells = zip(*found, strict=True)
        return Report(machines[0], self.settings(), cells)

    def verdicts(self) -> list[Verdict]:
        """Compare the device's engine with the plain one."""
        task = replace(self._task(self.configs[0]), kind="parity")
        (found,) = training_children.run([task], self.on_part)
        return [Verdict(**verdict) for verdict in found]

    def _task(self, config: TrainConfig, engine: Engine = "drac") -> Task:
        whole = self.whole or config.device == "cuda"
        return Task(
            config.model_dump(mode="json"),
            engine=engine,
            gradient_steps=0 if whole else config.minibatches,
            evaluate=engine == "drac",
        )

    def _cell(self, task: Task) -> tuple[Machine, Cell]:
        def measured() -> tuple[Machine, Cell]:
            return self._measure([task])[0]

        return self._undisturbed(measured, lambda found: found[1].others_cores)

    def _undisturbed(
        self, measured: Callable[[], Found], others: Callable[[Found], float]
    ) -> Found:
        """Measure until others do not disturb it; return the least disturbed of the attempts."""
        found = [measured()]
        while len(found) < self.attempts and others(found[-1]) > DISTURBED:
            found.append(measured())
        return min(found, key=others)

    def _measure(self, tasks: Sequence[Task], said: str = "") -> list[tuple[Machine, Cell]]:
        def on_part(name: str) -> None:
            beside = f", {len(tasks)} side by side" if len(tasks) > 1 else ""
            self.on_part(", ".join(filter(None, (name + beside, said))))

        results = training_children.run(tasks, on_part)
        measured = [(Machine(**found["machine"]), Cell(**found["cell"])) for found in results]
        on_part(f"{tasks[0].name}: {sum(cell.steps_per_s for _, cell in measured):,.0f} steps/s")
        return measured


def choices(config: TrainConfig, most_threads: int) -> Iterator[dict[str, int]]:
    """Yield what may be chosen for a config's device: the values of some of its fields."""
    if config.device == "cuda":
        for groups in ENV_GROUPS:
            if config.num_envs % groups == 0:
                yield {"env_groups": groups}
        return
    for threads in sorted({1, most_threads}):
        for micro_batch in MICRO_BATCHES:
            yield {"threads": threads, "micro_batch": micro_batch}
