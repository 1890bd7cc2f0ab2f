"""Run folders with one owner: a second process on the same folder is refused."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from drac.errors import ConfigError, FolderGoneError
from drac.files import run_folder, untrusted

NAME = ".lock"
"""The file that is locked; it says by whom. It stays, empty, when nobody owns the folder."""

CLAIM = ".lock.claim"
"""Exists while a process owns the folder on a file system that cannot lock."""

_ATTEMPTS = 100
"""To lock a folder, twenty a second: whoever asks whether it is in use locks it for a moment, a
long one on a busy machine."""

_FEW = 5
"""Attempts are enough where the lock names a process that runs."""

_BUSY = (errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True)
class Owner:
    """A process; `mark` tells it from a later one with the same number."""

    host: str
    pid: int
    started: str
    mark: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, there since {self.started}"

    def alive(self) -> bool:
        """Whether the process runs, as far as can be told: one of another host may."""
        return self.host != socket.gethostname() or _mark(self.pid) == self.mark


def this_process() -> Owner:
    """Return what a lock says of this process."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    pid = os.getpid()
    return Owner(socket.gethostname(), pid, now, _mark(pid))


def _mark(pid: int) -> str:
    """Return when a process of this host started, in ticks of this boot; "" if there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, ValueError, IndexError):
        return ""
    return f"{boot}-{ticks}"


def _read(text: str) -> Owner | None:
    """Return the owner that a lock names; None if it is empty, or of version 0.1."""
    try:
        known = json.loads(text)
        return Owner(str(known["host"]), int(known["pid"]), str(known["started"]), known["mark"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


@contextlib.contextmanager
def owned(
    folder: Path, notify: Callable[[str], None] = lambda text: None
) -> Iterator[Callable[[], None]]:
    """Make `folder` and hold it for this process alone; the system frees it when we end.

    Args:
        folder: of a run.
        notify: told in one sentence if the owner before us ended without giving the folder back.

    Yields:
        A check, to be made before each write, that the folder is still the one that is held: it
        raises a DiskError if it was moved or deleted. Another run may have begun in its place.

    Raises:
        ConfigError: if another process holds it, it holds what is not its own, or it cannot be
            made or written.
    """
    run_folder.require_writable(folder)
    run_folder.require_plain(folder)
    with _taken(folder, notify) as lock:
        _write(lock, json.dumps(asdict(this_process())))

        def require_ours() -> None:
            if not _is_still(folder, lock):
                raise FolderGoneError(
                    f"{folder} was moved or deleted while it was trained in: nothing more is"
                    f" written there"
                )

        try:
            yield require_ours
        finally:
            _write(lock, "")


@contextlib.contextmanager
def _taken(folder: Path, notify: Callable[[str], None]) -> Iterator[IO[str]]:
    """Lock the folder's file; where the file system has no locks, claim the folder by name."""
    for attempt in range(_ATTEMPTS):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / NAME).open("a+", encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None
        with lock:
            lock.seek(0)
            before = _read(lock.read(10_000))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _NO_LOCKS:
                    with _claimed(folder, notify):
                        yield lock
                    return
                if error.errno not in _BUSY:
                    raise ConfigError(f"{folder} cannot be locked: {error.strerror}") from None
                why = f" by {before or 'another process'}"
                if attempt >= _FEW and before and before.alive():
                    break
            else:
                if _is_still(folder, lock):
                    if before:
                        notify(_taken_over(folder, before))
                    yield lock
                    return
                why = ": it was moved again and again"
        time.sleep(0.05)
    raise ConfigError(f"{folder} is in use{why}")


def _taken_over(folder: Path, before: Owner) -> str:
    return f"{folder} was held by {before}, which ended without giving it back; taking it over"


def _is_still(folder: Path, lock: IO[str]) -> bool:
    """Whether the file that was locked lies in the folder: `--fresh` may have moved it aside."""
    try:
        return os.path.samestat((folder / NAME).stat(), os.fstat(lock.fileno()))
    except OSError:
        return False


def _write(lock: IO[str], text: str) -> None:
    with contextlib.suppress(OSError):  # it is for people to read; the disk may be full
        lock.seek(0)
        lock.truncate(0)
        lock.write(text)
        lock.flush()


@contextlib.contextmanager
def _claimed(folder: Path, notify: Callable[[str], None]) -> Iterator[None]:
    """Hold a folder by a file that only one process can make."""
    path, aside = folder / CLAIM, folder / f"{CLAIM}.{os.getpid()}"
    while not _make(path):
        text = _content(path)
        owner = _read(text)
        if owner is None or owner.alive():
            raise ConfigError(
                f"{folder} is in use by {owner or 'another process'}; this file system has no"
                f" locks, so if that process is gone, delete {path}"
            )
        with contextlib.suppress(FileNotFoundError):  # another was faster
            path.rename(aside)
            if _content(aside) != text:  # it was: this is its claim
                aside.rename(path)
            else:
                aside.unlink()
                notify(_taken_over(folder, owner))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _make(path: Path) -> bool:
    """Make a claim; return whether there was none."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(asdict(this_process())))
    except FileExistsError:
        return False
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    return True


def _content(path: Path) -> str:
    try:
        return untrusted.read(path, 10_000, path.parent).decode("utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def in_use(folder: Path) -> bool:
    """Whether a process owns a folder."""
    try:
        with untrusted.opened(folder / NAME, folder) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except ValueError:  # a pipe in its place
        return False
    except OSError as error:
        owner = _read(_content(folder / CLAIM))
        return error.errno in _NO_LOCKS and owner is not None and owner.alive()
    return False


def require_free(folder: Path) -> None:
    """Raise ConfigError if a process that lives owns a folder; nothing is written or waited for."""
    owner = _read(_content(folder / NAME))
    if owner and owner.alive() and in_use(folder):
        raise ConfigError(f"{folder} is in use by {owner}")


ASIDE = re.compile(r".+\.before-[1-9][0-9]*")
"""What a run's folder is called that was left aside."""


def set_aside(run_dir: Path) -> Path | None:
    """Rename a run's folder to the first of `NAME.before-1`, `NAME.before-2`, ... that is free.

    Args:
        run_dir: left as it is unless it holds a run: a config.json or checkpoints.

    Returns:
        The new name, or None.

    Raises:
        ConfigError: if a process is training it, or it cannot be renamed.
    """
    if not any((run_dir / name).exists() for name in ("config.json", "checkpoint")):
        return None
    # "." has no name of its own; a link to a folder does, and is what is renamed then.
    path = run_dir if run_dir.name not in ("", "..") else run_dir.resolve()
    with owned(path):
        names = (path.with_name(f"{path.name}.before-{number}") for number in itertools.count(1))
        aside = next(name for name in names if not os.path.lexists(name))
        try:
            path.rename(aside)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be renamed to {aside.name}: {error.strerror}"
            ) from None
    return aside
