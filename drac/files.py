"""Files that are whole or absent, and folders that hold nothing foreign."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from drac.errors import ConfigError

_TEMPORARY = re.compile(r"\..+\.(?:json|pt|npz)\.[a-z0-9_]{8}")
"""What `replacing` calls the files of a run before they are complete."""
OWN_FOLDERS = ("checkpoint", "clips", "evaluations")
"""Of a run's folder, whose files are written."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


@contextlib.contextmanager
def replacing(
    path: Path, check: Callable[[Path], None] = lambda temporary: None
) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the name `path` once it is complete and on disk.

    Its own `name` may be given to whoever writes to names only.

    Args:
        path: replaced if it exists.
        check: called with the complete file under its temporary name; what it raises keeps the
            file from taking the other.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
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


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk: a power cut may undo a renaming otherwise."""
    with contextlib.suppress(OSError):  # some file systems have no such thing
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_temporary(folder: Path) -> list[Path]:
    """Remove what a killed process left of `replacing` in a folder, which nobody else may use.

    Returns:
        The files that were removed; none if there is no such folder.
    """
    found = [path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name)]
    removed = [path for path in found if path.is_file() and not path.is_symlink()]
    for path in removed:
        path.unlink()
    return removed


def unused(path: Path) -> Path:
    """Return `path`, or the first of `path-2`, `path-3`, ... that does not exist."""
    candidates = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(p for p in itertools.chain([path], candidates) if not os.path.lexists(p))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def check_name(kind: str, name: str) -> str:
    """Check that an experiment's name is a plain folder name.

    Raises:
        ConfigError: otherwise; "..", "/" and the like would leave the store.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{kind} {name!r} must be letters, digits, '.', '_', '+' or '-', starting with a"
            f" letter or digit"
        )
    return name


def require_writable(folder: Path) -> None:
    """Check that `folder` exists or can be made, and can be written to, without making it.

    Raises:
        ConfigError: naming the folder that is in the way.
    """
    existing = folder
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
    except OSError as error:  # a name that is too long, or a parent that may not be entered
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None
    if not existing.is_dir():
        raise ConfigError(f"{folder} cannot be a run folder: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder} cannot be written: no permission in {existing}")


def require_own(run_dir: Path) -> None:
    """Check that what a run's folder holds are files and folders of its own, if it exists.

    A symbolic link in a folder that came from elsewhere could have a run append to a file outside,
    and opening a pipe could wait for ever. The folder itself may be a link.

    Raises:
        ConfigError: naming what is neither a file nor a folder.
    """
    try:
        for folder in (run_dir, *(run_dir / name for name in OWN_FOLDERS)):
            if folder.is_dir():
                with os.scandir(folder) as entries:
                    for entry in entries:
                        _require_plain(entry)
    except OSError as error:
        raise ConfigError(f"{run_dir} cannot be read: {error.strerror}") from None


def _require_plain(entry: os.DirEntry[str]) -> None:
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        return
    kind = "a symbolic link" if entry.is_symlink() else "a pipe or a device"
    raise ConfigError(f"{entry.path} is {kind}; what is in a run's folder must lie there")
