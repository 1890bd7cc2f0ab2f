"""The folder of a report: written beside its place and swapped in, and only over a report."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drac.errors import ConfigError
from drac.files import atomic, run_folder, untrusted

MARKER = "report.json"
"""Lies in every report and lists its files: what else is there is somebody's own."""

_MADE_BY = "drac-bench report"


def require_replaceable(out: Path) -> None:
    """Check that a report may be written to `out`, without writing anything.

    Raises:
        ConfigError: if something lies there that no report wrote, or it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; --out must be a folder that does not exist yet")
    run_folder.require_writable(_place(out).parent)
    if not out.exists() or not any(out.iterdir()):
        return
    known = _files_of_a_report(out)
    if known is None:
        raise ConfigError(
            f"{out} is no report (it has no {MARKER} of one) and is not empty: nothing was written;"
            f" choose another --out"
        )
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    if own := sorted(found - known - {MARKER}):
        more = f" and {len(own) - 1} more" if len(own) > 1 else ""
        raise ConfigError(
            f"{out} holds {own[0]}{more}, which no report wrote and a new one would delete:"
            f" move it away, or choose another --out"
        )


def _place(out: Path) -> Path:
    """Return where a folder lies, links resolved; `Path.resolve` raises for one to itself."""
    return Path(os.path.realpath(out))


def _files_of_a_report(folder: Path) -> set[str] | None:
    """Return what the report in a folder consists of; None if there is none."""
    try:
        marker = untrusted.read_json(folder / MARKER, 2**26, folder)
        return set(marker["files"]) if marker["made_by"] == _MADE_BY else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def swapped_in(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `out` once the block has ended well.

    Until then, and if the block fails, an older report stays as it is. What killed commands left
    beside it is removed first.

    Raises:
        ConfigError: see `require_replaceable`.
    """
    require_replaceable(out)
    place = _place(out)
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary, lock = _begin(place)
    try:
        new = temporary / "new"
        new.mkdir()
        yield new
        written = sorted(p.relative_to(new).as_posix() for p in new.rglob("*") if p.is_file())
        marker = {"format": 1, "made_by": _MADE_BY, "files": written}
        atomic.write_text(new / MARKER, json.dumps(marker, indent=1) + "\n")
        require_replaceable(out)  # somebody may have put something there meanwhile
        _swap(new, place, temporary / _OLD)
    finally:
        _remove(temporary, place)
        os.close(lock)


_OLD = "old"
"""Lies in the temporary folder while there is nothing at the report's place."""


def _begin(place: Path) -> tuple[Path, int]:
    """Remove the temporary folders that killed commands left, and make a new one.

    Returns:
        The folder, and the descriptor that holds its lock until it is closed.
    """
    name = re.compile(rf"\.{re.escape(place.name)}\.[a-z0-9_]{{8}}{re.escape(atomic.TEMPORARY)}")
    above = os.open(place.parent, _FOLDER)
    try:
        with contextlib.suppress(OSError):  # of a file system without locks
            fcntl.flock(above, fcntl.LOCK_EX)  # a folder that is new has its lock before we look
        for path in place.parent.glob(f".*{atomic.TEMPORARY}"):
            if name.fullmatch(path.name):
                _remove_abandoned(path, place)
        made = Path(tempfile.mkdtemp(atomic.TEMPORARY, f".{place.name}.", place.parent))
        lock = os.open(made, _FOLDER)
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        return made, lock
    finally:
        os.close(above)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _remove_abandoned(temporary: Path, place: Path) -> None:
    """Remove a temporary folder unless a command works in it, or nobody can tell."""
    lock = os.open(temporary, _FOLDER)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(temporary, place)
    finally:
        os.close(lock)


def _remove(temporary: Path, place: Path) -> None:
    """Remove a temporary folder; a report that was on its way out comes back if none followed."""
    if (temporary / _OLD).exists() and not place.exists():
        (temporary / _OLD).rename(place)
    shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, place: Path, old: Path) -> None:
    """Put a folder in its place; one that is there is at no moment away, where Linux can do so."""
    if not place.exists():
        new.rename(place)
    elif not _exchanged(new, place):
        place.rename(old)
        new.rename(place)
        old.rename(new)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders exchange their names in one step; False if the system cannot."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    names = (here, os.fsencode(one), here, os.fsencode(other))
    return exchange is not None and exchange(*names, flag) == 0
