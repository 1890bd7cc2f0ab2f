"""What is asked of a measurement and what it finds: data for the tables, and for JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from drac.config import TrainConfig
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import untrusted
from drac.methods import spellings

FORMAT = 1
"""Version of the JSON file. Raised when an old file can no longer be read as it is."""

Engine = Literal["drac", "reference"]
RUN_STEPS = 25_000_000


class Record(BaseModel):
    """Data that is not changed; a file that has other fields is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def to_json(self) -> str:
        """Return the text of a file."""
        return json.dumps(self.model_dump(), indent=2) + "\n"


class Task(Record):
    """What a child process is asked to measure.

    Attributes:
        config: nothing in it is "auto".
        how: "epoch" times a rollout and an epoch of gradient steps, "quick" a part of both,
            "whole" whole updates; "parity" compares this device's engine with the plain one.
        engine: the trainer's own, or `benchmark.speed.worker.reference`.
        evaluate: whether an evaluation and a checkpoint are timed too.
    """

    config: TrainConfig
    how: Literal["epoch", "quick", "whole", "parity"] = "epoch"
    engine: Engine = "drac"
    evaluate: bool = False

    @property
    def name(self) -> str:
        """What is measured, in a word or two."""
        return name_of(spellings.name(self.config.method), self.engine, self.config.precision)


def name_of(method: str, engine: Engine, precision: str) -> str:
    """Return what is measured, in a word or two, for messages and columns."""
    return f"{method}, {'reference' if engine == 'reference' else precision}"


class Machine(Record):
    """What the figures were measured on.

    Attributes:
        cpu: name of the processor.
        cores: that this process may use; for the speed of training.
        device: "cpu", or the name of the GPU.
        threads: of torch; for the speed of augmentations, like `kornia`.
        torch: its version.
        kornia: its version.
    """

    cpu: str
    cores: int | None = None
    device: str
    threads: int | None = None
    torch: str
    kornia: str | None = None

    def text(self) -> str:
        """Describe the machine in one line."""
        size = threads_text(self.threads) if self.cores is None else number_of(self.cores, "core")
        where = "" if self.device == "cpu" else f", {self.device}"
        kornia = f", kornia {self.kornia}" if self.kornia else ""
        return f"{self.cpu}, {size}{where}, torch {self.torch}{kornia}"

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}


def this_machine(device: str, **more: Any) -> Machine:
    """Return the machine that we are on; `more` are fields that depend on what is measured."""
    import torch

    from drac import hardware

    cpu = hardware.cpu_info().get("model name", "") or "unknown CPU"
    name = torch.cuda.get_device_name() if device == "cuda" else device
    return Machine(cpu=cpu, device=name, torch=torch.__version__, **more)


def threads_text(number: int | None) -> str:
    """Return "1 thread" or "2 threads"."""
    return f"{number} thread{'s' * (number != 1)}"


class Verdict(Record):
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


class Cell(Record):
    """The speed of one method on one device, in one precision, by one engine.

    Attributes:
        method: as in `TrainConfig`, like all up to `env_groups`.
        engine: whose figures these are.
        steps_per_s: environment steps, without evaluations and checkpoints.
        update_s: seconds of an update: collecting, returns, all gradient steps.
        phases: seconds an update spends on each, `drac.timing.PHASES` and "other"; evaluations and
            checkpoints by their share.
        network_share: of `update_s`, what the network's forward and backward take, 0 to 1.
        evaluate_s, checkpoint_s: seconds of one evaluation on both splits, and of one checkpoint;
            None if not measured.
        checkpoint_mb: the checkpoint's size, in 10^6 bytes.
        forward_flop, both_flop: floating-point operations on one image, forward, and forward and
            backward.
        model_gflops: 10^9 operations per second that the method needs of the network.
        matmul_gflops: those of square matrix products in the same process: the best.
        matmul_mean_gflops: their mean.
        peak_memory_mb: the process's resident memory at its peak, in 10^6 bytes.
        peak_device_mb: what torch had allocated on a GPU at its peak.
        others_cores: how many cores other processes kept busy while training was timed.
        graphs: whether what was to be recorded as CUDA graphs is replayed; None on CPU.
        attempts: the steps per second of every attempt, of which this is the least disturbed.
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
    evaluate_s: float | None = None
    checkpoint_s: float | None = None
    checkpoint_mb: float | None = None
    forward_flop: float
    both_flop: float
    model_gflops: float
    matmul_gflops: float
    matmul_mean_gflops: float
    peak_memory_mb: float
    peak_device_mb: float | None = None
    others_cores: float
    graphs: bool | None = None
    attempts: tuple[float, ...] = ()

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what older files do not have, where there is nothing to say."""
        return {
            name: value
            for name, value in serialize(self).items()
            if name not in ("graphs", "attempts") or value not in (None, ())
        }

    @property
    def name(self) -> str:
        """What was measured, in a word or two."""
        return name_of(self.method, self.engine, self.precision)

    @property
    def run_hours(self) -> float:
        """Hours of 25M steps, with evaluations and checkpoints where they were measured."""
        update_s = sum(self.phases.values())
        return RUN_STEPS / (self.num_envs * self.num_steps) * update_s / 3600

    @property
    def peak_share(self) -> float:
        """The model's operations per second over those of matrix products."""
        return self.model_gflops / self.matmul_gflops


class Workers(Record):
    """Several runs side by side, beside one alone, and beside one with all their threads."""

    alone: Cell
    together: tuple[Cell, ...]
    one: Cell

    @property
    def name(self) -> str:
        """What was measured, in a word or two."""
        return self.alone.name

    @property
    def steps_per_s(self) -> float:
        """Environment steps of all together."""
        return sum(cell.steps_per_s for cell in self.together)

    @property
    def speed_up(self) -> float:
        """Steps per second of all together over those of one alone."""
        return self.steps_per_s / self.alone.steps_per_s

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


class Report(Record):
    """Everything that one call of `drac-bench speed` has measured."""

    format: int = FORMAT
    machine: Machine
    settings: dict[str, Any]
    cells: tuple[Cell, ...] = ()
    workers: tuple[Workers, ...] = ()


def load(path: Path) -> Report:
    """Read what `Report.to_json` wrote.

    Raises:
        ConfigError: if the file is missing, damaged, or of another kind or format.
    """
    try:
        data = untrusted.read_json(path)
        version = data["format"]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{path} is no JSON file of drac-bench speed") from None
    if version != FORMAT:
        raise ConfigError(f"{path} has format {version!r}; this version reads format {FORMAT}")
    try:
        return Report.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"{path} is damaged: {where}: {problem['msg']}") from None


class AugmentationSpeed(Record):
    """The speed of one augmentation; images per second are medians over the repeats.

    Attributes:
        spec: the augmentation.
        images_per_s: ours.
        slowest, fastest: images per second of the worst and the best repeat.
        update_share: part of a DrAC update's time (network and augmentation) that it takes.
        released_images_per_s: the authors' code, recorded elsewhere; None where it has none.
        kornia_class: kornia's own class beside it; "" if there is none.
        kornia_images_per_s: its speed in this very run.
    """

    spec: str
    images_per_s: float
    slowest: float
    fastest: float
    update_share: float
    released_images_per_s: float | None
    kornia_class: str
    kornia_images_per_s: float | None


class AugmentationReport(Record):
    """Everything that `drac-bench speed augmentations` has measured."""

    format: int = FORMAT
    machine: Machine
    game: str
    batch: int
    micro_batch: int
    repeats: int
    update_images_per_s: float
    rows: tuple[AugmentationSpeed, ...]
