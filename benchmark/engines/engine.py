"""What an engine is: it executes jobs, and nobody else knows where."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from drac.config import TrainConfig, as_argv

RUN_BYTES = 2**30
"""Memory of a training run beside its rollout's frames, about: docs/performance.md."""
_FRAME_BYTES = 64 * 64 * 3


@dataclass(frozen=True)
class Job:
    """A command that works in the folder of a run.

    Attributes:
        id: of the run; no two jobs of an engine have the same.
        argv: the words that follow `python`.
        run_dir: what it prints goes to train.log there. If it is a word of `argv`, an engine may
            execute the job in another folder and bring the files back.
        cpus: cores that it is to have; 0: as the engine sees fit.
        gpus: share of a GPU that it is to have, such as 1/2; 0: as the engine sees fit.
        memory: bytes that it takes, about; 0: unknown.
    """

    id: str
    argv: tuple[str, ...]
    run_dir: Path
    cpus: int = 0
    gpus: Fraction = Fraction(0)
    memory: int = 0

    def __str__(self) -> str:
        """Return the command that repeats it, as one types it."""
        ours = self.argv[:2] == ("-m", "drac.cli")
        return shlex.join(["drac", *self.argv[2:]] if ours else ["python", *self.argv])


def training(
    run: str,
    config: TrainConfig,
    run_dir: Path,
    cpus: int = 0,
    gpus: Fraction = Fraction(0),
    how: Sequence[str] = (),
) -> Job:
    """Return the job that trains a run, `drac train` with its flags; `how` are more of them."""
    words = ["-m", "drac.cli", "train", *as_argv(config), "--run-dir", str(run_dir), *how]
    memory = RUN_BYTES + 3 * config.rollout_size * _FRAME_BYTES
    return Job(run, tuple(words), run_dir, cpus, gpus, memory)


class Room(NamedTuple):
    """What jobs have of this machine: so many at a time, cores of each, and GPUs of all."""

    jobs: int
    cores: int
    gpus: int


class Engine(ABC):
    """Executes jobs. It is entered with `with`; leaving it cancels what it still has.

    Attributes:
        where: how many at a time, or on what, as the end of a sentence.
        detached: whether jobs go on without us once `poll` has begun them; `cancel` leaves them.
    """

    where: str
    detached = False

    def __enter__(self) -> Engine:
        """Connect to what executes.

        Raises:
            ConfigError: if that is not there; nothing was started or written.
        """
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel what is left."""
        self.cancel()

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Queue a job; `poll` begins it when there is room."""

    @abstractmethod
    def poll(self) -> dict[str, int]:
        """Begin what can begin, without waiting; return how jobs ended since the last call.

        Returns:
            Id of a job -> exit status, as of `subprocess`: -9 if it was killed. 75: it was stopped
            after saving and is not over.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Drop what waits; let what runs save its state and end; wait for it."""

    @property
    @abstractmethod
    def running(self) -> list[Job]:
        """The jobs that are executing, as far as is known."""

    def room(self, jobs: Sequence[Job]) -> Room | None:
        """Return what these jobs, at least one, will have of this machine; None if of others."""
        return None

    def preview(self, jobs: Sequence[Job]) -> str:
        """Return what would be executed for these jobs, as text; nothing is entered or written."""
        return "\n".join(map(str, jobs))
