"""Runs on this machine, a few at a time, one process each."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmark.engines import process
from benchmark.engines.engine import Engine, Job, Room
from drac.commands import flags
from drac.config.quantities import number_of
from drac.errors import ConfigError

AUTO = "auto"


@dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    card: str | None


@dataclass
class LocalEngine(Engine):
    """Executes jobs side by side, which share the cores, and the cards if there are any.

    Args:
        workers: jobs at a time, at least 1; 0: as many as cores and memory have room for.
        gpus: as CUDA_VISIBLE_DEVICES names them, each once. A job sees one of them alone; as many
            share it as their `Job.gpus` allow (of which 0 means the whole). Empty: jobs see what
            this process sees.
    """

    workers: int = 1
    gpus: tuple[str, ...] = ()
    _waiting: deque[Job] = field(default_factory=deque, init=False)
    _running: dict[str, _Running] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0))
        self._memory = _memory_available()
        auto = "as many at a time as cores and memory have room for"
        self.where = f"{self.workers} at a time" if self.workers else auto
        if self.gpus:
            self.where += f" on {number_of(len(self.gpus), 'GPU')}"

    def submit(self, job: Job) -> None:
        """Queue a job. It begins at the next `poll` that finds room for it."""
        self._waiting.append(job)

    def poll(self) -> dict[str, int]:
        """Begin what can begin; return the exit status of each job that has ended since."""
        ended = {}
        for id_, running in list(self._running.items()):
            status = running.process.poll()
            if status is not None:
                ended[id_] = status
                del self._running[id_]
        while self._waiting and self._has_room(self._waiting[0]):
            job = self._waiting.popleft()
            env, card = process.threads(self._threads(job)), self._card(job)
            if card is not None:
                env["CUDA_VISIBLE_DEVICES"] = card
            self._running[job.id] = _Running(job, process.start(job, env), card)
        return ended

    def cancel(self) -> None:
        """Drop what waits; let what runs save its state and end; wait for it.

        If the waiting is interrupted, for instance by Ctrl-C, what still runs is killed.
        """
        self._waiting.clear()
        processes = [running.process for running in self._running.values()]
        try:
            for child in processes:
                child.send_signal(signal.SIGTERM)
            for child in processes:
                child.wait()
        finally:
            for child in processes:
                child.kill()  # does nothing to one that has ended
                child.wait()
            self._running.clear()

    @property
    def running(self) -> list[Job]:
        """The jobs that are executing."""
        return [running.job for running in self._running.values()]

    def room(self, jobs: Sequence[Job]) -> Room:
        """Return what these jobs will have of this machine."""
        cores = self._threads(jobs[0])
        at_a_time = self.workers or max(1, self._cores // cores)
        return Room(min(at_a_time, len(jobs)), cores, len(self.gpus) or 1)

    def _threads(self, job: Job) -> int:
        return job.cpus or max(1, self._cores // (self.workers or self._cores))

    def _has_room(self, job: Job) -> bool:
        if self.gpus and self._card(job) is None:
            return False
        if self.workers or not self._running:
            return len(self._running) < (self.workers or 1)
        jobs = [*self.running, job]
        cores = sum(map(self._threads, jobs))
        return cores <= self._cores and sum(one.memory for one in jobs) <= self._memory

    def _card(self, job: Job) -> str | None:
        """Return the card with the most left, if that is enough for a job."""
        taken = dict.fromkeys(self.gpus, Fraction(0))
        for running in self._running.values():
            if running.card is not None:
                taken[running.card] += _share(running.job)
        card = min(self.gpus, key=lambda name: taken[name], default=None)
        return card if card is not None and taken[card] + _share(job) <= 1 else None


def _share(job: Job) -> Fraction:
    return job.gpus or Fraction(1)


def _memory_available() -> int:
    """Return the bytes that programs may still take of this machine."""
    known = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"))
    return 1024 * int(known[1]) if known else 0


def make(options: Mapping[str, Any], folder: Path) -> LocalEngine:
    """Make the engine that `--workers`, `--gpus` and `--runs-per-gpu` describe.

    Raises:
        ConfigError: if they are no numbers, or this machine has no such GPU.
    """
    gpus = cards(options["gpus"], os.environ.get("CUDA_VISIBLE_DEVICES"))
    if options["runs_per_gpu"] and not gpus:
        raise ConfigError("--runs-per-gpu needs the GPUs that runs are to share, such as --gpus 0")
    workers = options["workers"]
    if workers == AUTO:
        return LocalEngine(0, gpus)
    if workers is None:
        return LocalEngine(len(gpus) * (options["runs_per_gpu"] or 1) or 1, gpus)
    return LocalEngine(flags.whole_number("workers", workers, at_least=1), gpus)


def cards(words: Sequence[str], visible: str | None) -> tuple[str, ...]:
    """Read GPUs such as ["0-2", "5"] or ["0,1"]; they are counted among those that are visible.

    Args:
        words: as given.
        visible: CUDA_VISIBLE_DEVICES, which is believed; None if it is not set, and torch is asked.

    Returns:
        Their names for CUDA_VISIBLE_DEVICES.

    Raises:
        ConfigError: for anything else, and for one that is not there.
    """
    numbers: list[int] = []
    for word in ",".join(words).split(",") if words else ():
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", word)
        if not match or int(match[1]) > int(match[2] or match[1]):
            raise ConfigError(f"gpus {word!r} must be a number or a range A-B, e.g. 0 or 0-7")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not numbers:
        return ()
    if visible is None:
        import torch

        names = [str(number) for number in range(torch.cuda.device_count())]
    else:
        names = [name.strip() for name in visible.split(",") if name.strip()]
    if max(numbers) >= len(names):
        there = f"has {number_of(len(names), 'GPU')}" + (f", 0-{len(names) - 1}" if names else "")
        seen = "this machine" if visible is None else f"CUDA_VISIBLE_DEVICES={visible}"
        raise ConfigError(f"gpus: there is no GPU {max(numbers)}; {seen} {there}")
    return tuple(dict.fromkeys(names[number] for number in numbers))
