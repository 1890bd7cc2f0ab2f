"""Runs on a Ray cluster, one task each."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmark.engines import process
from benchmark.engines.engine import Engine, Job
from drac.commands import flags
from drac.errors import ConfigError, imported
from drac.files import atomic, lock
from drac.runs.signals import EXIT_CODE

ANSWER_S = 20.0
"""A cluster's address must answer within it."""
LOOK_S = 1.0
"""Between two looks of a task at its run: for a new checkpoint, and whether it is to stop."""
ROOM_S = 10.0
"""Between two looks at how large the cluster is; it may grow."""
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = b"\x04"
"""HTTP/2 (RFC 9113): what a client begins with, and the type of the frame that is the answer."""

STORAGES = ("shared", "fetch")


class Desk:
    """An actor beside the driver: where tasks hand in files, and ask whether they are to stop."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._stopping = False

    def put(self, run: str, files: bytes) -> None:
        """Take a run's files in place of earlier ones."""
        self._files[run] = files

    def take(self) -> dict[str, bytes]:
        """Return what has come since the last call."""
        files, self._files = self._files, {}
        return files

    def stop(self) -> None:
        """Have every task save and end."""
        self._stopping = True

    def stopping(self) -> bool:
        """Whether tasks are to save and end."""
        return self._stopping


def execute(job: Job, desk: Any, cwd: Path | None, files: bytes | None) -> int:
    """Execute a job on this node; returns its exit status.

    Args:
        job: to be executed.
        desk: the actor.
        cwd: the driver's working directory, which this node shares; None: nothing is shared.
        files: those of the run's folder, from where it goes on, if nothing is shared.
    """
    if _answer(desk.stopping):
        return EXIT_CODE
    with _folder(job, cwd, files) as run_dir:
        env = process.threads(job.cpus or 1)
        child = process.start(job, env, run_dir, cwd)
        sent: list[str] = []
        try:
            while child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(LOOK_S)
                    break
                if _answer(desk.stopping):
                    child.terminate()
                if files is not None and (names := _checkpoints(run_dir)) != sent:
                    _answer(desk.put, job.id, pack(run_dir))
                    sent = names
        finally:
            child.terminate()  # it saves
            child.wait()
        if files is not None:
            _answer(desk.put, job.id, pack(run_dir))
    return child.returncode


def _answer(method: Any, *given: Any) -> Any:
    """Call the desk; not in the main thread, for while that waits Ray lends a task's cores."""
    import ray

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: ray.get(method.remote(*given))).result()


@contextlib.contextmanager
def _folder(job: Job, cwd: Path | None, files: bytes | None) -> Iterator[Path]:
    """Give a run its folder: the job's where nodes share it, else a temporary one."""
    if cwd is not None:
        yield cwd / job.run_dir
        return
    assert files is not None
    with tempfile.TemporaryDirectory(prefix="drac-run-") as temporary:
        unpack(files, Path(temporary))
        yield Path(temporary)


def _checkpoints(run_dir: Path) -> list[str]:
    return sorted(path.name for path in (run_dir / "checkpoint").glob("step_*.pt"))


def pack(run_dir: Path) -> bytes:
    """Return the files of a run that may be going on, as a tar archive.

    The newest checkpoint comes first: logs that are longer than it says are cut when the run goes
    on, shorter ones are refused.
    """
    names = [f"checkpoint/{name}" for name in _checkpoints(run_dir)[-1:]]
    names += [
        path.relative_to(run_dir).as_posix()
        for path in sorted(run_dir.rglob("*"))
        if path.is_file() and path.parent.name != "checkpoint" and not path.name.startswith(".")
    ]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # a temporary file, or an old checkpoint
                tar.add(run_dir / name, name)
    return archive.getvalue()


def unpack(files: bytes, run_dir: Path) -> None:
    """Write the files of `pack`, each whole or not at all, the checkpoint last."""
    with tarfile.open(fileobj=io.BytesIO(files)) as tar:
        for member in reversed(tar.getmembers()):
            path = run_dir / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None
            with atomic.replacing(path) as file:
                shutil.copyfileobj(content, file)
    for name in _checkpoints(run_dir)[:-2]:
        (run_dir / "checkpoint" / name).unlink()


class RayEngine(Engine):
    """Executes jobs as tasks.

    Args:
        address: of the cluster, as `ray.init` takes it; None starts one on this machine.
        fetch: whether nodes do not see the run folders.
    """

    def __init__(self, address: str | None, fetch: bool) -> None:
        self._address, self._fetch = address, fetch
        self.where = f"on the Ray cluster {address or 'of this machine'}"
        self._waiting: deque[Job] = deque()
        self._tasks: dict[Any, Job] = {}
        self._held: dict[str, tuple[Path, contextlib.ExitStack]] = {}
        self._refused: dict[str, int] = {}
        self._room, self._looked = 0, float("-inf")

    def __enter__(self) -> RayEngine:
        """Connect to the cluster, or start one.

        Raises:
            ConfigError: if Ray is not installed, or no cluster answers.
        """
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._ray = ray = imported("ray", "ray", "the engine ray")
        if self._address and self._address != "auto":
            _require_answer(self._address)
        options: dict[str, Any] = {"address": self._address}
        if not self._address:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            options = {"address": "local", "include_dashboard": False}
        try:
            ray.init(log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            said = " ".join(str(error).split())
            what = f"no Ray cluster answers at {self._address}" if self._address else "Ray fails"
            raise ConfigError(f"{what}: {said}") from None
        strategies = imported("ray.util.scheduling_strategies", "ray", "the engine ray")
        node = ray.get_runtime_context().get_node_id()
        # Not soft: of an actor without cores Ray ignores that, and takes a node at random.
        here = strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        self._desk = ray.remote(num_cpus=0, scheduling_strategy=here)(Desk).remote()
        # What a lost node had is tried again by whoever asked for it: it goes on from its files.
        self._execute = ray.remote(max_retries=0)(execute)
        return self

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append(job)

    def poll(self) -> dict[str, int]:
        """Hand tasks to Ray; return how jobs have ended."""
        while self._waiting and len(self._tasks) < self._most(self._waiting[0]):
            self._begin(self._waiting.popleft())
        ended, self._refused = self._refused, {}
        if self._tasks:
            done, _ = self._ray.wait([*self._tasks], num_returns=len(self._tasks), timeout=0)
            statuses = [(self._tasks.pop(task), self._status(task)) for task in done]
            self._collect()
            ended |= {job.id: self._close(job, status) for job, status in statuses}
        return ended

    def cancel(self) -> None:
        """Drop what waits; have tasks save; wait for their files; leave the cluster."""
        self._waiting.clear()
        try:
            if self._tasks:
                self._ray.get(self._desk.stop.remote())
            while self._tasks:
                self.poll()
                time.sleep(0.1)
        except (ConnectionError, self._ray.exceptions.RayError):
            pass  # without the desk nobody can be told; tasks end with us, and their runs save
        finally:
            for _, held in self._held.values():
                held.close()
            self._held.clear()
            self._tasks.clear()
            self._ray.shutdown()

    @property
    def running(self) -> list[Job]:
        """The jobs that Ray has."""
        return list(self._tasks.values())

    def _begin(self, job: Job) -> None:
        files = None
        if self._fetch:  # the process that trains holds another folder: we hold this one
            held = contextlib.ExitStack()
            try:
                held.enter_context(lock.owned(job.run_dir))
            except ConfigError:
                self._refused[job.id] = 2
                return
            self._held[job.id] = job.run_dir, held
            files = pack(job.run_dir)
        task = self._execute.options(num_cpus=job.cpus or 1, num_gpus=float(job.gpus), name=job.id)
        cwd = None if self._fetch else Path.cwd()
        self._tasks[task.remote(job, self._desk, cwd, files)] = job

    def _most(self, job: Job) -> int:
        """Return how many tasks Ray is to have: all that it can execute, and as many that wait."""
        if time.monotonic() - self._looked > ROOM_S:
            self._looked, there = time.monotonic(), self._ray.cluster_resources()
            rooms = [there.get("CPU", 0) / (job.cpus or 1)]
            if job.gpus:
                rooms.append(there.get("GPU", 0) / float(job.gpus))
            self._room = max(16, 2 * int(min(rooms)))
        return self._room

    def _status(self, task: Any) -> int | str:
        """Return the exit status of a task that is done, or what Ray says of a lost one."""
        try:
            status: int = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return f"Ray: {' '.join(str(error).split())}"
        return status

    def _collect(self) -> None:
        """Write the files that tasks have handed in into their runs' folders.

        Raises:
            ConnectionError: if the desk is gone, and our node of the cluster with it.
        """
        if not self._fetch:
            return
        try:
            handed_in = self._ray.get(self._desk.take.remote())
        except self._ray.exceptions.RayError as error:
            said = " ".join(str(error).split())
            raise ConnectionError(f"this node has left the Ray cluster: {said}") from None
        for run, files in handed_in.items():
            if run in self._held:  # a node that was given up for lost may still hand in
                unpack(files, self._held[run][0])

    def _close(self, job: Job, status: int | str) -> int:
        """Give a run's folder free; returns the exit status."""
        if isinstance(status, str):
            process.note(job, status)
            status = 1
        if self._fetch:
            self._held.pop(job.id)[1].close()
        return status


def _require_answer(address: str) -> None:
    """Raise ConfigError unless HOST:PORT or ray://HOST:PORT answers as gRPC does; TLS is let be."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"address {address!r} must be auto, HOST:PORT or ray://HOST:PORT")
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_S) as link:
            if os.environ.get("RAY_USE_TLS") in (None, "0"):
                link.sendall(_HELLO)
                if link.recv(4)[3:] != _SETTINGS:
                    raise OSError("what listens there is no Ray")
    except OSError as error:
        raise ConfigError(
            f"no Ray cluster answers at {address} ({error.strerror or error}); ray status says"
            f" where one runs"
        ) from None


def make(options: Mapping[str, Any], folder: Path) -> RayEngine:
    """Make the engine that `--address` and `--storage` describe.

    Raises:
        ConfigError: if they make no sense.
    """
    flags.require_known("storage", options["storage"], STORAGES)
    if options["address"] == "":
        raise ConfigError("address is empty; leave --address out, and a cluster is started here")
    return RayEngine(options["address"], options["storage"] == "fetch")
