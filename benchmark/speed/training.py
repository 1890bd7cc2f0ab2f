"""What has been measured: data for the tables, and for a JSON file that can be compared."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drac.errors import ConfigError

FORMAT = 1
"""Version of the JSON file. Raised when an old file can no longer be read as it is."""

Engine = Literal["drac", "reference"]
RUN_STEPS = 25_000_000

DISTURBED = 0.05
"""Cores that other processes may keep busy before a table says so."""


@dataclass(frozen=True)
class Task:
    """What a child process is asked to measure.

    Attributes:
        config: of `drac.config.TrainConfig`, nothing in it "auto".
        kind: "speed", or "parity" for the comparison with the plain engine.
        engine: the trainer's own, or `benchmark.speed.worker.reference`.
        collect_steps: steps of each env that are timed, of `num_steps`.
        gradient_steps: gradient steps that are timed, of `epochs` x `minibatches`; 0 times whole
            updates, collecting and all.
        evaluate: whether an evaluation and a checkpoint are timed too.
        in_step: whether every part waits until it is told to begin.
    """

    config: dict[str, Any]
    kind: Literal["speed", "parity"] = "speed"
    engine: Engine = "drac"
    collect_steps: int = 0
    gradient_steps: int = 0
    evaluate: bool = True
    in_step: bool = False

    @property
    def name(self) -> str:
        """What is measured, for a progress bar and for messages."""
        what = self.config["method"]
        if self.engine == "reference":
            return f"{what}, reference"
        return f"{what}, {self.config['precision']}"


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on."""

    cpu: str
    cores: int
    device: str
    torch: str

    def text(self) -> str:
        """Describe the machine in one line."""
        where = "" if self.device == "cpu" else f", {self.device}"
        return f"{self.cpu}, {self.cores} cores{where}, torch {self.torch}"


@dataclass(frozen=True)
class Verdict:
    """One comparison of this device's engine with the plain one.

    Attributes:
        name: what was compared.
        found: the figure.
        limit: what it may be at most.
        at_least: whether it must be at least the limit instead.
    """

    name: str
    found: float
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the limit; NaN does not."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    def text(self) -> str:
        """Say it in one line."""
        bound = "at least" if self.at_least else "at most"
        verdict = "ok    " if self.passed else "FAILED"
        return f"{verdict}  {self.name}: {self.found:.3g} ({bound} {self.limit:g})"


@dataclass(frozen=True)
class Cell:
    """The speed of one method on one device, in one precision, by one engine.

    Attributes:
        method: as in `TrainConfig`, like all up to `env_groups`.
        engine: whose figures these are.
        steps_per_s: environment steps, without evaluations and checkpoints.
        update_s: seconds of an update: collecting, returns, all gradient steps.
        phases: seconds an update spends on each, `drac.timing.PHASES` and "other"; evaluations and
            checkpoints by their share.
        network_share: of `update_s`, what the network's forward and backward take, 0 to 1.
        evaluate_s: seconds of one evaluation on both splits; None if not measured.
        checkpoint_s: seconds of one checkpoint; None if not measured.
        checkpoint_mb: its size, in 10^6 bytes.
        forward_flop, both_flop: floating-point operations on one image, forward, and forward and
            backward.
        model_gflops: 10^9 operations per second that the method needs of the network.
        matmul_gflops: those of square matrix products in the same process: the best.
        matmul_mean_gflops: their mean.
        peak_memory_mb: the process's resident memory at its peak, in 10^6 bytes.
        peak_device_mb: what torch had allocated on a GPU at its peak.
        others_cores: how many cores other processes kept busy while training was timed.
    """

    method: str
    device: str
    precision: str
    engine: Engine
    threads: int
    num_envs: int
    num_steps: int
    micro_batch: int
    env_groups: int
    steps_per_s: float
    update_s: float
    phases: dict[str, float]
    network_share: float
    evaluate_s: float | None
    checkpoint_s: float | None
    checkpoint_mb: float | None
    forward_flop: float
    both_flop: float
    model_gflops: float
    matmul_gflops: float
    matmul_mean_gflops: float
    peak_memory_mb: float
    peak_device_mb: float | None
    others_cores: float

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it comparable to a cell of another file."""
        return (self.method, self.device, self.precision, self.engine)

    @property
    def run_hours(self) -> float:
        """Hours of 25M steps, with evaluations and checkpoints where they were measured."""
        update_s = sum(self.phases.values())
        return RUN_STEPS / (self.num_envs * self.num_steps) * update_s / 3600

    @property
    def peak_share(self) -> float:
        """The model's operations per second over those of matrix products."""
        return self.model_gflops / self.matmul_gflops


@dataclass(frozen=True)
class Workers:
    """Several runs side by side, beside one alone, and beside one with all their threads."""

    alone: Cell
    together: tuple[Cell, ...]
    one: Cell

    @property
    def speed_up(self) -> float:
        """Steps per second of all together over those of one alone."""
        return sum(cell.steps_per_s for cell in self.together) / self.alone.steps_per_s

    @property
    def matmul_speed_up(self) -> float:
        """The same of plain matrix products."""
        total = sum(cell.matmul_mean_gflops for cell in self.together)
        return total / self.alone.matmul_mean_gflops

    @property
    def efficiency(self) -> float:
        """The training's speed-up over that of matrix products."""
        return self.speed_up / self.matmul_speed_up

    @property
    def others_cores(self) -> float:
        """How many cores processes kept busy that are none of these, at worst."""
        beside = (len(self.together) - 1) * self.alone.threads
        found = [cell.others_cores - beside for cell in self.together]
        return max(self.alone.others_cores, self.one.others_cores, *found)


@dataclass(frozen=True)
class Report:
    """Everything that one call of `drac-bench speed` has measured."""

    machine: Machine
    settings: dict[str, Any]
    cells: tuple[Cell, ...] = ()
    workers: tuple[Workers, ...] = ()

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2) + "\n"


def load(path: Path) -> Report:
    """Read what `Report.to_json` wrote.

    Raises:
        ConfigError: if the file is missing, damaged, or of another kind or format.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data["format"]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{path} is no JSON file of drac-bench speed") from None
    if version != FORMAT:
        raise ConfigError(f"{path} has format {version!r}; this version reads format {FORMAT}")
    try:
        return Report(
            Machine(**data["machine"]),
            dict(data["settings"]),
            tuple(Cell(**cell) for cell in data["cells"]),
            tuple(_workers(row) for row in data["workers"]),
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged: {error}") from None


def _workers(row: dict[str, Any]) -> Workers:
    together = tuple(Cell(**cell) for cell in row["together"])
    return Workers(Cell(**row["alone"]), together, Cell(**row["one"]))
