"""Files that anybody may have written, read within limits. Nothing here imports torch.

Such a file is data and stays data; what it says of its own size, depth or digits is not believed.
A file below a folder from elsewhere is opened without following a link, so that it lies there.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from drac.errors import shown

JSON_LIMIT = 2**20
"""Bytes of a config.json or meta.json; ours have two thousand."""

_DIGITS = 400
"""Of a number. Longer ones take Python quadratic time, and no setting of ours has them."""

_DEPTH = 50
"""Of lists and objects within each other; ours have five."""

_TEXT = 1000
"""Characters of a text that is shown."""

COLUMNS_LIMIT = 1000
"""Columns of a CSV file; ours have some thirty."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe to which nobody writes would wait for ever.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def _descriptor(path: Path, root: Path | None, flags: int) -> int:
    """Open a path; below `root`, which itself may be reached by links, none is followed."""
    if root is None:
        return os.open(path, flags)
    parts = path.relative_to(root).parts
    descriptor = os.open(root, _FOLDER if parts else flags)
    for depth, part in enumerate(parts, start=1):
        above = descriptor
        try:
            how = flags if depth == len(parts) else _FOLDER
            descriptor = os.open(part, how | os.O_NOFOLLOW, dir_fd=above)
        except OSError as error:
            here = root.joinpath(*parts[:depth])
            if here.is_symlink():
                raise OSError(errno.ELOOP, f"{here} is a symbolic link", str(here)) from None
            raise OSError(error.errno, error.strerror, str(here)) from None
        finally:
            os.close(above)
    return descriptor


@contextlib.contextmanager
def opened(path: Path, root: Path | None = None) -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    Args:
        path: the file.
        root: a folder above it, below which no part of the path may be a link: what is there may
            be from elsewhere. None where the user named the file.

    Raises:
        ValueError: if it is a pipe, a device or the like, which may never end.
        OSError: if it cannot be opened, naming the link if there is one.
    """
    descriptor = _descriptor(path, root, _FILE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def names(folder: Path, root: Path) -> list[str]:
    """Return the names in a folder, in order; none if it cannot be read, or is behind a link."""
    try:
        descriptor = _descriptor(folder, root, _FOLDER)
    except OSError:
        return []
    try:
        return sorted(os.listdir(descriptor))  # noqa: PTH208 - pathlib takes no descriptor
    finally:
        os.close(descriptor)


def read(path: Path, limit: int, root: Path | None = None, first: int | None = None) -> bytes:
    """Return the content of a regular file of at most `limit` bytes, or its `first` bytes.

    Args:
        path: the file.
        limit: in bytes.
        root: see `opened`.
        first: how many bytes are wanted; None for all.

    Raises:
        ValueError: if it is a pipe, a device or the like (which may never end), or longer.
        OSError: if it cannot be read.
    """
    with opened(path, root) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise ValueError(f"it has {size:,} bytes, more than the {limit:,} allowed")
        # One more than there should be, as it may have grown since; Python takes the memory first.
        content = file.read(size + 1 if first is None else first)
    if len(content) > limit:
        raise ValueError(f"it has more than the {limit:,} bytes allowed")
    return content


def check_columns(header: Collection[str]) -> None:
    """Check the header of a CSV file; before that, nothing may look for each name in all others.

    Raises:
        ValueError: if it has more than 1,000 columns, or one twice.
    """
    if len(header) > COLUMNS_LIMIT:
        raise ValueError(f"it has {len(header):,} columns, more than the {COLUMNS_LIMIT:,} allowed")
    if len(set(header)) < len(header):
        twice = sorted({name for name in header if [*header].count(name) > 1})
        raise ValueError(f"it has the column {', '.join(map(shown, twice))} twice")


def read_json(path: Path, limit: int = JSON_LIMIT, root: Path | None = None) -> Any:
    """Return what a JSON file of at most `limit` bytes holds; see `read` and `parse_json`.

    Raises:
        ValueError: if it is too large, no regular file, or no JSON.
        OSError: if it cannot be read.
    """
    return parse_json(read(path, limit, root))


def parse_json(content: bytes | str) -> Any:
    """Return what JSON in UTF-8 says, within the standard: no NaN, no Infinity, text that is text.

    Raises:
        ValueError: if it is none, is nested too deeply, or has a number of more than 400 digits.
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    try:
        data = json.loads(text, parse_constant=_constant, parse_int=_integer, parse_float=_fraction)
        # Half of a surrogate pair, which JSON can spell and UTF-8 cannot, breaks any later print.
        json.dumps(data, ensure_ascii=False).encode("utf-8")
        _check_depth(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it has text that is no Unicode") from None
    return data


def _check_depth(data: Any) -> None:
    """Raise RecursionError where whoever prints or walks the data might."""
    level = [data]
    for _ in range(_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise RecursionError


def number(value: Any) -> float:
    """Return a number of JSON; NaN for all else, and for what is larger than anything we count."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= 2**60 else math.nan


def text(value: Any) -> str:
    """Return a text or a number of JSON as a short line that can be printed; "" for all else."""
    if not isinstance(value, str | int | float):
        return ""
    return "".join(c if c.isprintable() else "?" for c in str(value)[:_TEXT])


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _integer(text: str) -> int:
    return int(_short(text))


def _fraction(text: str) -> float:
    number = float(_short(text))
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return number


def _short(text: str) -> str:
    if len(text) > _DIGITS:
        raise ValueError(f"a number has {len(text):,} digits")
    return text
