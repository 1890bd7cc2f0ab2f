"""What runs take here: hours from a measured speed, and room on the disk."""

from __future__ import annotations

import shlex
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.engines.engine import Room
from benchmark.speed.records import RUN_STEPS, load
from benchmark.store.progress import Progress, progress_of
from benchmark.store.run_record import RunRecord, total_steps
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from drac import methods
from drac.config import TrainConfig
from drac.config.quantities import duration, number_of, size_of
from drac.errors import ConfigError
from drac.files import untrusted
from drac.runs.meta import read_meta

RECORDED = "speed.json"
"""Of the results' root: where `drac-bench speed --json` may leave what is looked at here."""

CPU, GPU = "CPU-hours", "GPU-hours"
AUTO = "auto"

# Bytes, of runs that were made: a checkpoint and its part for each environment and for each level
# that is chosen among; rows of CSV files, TensorBoard and the log; an episode of eval.csv.
_CHECKPOINT, _ENVIRONMENT, _LEVEL, _UPDATE, _EPISODE = 7_500_000, 33_000, 25_000, 2_000, 27
_KEPT = 2  # checkpoints

_THEN = "and the last evaluations"
"""What a time to the last step does not have."""

LONG_ENOUGH = 65_536
"""Steps of a run whose time is mostly training: its start and its evaluations take seconds too."""


@dataclass(frozen=True)
class Pace:
    """How fast methods train here.

    Attributes:
        seconds: method -> of one core, or of one GPU, for each environment step, with evaluations
            and checkpoints; not empty.
        unit: CPU or GPU.
        source: where they are from, for a sentence.
    """

    seconds: Mapping[str, float]
    unit: str
    source: str

    def hours(self, config: TrainConfig, steps: int | None = None) -> float:
        """Return the hours of a run, of one core or of one GPU; of all its steps by default."""
        steps = config.steps if steps is None else steps
        return self.step_seconds(config.method) * steps / 3600

    def step_seconds(self, method: str) -> float:
        """Return the seconds of a core, or of a GPU, for each environment step.

        A method that was not measured counts as one with the same objective, else as the slowest.
        """
        if method in self.seconds:
            return self.seconds[method]
        own = methods.find(method)
        alike = [
            seconds
            for name, seconds in self.seconds.items()
            if own and (found := methods.find(name)) and found.objective == own.objective
        ]
        return max(alike or self.seconds.values())


def pace(store: Store, speed: Path | None, at_least: int = LONG_ENOUGH) -> Pace | None:
    """Return how fast methods train here, from the first of these that there is.

    A JSON file of `drac-bench speed`, the same as RESULTS/speed.json, the finished runs of at
    least so many steps.

    Args:
        store: the runs, and the folder of speed.json.
        speed: the file; it must be there.
        at_least: steps of the finished runs.

    Raises:
        ConfigError: if a file is no JSON file of drac-bench speed, or has no speed of training.
    """
    recorded = store.root / RECORDED
    if speed or recorded.exists():
        return _of_report(speed or recorded)
    specs = [spec for name in store.experiments() for spec in store.specs(name)]
    return of_runs(zip(specs, store.records(specs), strict=True), f"below {store.runs}", at_least)


def _of_report(path: Path) -> Pace:
    report = load(path)
    rows = [*report.cells, *(row.alone for row in report.workers)]
    found: dict[str, float] = {}
    for cell in (cell for cell in rows if cell.engine == "drac"):
        busy = cell.threads if cell.device == "cpu" else 1
        seconds = cell.run_hours * 3600 / RUN_STEPS * busy
        found[cell.method] = min(seconds, found.get(cell.method, seconds))
    if not found:
        raise ConfigError(f"{path} has no speed of training: drac-bench speed --json measures it")
    unit = CPU if report.machine.device == "cpu" else GPU
    return Pace(found, unit, f"{path}, measured on {report.machine.text()}")


def of_runs(
    runs: Iterable[tuple[RunSpec, RunRecord]], where: str, at_least: int = LONG_ENOUGH
) -> Pace | None:
    """Return the medians of the finished runs of the commoner kind of device; None if none is.

    Args:
        runs: finished or not.
        where: they are, for a sentence.
        at_least: steps of those that count.
    """
    seconds: dict[str, dict[str, list[float]]] = {CPU: defaultdict(list), GPU: defaultdict(list)}
    cpus: dict[str, set[str]] = {CPU: set(), GPU: set()}
    for spec, record in runs:
        each, unit = _seconds(record.meta, at_least)
        if not record.problems and each is not None:
            seconds[unit][spec.method].append(each)
            cpus[unit].add(untrusted.text(record.meta.get("cpu")) or "unknown CPU")
    counts = {unit: sum(map(len, found.values())) for unit, found in seconds.items()}
    unit = max(counts, key=lambda unit: counts[unit])
    if not counts[unit]:
        return None
    of = f"{number_of(counts[unit], 'finished run')} {where}".strip()
    medians = {method: median(found) for method, found in seconds[unit].items()}
    return Pace(medians, unit, f"{of}, trained on {', '.join(sorted(cpus[unit]))}")


def _seconds(meta: Mapping[str, Any], at_least: int) -> tuple[float | None, str]:
    """Return a run's seconds of a core or a GPU for each step, None if it does not tell."""
    unit = GPU if meta.get("device") == "cuda" else CPU
    wall, steps = untrusted.number(meta.get("wall_s")), untrusted.number(meta.get("steps"))
    threads = untrusted.number(meta.get("threads"))
    if not (wall > 0 and steps >= max(1, at_least)):
        return None, unit
    return wall / steps * (threads if unit == CPU and isfinite(threads) else 1), unit


def disk_bytes(configs: Iterable[TrainConfig]) -> int:
    """Return the bytes that runs leave, about: checkpoints, and what grows with their length."""
    total = 0
    for config in configs:
        levels = len(config.train_levels) if methods.get(config.method).chooses_levels else 0
        evaluations = 1 + (config.steps // config.eval_every if config.eval_every else 0)
        total += _KEPT * (_CHECKPOINT + _ENVIRONMENT * config.num_envs + _LEVEL * levels)
        total += _UPDATE * config.num_updates + _EPISODE * 2 * config.eval_episodes * evaluations
    return total


@dataclass(frozen=True)
class Forecast:
    """What runs will take.

    Attributes:
        text: runs, steps, time and disk, in one line.
        hours: until all have ended; None if that is unknown.
        fits: whether the disk has room for what they leave.
    """

    text: str
    hours: float | None
    fits: bool


def forecast(
    store: Store, runs: Mapping[Path, TrainConfig], room: Room | None, fresh: bool = False
) -> Forecast:
    """Say what is left to do, and what it takes at the speed that `pace` knows.

    Args:
        store: of the runs.
        runs: their folders, which need not be there, and what they are; at least one.
        room: what they will have of this machine; None if they are executed elsewhere.
        fresh: they start over, whatever there is of them.
    """
    steps = []
    for run_dir, config in runs.items():
        total, saved = total_steps(config), read_meta(run_dir).get("steps")
        done = (
            saved if isinstance(saved, int) and not fresh else 0
        )  # the checkpoint's, not the logs'
        steps.append(total - min(done, total))
    hours, time = _time(store, list(zip(runs.values(), steps, strict=True)), room)
    size = disk_bytes(runs.values())
    there = next(path for path in (store.root, *store.root.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    to_do = f"to do: {number_of(len(runs), 'run')}, {number_of(sum(steps), 'step')}"
    text = f"{to_do}, {time}, {size_of(size)} of disk ({size_of(free)} free)"
    return Forecast(text, hours, size <= free)


def _time(
    store: Store, left: Sequence[tuple[TrainConfig, int]], room: Room | None
) -> tuple[float | None, str]:
    """Return the hours until all runs have ended, None if unknown, and what to say of them."""
    try:
        longest = max(total_steps(config) for config, _ in left)
        known = pace(store, None, min(longest, LONG_ENOUGH))
    except ConfigError as error:  # runs do not need it
        return None, f"time unknown ({error})"
    wanted = {CPU if config.device == "cpu" else GPU for config, _ in left if config.device != AUTO}
    if known is None or wanted - {known.unit}:
        measure = f"drac-bench speed --json {shlex.quote(str(store.root / RECORDED))} measures it"
        return None, f"time unknown ({measure})"
    hours = [known.hours(config, steps) for config, steps in left]
    if room is None:
        return None, f"about {sum(hours):,.1f} {known.unit} {_THEN} (from {known.source})"
    lanes = room.gpus
    if known.unit == CPU:
        lanes = room.jobs
        threads = [room.cores if c.threads == AUTO else int(c.threads) for c, _ in left]
        hours = [each / number for each, number in zip(hours, threads, strict=True)]
    wall = max(sum(hours) / lanes, *hours)
    return wall, f"about {_text(wall)} {_THEN} (from {known.source})"


def _text(hours: float) -> str:
    return duration(3600 * hours) if hours < 100 else f"{hours:,.0f} hours"


def left_text(runs: Iterable[tuple[RunSpec, RunRecord]]) -> str:
    """Say what is left to do of an experiment, at the speed of its finished runs; "" if unknown.

    A run that has not begun is taken for as long as the longest that has.
    """
    runs = list(runs)
    longest = max((total_steps(own.config) for _, own in runs if own.config), default=0)
    left = [(spec, record) for spec, record in runs if record.problems]
    known = of_runs(runs, "", min(longest, LONG_ENOUGH)) if left else None
    if known is None:
        return ""
    hours = 0.0
    for spec, own in left:
        now = Progress(0, longest)
        if own.config:
            now = progress_of(own.config, own.latest, own.episodes)
        hours += known.step_seconds(spec.method) * (now.total - now.step) / 3600
    return f"about {_text(hours)} of one {'core' if known.unit == CPU else 'GPU'} left {_THEN}"
