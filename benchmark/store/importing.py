"""Runs from another machine, brought into a store: checked first, and each whole or not at all."""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO

from benchmark.store.store import Store, spec_of
from benchmark.suites import RunSpec
from drac.errors import ConfigError, shown
from drac.files import lock, run_folder, untrusted

STAGING = ".importing-"
"""Beginning of the folder, in the store's runs, in which a run is put together."""

_ENTRIES = 2_000_000
_CHUNK = 2**20
_BROKEN = (tarfile.TarError, EOFError, ValueError, OverflowError, zlib.error, lzma.LZMAError)
"""What reading a damaged tar file may raise, beside OSError."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        name: the run, or its place in the source where it has no name.
        refused: why it was left out; "" if it was brought in.
        lacks: what keeps it from being complete.
        there: it was left out because the store has it already, with the same files.
    """

    name: str
    refused: str = ""
    lacks: tuple[str, ...] = ()
    there: bool = False


@dataclass
class _Found:
    """A run in the source: path below its folder -> size in bytes; what speaks against it."""

    files: dict[str, int] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True)
class _Entry:
    """What lies in the source: "file", "folder", or in words what may not be there."""

    path: PurePosixPath
    kind: str
    size: int
    opened: Callable[[], contextlib.AbstractContextManager[IO[bytes] | None]]


def import_runs(source: Path, store: Store, experiment: str | None = None) -> list[Outcome]:
    """Bring the runs of a folder or a tar file into a store.

    A run is a folder METHOD/GAME/seedK with a config.json that says the same; its experiment is the
    folder above. Checkpoints are copied as they are: whoever continues from one checks it.

    Args:
        source: a store, a part of one, or a tar file of either.
        store: whose runs are never overwritten.
        experiment: the name for all; None keeps theirs.

    Returns:
        What became of each run.

    Raises:
        ConfigError: if the source cannot be read, has a path that leads outside, holds no runs, or
            more than the disk has room for. Nothing is written then.
    """
    found = _survey(source, experiment)
    if not found:
        more = "" if experiment else ", or --experiment NAME for METHOD/GAME/seedK alone"
        raise ConfigError(f"{source} holds no runs: EXPERIMENT/METHOD/GAME/seedK{more}")
    run_folder.require_writable(store.runs)
    store.runs.mkdir(parents=True, exist_ok=True)
    size = sum(sum(run.files.values()) for run in found.values() if not run.refused)
    if size > (free := shutil.disk_usage(store.runs).free):
        raise ConfigError(f"{source} holds runs of {size:,} bytes, but {free:,} are free")
    with tempfile.TemporaryDirectory(prefix=STAGING, dir=store.runs) as staging:
        copies = Store(Path(staging))
        _copy(source, experiment, found, copies)
        return [
            Outcome(spec.id, run.refused) if run.refused else _settle(spec, copies, store)
            for spec, run in sorted(found.items())
        ]


def _survey(source: Path, experiment: str | None) -> dict[RunSpec, _Found]:
    """Return the runs of a source, without writing anything."""
    found: dict[RunSpec, _Found] = defaultdict(_Found)
    for number, entry in enumerate(_entries(source)):
        if number >= _ENTRIES:
            raise ConfigError(f"{source} has more than {_ENTRIES:,} files and folders")
        if (place := _place(entry.path, experiment)) is None:
            continue
        run, inside = found[place[0]], place[1]
        if entry.kind not in ("file", "folder"):
            run.refused = f"{inside or 'its folder'} is {entry.kind}"
        elif entry.kind == "file" and not _ours(inside):
            run.refused = f"{shown(inside)} is no file of a run"
        elif entry.kind == "file" and inside in run.files:
            run.refused = f"{inside} is there twice"
        elif entry.kind == "file":
            run.files[inside] = entry.size
    return {spec: run for spec, run in found.items() if run.refused or "config.json" in run.files}


def _place(path: PurePosixPath, experiment: str | None) -> tuple[RunSpec, str] | None:
    """Return the run that a path belongs to, and the path below its folder; None if to none."""
    parts = path.parts
    for end in range(len(parts), 2 if experiment else 3, -1):
        name = experiment or parts[end - 4]
        spec = spec_of(name, *parts[end - 3 : end])
        if spec is not None and run_folder.NAME.fullmatch(name):
            inside = parts[end:]
            # Locks, and what was being written, are hidden files and stay.
            return None if any(p.startswith(".") for p in inside) else (spec, "/".join(inside))
    return None


def _ours(inside: str) -> bool:
    *folders, name = inside.split("/")
    known = not folders or (len(folders) == 1 and folders[0] in run_folder.OWN_FOLDERS)
    return known and bool(run_folder.NAME.fullmatch(name))


def _copy(
    source: Path, experiment: str | None, found: Mapping[RunSpec, _Found], copies: Store
) -> None:
    """Copy the files of the runs that nothing speaks against; note what then does."""
    for entry in _entries(source):
        place = _place(entry.path, experiment)
        if entry.kind != "file" or place is None or place[0] not in found:
            continue
        run, inside = found[place[0]], place[1]
        if run.refused or inside not in run.files:
            continue
        path = copies.run_dir(place[0]) / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                for content in _contents(entry, run.files[inside]):
                    file.write(content)
        except _UnreadableError as error:
            run.refused = f"{inside} cannot be read ({error})"


class _UnreadableError(Exception):
    """A file of the source cannot be read to its end."""


def _contents(entry: _Entry, size: int) -> Iterator[bytes]:
    """Yield `size` bytes of a file, in pieces."""
    left = size
    try:
        with entry.opened() as file:
            while file and left and (content := file.read(min(_CHUNK, left))):
                yield content
                left -= len(content)
    except (*_BROKEN, OSError) as error:
        raise _UnreadableError(error) from None
    if left:
        raise _UnreadableError(f"{left:,} bytes are missing")


def _settle(spec: RunSpec, copies: Store, store: Store) -> Outcome:
    """Check a run that has been copied, and give it its place."""
    copied, place = copies.run_dir(spec), store.run_dir(spec)
    record = copies.read(spec)
    if record.config is None or record.damage or record.robustness_problem:
        why = "; ".join(
            [*record.damage, record.robustness_problem] if record.config else record.problems
        )
        return Outcome(spec.id, why.strip("; ").replace(f"{copied}/", ""))
    named = RunSpec(spec.experiment, record.config.method, record.config.game, record.config.seed)
    if named != spec:
        return Outcome(spec.id, f"its config.json is that of {named.id}")
    if os.path.lexists(place):
        same = _same(copied, place, store.runs)
        more = "" if same else " with other results, and nothing is overwritten"
        return Outcome(spec.id, f"it is there already{more}", there=same)
    try:
        run_folder.require_plain(place, store.runs)
        place.parent.mkdir(parents=True, exist_ok=True)
        copied.rename(place)
    except (OSError, ConfigError) as error:
        return Outcome(spec.id, str(error))
    return Outcome(spec.id, lacks=record.problems)


def _same(copied: Path, place: Path, root: Path) -> bool:
    """Whether a run's settings and results are there already."""

    def content(path: Path, above: Path) -> bytes:
        with contextlib.suppress(OSError, ValueError):
            return untrusted.read(path, 2**30, above)
        return b""

    names = ("config.json", "progress.csv", "arms.csv", "eval.csv")
    return all(content(copied / n, copied) == content(place / n, root) for n in names)


def _entries(source: Path) -> Iterator[_Entry]:
    """Yield what is in a source.

    Raises:
        ConfigError: if it cannot be read, or has a path that leads outside.
    """
    if source.is_dir():
        yield from _of_folder(source)
        return
    try:
        with untrusted.opened(source) as file, tarfile.open(fileobj=file) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise ConfigError(f"{source} has a path that leads outside: {shown(str(path))}")
                kind = "file" if member.isreg() else "folder" if member.isdir() else "a device"
                kind = "a link" if member.issym() or member.islnk() else kind
                yield _Entry(path, kind, member.size, partial(_member, archive, member))
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror or error}") from None
    except _BROKEN as error:
        raise ConfigError(
            f"{source} is no folder, and no tar file that can be read ({error})"
        ) from None


def _member(
    archive: tarfile.TarFile, member: tarfile.TarInfo
) -> contextlib.AbstractContextManager[IO[bytes] | None]:
    return archive.extractfile(member) or contextlib.nullcontext()


def _of_folder(source: Path) -> Iterator[_Entry]:
    """Yield what is in a folder; its own place tells the experiment of a part of a store."""
    above = PurePosixPath(source.resolve())
    inside = (Path(top, name) for top, *names in os.walk(source) for name in chain(*names))
    for path in chain([source], inside):
        mode = path.stat().st_mode if path == source else path.lstat().st_mode
        kind = "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "a device"
        kind = "a link" if stat.S_ISLNK(mode) else kind
        if kind == "folder" and lock.in_use(path):
            kind = "in the hands of a process that trains it"
        size = path.stat().st_size if kind == "file" else 0
        yield _Entry(
            above / path.relative_to(source), kind, size, partial(untrusted.opened, path, source)
        )
