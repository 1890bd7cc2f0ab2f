"""Files that are whole or absent, and folders that hold nothing foreign."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from drac.files import untrusted
from drac.files.retry import Retry

TEMPORARY = ".drac-partial"
"""How the names end of what is not complete. Whoever writes it holds its lock."""


@contextlib.contextmanager
def replacing(
    path: Path, check: Callable[[Path], None] = lambda temporary: None
) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the name `path` once it is complete and on disk.

    Its own `name` may be given to whoever writes to names only. What killed processes left in the
    folder is removed first.

    Args:
        path: replaced if it exists.
        check: called with the complete file under its temporary name; what it raises keeps the
            file from taking the other.
    """
    remove_temporary(path.parent)
    descriptor, temporary = _locked_temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would keep colleagues from reading results
        check(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):  # of a file system that has become read-only
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _locked_temporary(path: Path) -> tuple[int, Path]:
    """Make a temporary file for `path` and hold its lock; return its descriptor and its name."""
    while True:
        descriptor, name = tempfile.mkstemp(TEMPORARY, f".{path.name}.", path.parent)
        with contextlib.suppress(OSError):  # of a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if Path(name).exists():
            return descriptor, Path(name)
        os.close(descriptor)  # another process took it for abandoned before it was locked


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk: a power cut may undo a renaming otherwise."""
    with contextlib.suppress(OSError):  # some file systems have no such thing
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_temporary(folder: Path) -> list[Path]:
    """Remove what killed processes left of `replacing` in a folder.

    Returns:
        The files that were removed; none if there is no such folder.
    """
    removed = []
    for path in folder.glob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError, ValueError), untrusted.opened(path, folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails if somebody is writing it
            path.unlink()
            removed.append(path)
    return removed


def unused(path: Path) -> Path:
    """Return `path`, or the first of `path-2`, `path-3`, ... that does not exist."""
    candidates = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(p for p in itertools.chain([path], candidates) if not os.path.lexists(p))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


class Appender:
    """A file that grows by pieces, each of which is there as a whole or not at all.

    Args:
        path: made if needed, and cut back to `position`.
        position: bytes.
        retry: of each write.
    """

    def __init__(self, path: Path, position: int, retry: Retry) -> None:
        self._path, self._position, self._retry = path, position, retry
        self._descriptor = retry(path, self._open)

    def _open(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.ftruncate(descriptor, self._position)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def append(self, content: bytes) -> None:
        """Write a piece at the end."""
        self._retry(self._path, lambda: self._append(content))

    def _append(self, content: bytes) -> None:
        done = 0
        try:
            os.lseek(self._descriptor, self._position, os.SEEK_SET)
            while done < len(content):
                done += os.write(self._descriptor, content[done:])
        except OSError:
            with contextlib.suppress(OSError):  # else the next piece is written over the rest
                os.ftruncate(self._descriptor, self._position)
            raise
        self._position += len(content)

    def position(self) -> int:
        """Bytes written so far, all of them on disk: a checkpoint is about to rely on it."""
        self._retry(self._path, lambda: os.fsync(self._descriptor))
        return self._position

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
