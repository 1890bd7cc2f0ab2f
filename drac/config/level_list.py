"""Levels as people list them: "7", "0-199", "5,9,30-40"."""

from __future__ import annotations

import re

from drac.errors import ConfigError, shown

ALL = "all"
"""What `levels` is where a run trains on the full distribution, as the test split has it."""

_PART = re.compile(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?")


def training_levels(text: str) -> str:
    """Return "A-B" or `ALL` in their one spelling.

    Raises:
        ValueError: for anything else, or an empty range.
    """
    if text.strip() == ALL:
        return ALL
    match = re.fullmatch(r"\s*(\d{1,10})\s*-\s*(\d{1,10})\s*", text)
    if not match:
        raise ValueError(f"levels {shown(text)} must be A-B with 0 <= A <= B, e.g. 0-199, or all")
    first, last = int(match[1]), int(match[2])
    if first > last:
        raise ValueError(f"levels {text!r} are empty: the first must not exceed the last")
    if last >= 2**31 - 1:
        raise ValueError(f"levels {text!r} must lie below {2**31 - 1}")
    return f"{first}-{last}"


def parse_levels(text: str, most: int) -> tuple[int, ...]:
    """Read a list of levels and of ranges, whose ends are both included.

    Args:
        text: such as "5,9,30-40".
        most: how many there may be.

    Returns:
        The levels in the order of the text.

    Raises:
        ConfigError: for anything else, an empty range, a level named twice, or too many.
    """
    levels: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise ConfigError(
                f"levels {shown(text)} must be levels and ranges A-B, separated by commas,"
                f" e.g. 0-199 or 5,9,30-40"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last or last >= 2**31 - 1:
            why = "is empty" if first > last else f"must lie below {2**31 - 1}"
            raise ConfigError(f"levels {shown(text)}: {part.strip()} {why}")
        if len(levels) + last - first >= most:
            raise ConfigError(f"levels {shown(text)} are more than {most:,}, which is the most")
        if twice := levels.keys() & range(first, last + 1):
            raise ConfigError(f"levels {shown(text)} name level {min(twice)} twice")
        levels |= dict.fromkeys(range(first, last + 1))
    return tuple(levels)
