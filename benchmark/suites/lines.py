"""In which line of a TOML file a key stands, which Python's reader of TOML does not tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[(\[?)\s*({_DOTTED})\s*\]")
_ASSIGNED = re.compile(rf"\s*({_DOTTED})\s*=")

At = tuple[Any, ...]
"""Where something stands: ("options", "steps"), or ("part", 0, "seeds") in the first [[part]]."""


class Lines:
    """The lines of a file's keys and tables.

    Args:
        text: of the file, which is TOML.
    """

    def __init__(self, text: str) -> None:
        self._numbers: dict[At, int] = {}
        table: At = ()
        arrays: Counter[str] = Counter()
        for number, line in enumerate(text.split("\n"), start=1):
            if header := _HEADER.match(line):
                table = _keys(header[2])
                arrays[table[0]] += header[1] == "["
                if arrays[table[0]]:
                    table = (table[0], arrays[table[0]] - 1, *table[1:])
                self._numbers.setdefault(table, number)
            elif key := _ASSIGNED.match(line):
                self._numbers.setdefault((*table, *_keys(key[1])), number)

    def __iter__(self) -> Iterator[At]:
        return iter(self._numbers)

    def of(self, at: At) -> int:
        """Return the line of a key, or of the table that it stands in; 0 if there is none."""
        above = (at[:length] for length in range(len(at), 0, -1))
        return next((self._numbers[part] for part in above if part in self._numbers), 0)


def _keys(dotted: str) -> At:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, dotted))
