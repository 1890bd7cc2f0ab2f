"""What was read of runs, kept in RESULTS/index.sqlite: thousands of files are not opened again.

The index is derived. A run is served from it while the files that were read, and the folders that
were looked through, are as they were then: kind, size, inode, and times of change. Whatever is
wrong with it, it is left aside or made anew, and that it cannot be written is no error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmark.store.packing import Unpacker, packed
from benchmark.store.run_record import FILES, RunRecord
from drac.files.run_folder import OWN_FOLDERS

NAME = "index.sqlite"
FORMAT = 3
"""Raised whenever `read_run` finds something else in the same files."""

SETTLED_S = 2.0
"""What has changed since may change again without a later time: it is read again."""

_SCHEMA = (
    "CREATE TABLE runs (id TEXT PRIMARY KEY, signature TEXT NOT NULL, config TEXT NOT NULL,"
    " layout TEXT NOT NULL, facts TEXT NOT NULL, arrays BLOB NOT NULL, checksum INTEGER NOT NULL)"
)
_WAIT_S = 2.0  # for another process that writes

Result = TypeVar("Result")
_Row = tuple[str, str, str, str, bytes, int]


@dataclass(frozen=True)
class State:
    """What a run's files were like, which is before they are read.

    Attributes:
        signature: of their kinds, sizes, inodes and times.
        settled: whether a later change is sure to show.
    """

    signature: str
    settled: bool


def state_of(run_dir: Path | str) -> State:
    """Return what the files of a run's folder are like now; absent ones are part of it."""
    seen: list[Any] = []
    newest = 0
    folder = str(run_dir)
    try:
        present = {"", *os.listdir(folder)}  # noqa: PTH208 - of thousands of runs
    except OSError:
        present = {""}
    for name in ("", *OWN_FOLDERS, *FILES):
        try:
            now = os.lstat(f"{folder}/{name}" if name else folder) if name in present else None
        except OSError:
            now = None
        if now is None:
            seen.append(None)
            continue
        size = 0 if stat.S_ISDIR(now.st_mode) else now.st_size
        seen.append((now.st_mode, now.st_ino, size, now.st_mtime_ns, now.st_ctime_ns))
        newest = max(newest, now.st_mtime_ns)
    signature = hashlib.blake2b(repr(seen).encode(), digest_size=16).hexdigest()
    return State(signature, newest < time.time_ns() - SETTLED_S * 1e9)


class Index:
    """The records of a store's runs, as far as they are known.

    Args:
        root: of the store.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / NAME
        self._prefix = ""
        self._rows: dict[str, _Row] = {}
        self._unpack = Unpacker()
        self._new: list[tuple[str, str, str, str, str, bytes, int]] = []

    def get(self, run: str, state: State) -> RunRecord | None:
        """Return what is known of a run; None if that is nothing, or of other files.

        Args:
            run: its id. Ask for the runs of one method together: their rows are read at once.
            state: of its files.
        """
        prefix = "/".join(run.split("/")[:2]) + "/"
        if prefix != self._prefix:
            self._prefix = prefix
            self._rows = self._used(partial(_rows, prefix=prefix)) or {}
        row = self._rows.get(run)
        if row is None or row[0] != state.signature:
            return None
        try:
            return self._unpack(*row[1:-1]) if _checksum(row[:-1]) == row[-1] else None
        except (ValueError, KeyError, TypeError):  # ours cannot be so
            return None

    def add(self, run: str, state: State, record: RunRecord, run_dir: Path) -> None:
        """Keep what was read of a run, if a later change of its files is sure to be noticed."""
        said = (*record.problems, record.robustness_problem)
        # A message may name a path as the user wrote it; and what cannot be read may be readable
        # later without a change of the file.
        if record.config is None or not state.settled or any(str(run_dir) in text for text in said):
            return
        row = (state.signature, *packed(record, record.config))
        self._new.append((run, *row, _checksum(row)))
        if len(self._new) >= 1000:
            self.save()

    def save(self) -> None:
        """Write what was added, if the index can be written."""
        rows, self._new = self._new, []
        if rows:
            self._used(partial(_insert, rows=rows), write=True)

    def count(self) -> int:
        """Return how many runs it has; 0 if there is none that can be read."""
        return self._used(lambda database: int(_one(database, "SELECT count(*) FROM runs"))) or 0

    def delete(self) -> None:
        """Remove the index, if it can be removed."""
        for path in (self.path, self.path.with_name(f"{NAME}-journal")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _used(
        self, use: Callable[[sqlite3.Connection], Result], write: bool = False
    ) -> Result | None:
        """Return what `use` returns of the open index, None if there is none that can be used.

        A damaged one, or one of another version, is removed, and made anew if something is written.
        """
        if not self._regular() or not (write or self.path.exists()):
            return None
        try:
            with self._opened(write) as database:
                return use(database)
        except sqlite3.OperationalError:  # another process holds it, or read-only, or full
            return None
        except (sqlite3.Error, _AnotherVersion):
            self.delete()
            return self._used(use, write) if write and not self.path.exists() else None

    def _regular(self) -> bool:
        """Whether what is there are files: a store from elsewhere may hold links to others."""
        return all(map(_is_file_or_absent, (self.path, self.path.with_name(f"{NAME}-journal"))))

    @contextlib.contextmanager
    def _opened(self, write: bool) -> Iterator[sqlite3.Connection]:
        uri = f"{self.path.absolute().as_uri()}?mode={'rwc' if write else 'ro'}"
        database = sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None)
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            if write:
                database.execute("BEGIN IMMEDIATE")
            found = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
            tables, version = found.fetchall(), _one(database, "PRAGMA user_version")
            if write and not tables:
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA user_version = {FORMAT}")
            elif (tables, version) != ([(_SCHEMA,)], FORMAT):
                raise _AnotherVersion
            yield database
            if write:
                database.execute("COMMIT")
        finally:
            database.close()  # what was not committed is undone


class _AnotherVersion(Exception):
    """The file is an SQLite database, and not this version's index."""


def _is_file_or_absent(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError as error:
        return isinstance(error, FileNotFoundError)


def _one(database: sqlite3.Connection, query: str) -> Any:
    return database.execute(query).fetchone()[0]


def _rows(database: sqlite3.Connection, prefix: str) -> dict[str, _Row]:
    query = "SELECT * FROM runs WHERE id >= ? AND id < ?"
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return {run: tuple(row) for run, *row in database.execute(query, (prefix, after))}


def _insert(database: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _checksum(row: tuple[str, str, str, str, bytes]) -> int:
    """Return a checksum of a row: SQLite notices damage to its own structure alone."""
    *texts, arrays = row
    return zlib.crc32("".join(texts).encode(), zlib.crc32(arrays))
