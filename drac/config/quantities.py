"""Counts as people write them: "25M", "500k", "1e6", "2_048"; times and sizes."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Any

import pydantic

from drac.errors import shown


def parse_count(text: str) -> int:
    """Read a count the way people write it: "25M", "500k", "1e6", "2_048".

    Raises:
        ValueError: if the text is no whole number from 0 to 2**53.
    """
    match = _COUNT.fullmatch(text.strip())
    if match and len(text) <= 40:
        factor = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}[match.group(2).lower()]
        number = Fraction(match.group(1).replace("_", "")) * factor  # exact: 1.001k is 1001
        if number.denominator == 1 and number <= 2**53:
            return number.numerator
    allowed = "a whole number from 0 to 2^53; write 25M, 500k, 1e6 or 2048"
    raise ValueError(f"{shown(text)} is not {allowed}")


_COUNT = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?(?:[eE]\+?[0-9]{1,3})?)([kKmMbB]?)")


def count_text(number: int) -> str:
    """Return a count in its shortest form that `parse_count` reads: "25M", "16k", "2048"."""
    texts = (str(number), f"{number / 1e6:.9g}M", f"{number / 1e3:.9g}k")
    return min((t for t in texts if _COUNT.fullmatch(t) and parse_count(t) == number), key=len)


def number_of(count: int, noun: str) -> str:
    """Return "1 run", "2 runs" or "1,000 runs"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


SHOWN = 8
"""How many runs or cells a note lists before it says "and 12 more"."""


def shortened(items: Iterable[str], most: int = SHOWN) -> str:
    """Join the first few items, and say how many more there are."""
    words = list(items)
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def duration(seconds: float) -> str:
    """Return a time as h:mm:ss, such as "0:03:15" or "30:00:00"."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def size_of(number: float) -> str:
    """Return bytes as "23 MB" or "1.2 GB"."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


def _count(value: Any, info: pydantic.ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_count(value)
    except ValueError as error:
        raise ValueError(f"{info.field_name} {error}") from None


Count = Annotated[int, pydantic.BeforeValidator(_count)]
"""An integer that also accepts "25M"."""


_MINUTES = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,3})?)\s*(?:m|min|minutes?)?")
_STEPS = re.compile(r"(.+?)[\s-]*steps?")
_ALLOWED = "must be minutes, such as 10 or 2.5m, or environment steps, such as 500k-steps"


def parse_interval(value: Any) -> float | str:
    """Read how often something is done.

    Args:
        value: a number of minutes, or text: "10", "10m", "2.5 min"; "500k-steps", "65536 steps".

    Returns:
        Minutes, at least 0 (whenever it is possible), or the steps as "500000steps", at least 1.

    Raises:
        ValueError: for anything else. "10M" is refused: it may be meant as either.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value <= sys.float_info.max:  # neither NaN nor an integer beyond all floats
            return float(value)
    elif isinstance(value, str) and len(value) <= 40:
        text = value.strip()
        if match := _MINUTES.fullmatch(text):
            return parse_interval(float(match.group(1)))
        if match := _STEPS.fullmatch(text):
            try:
                count = parse_count(match.group(1))
            except ValueError:
                count = 0
            if count > 0:
                return f"{count}steps"
    raise ValueError(f"{shown(value)} {_ALLOWED}")


def passed(every: int, before: int, now: int) -> bool:
    """Whether a multiple of `every` lies after `before`, up to `now`; none does of 0."""
    return every > 0 and now // every > before // every


def interval_steps(interval: float | str) -> int:
    """Return the steps of what `parse_interval` returned; 0 if it is minutes."""
    return int(interval.removesuffix("steps")) if isinstance(interval, str) else 0


def interval_minutes(interval: float | str) -> float:
    """Return the minutes of what `parse_interval` returned; infinite if it is steps."""
    return interval if isinstance(interval, float) else math.inf


def _interval(value: Any, info: pydantic.ValidationInfo) -> float | str:
    try:
        return parse_interval(value)
    except ValueError as error:
        raise ValueError(f"{info.field_name} {error}") from None


Interval = Annotated[float | str, pydantic.PlainValidator(_interval)]
"""Minutes as a float, or steps as "500000steps"; also accepts what `parse_interval` reads."""
