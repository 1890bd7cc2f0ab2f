"""Files that anybody may have written, read within limits. Nothing here imports torch.

Such a file is data and stays data; what it says of its own size, depth or digits is not believed.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

JSON_LIMIT = 2**20
"""Bytes of a config.json or meta.json; ours have two thousand."""

_DIGITS = 400
"""Of a number. Longer ones take Python quadratic time, and no setting of ours has them."""


def read(path: Path, limit: int, first: int | None = None) -> bytes:
    """Return the content of a regular file of at most `limit` bytes, or its `first` bytes.

    Raises:
        ValueError: if it is a pipe, a device or the like (which may never end), or longer.
        OSError: if it cannot be read.
    """
    # Without O_NONBLOCK, opening a pipe to which nobody writes would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is no regular file")
        if about.st_size > limit:
            raise ValueError(f"it has {about.st_size:,} bytes, more than the {limit:,} allowed")
        # One more than there should be, as it may have grown since; Python takes the memory first.
        content = file.read(about.st_size + 1 if first is None else first)
    if len(content) > limit:
        raise ValueError(f"it has more than the {limit:,} bytes allowed")
    return content


def read_json(path: Path, limit: int = JSON_LIMIT) -> Any:
    """Return what a JSON file of at most `limit` bytes holds; see `parse_json`.

    Raises:
        ValueError: if it is too large, no regular file, or no JSON.
        OSError: if it cannot be read.
    """
    return parse_json(read(path, limit))


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
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it has text that is no Unicode") from None
    return data


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
