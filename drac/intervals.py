"""How often to save: in minutes, or in environment steps. Nothing here imports torch."""

from __future__ import annotations

import math
import re
import sys
from typing import Annotated, Any

import pydantic

from drac.counts import parse_count
from drac.errors import shown

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


def steps(interval: float | str) -> int:
    """Return the steps of what `parse_interval` returned; 0 if it is minutes."""
    return int(interval.removesuffix("steps")) if isinstance(interval, str) else 0


def minutes(interval: float | str) -> float:
    """Return the minutes of what `parse_interval` returned; infinite if it is steps."""
    return interval if isinstance(interval, float) else math.inf


def _interval(value: Any, info: pydantic.ValidationInfo) -> float | str:
    try:
        return parse_interval(value)
    except ValueError as error:
        raise ValueError(f"{info.field_name} {error}") from None


Interval = Annotated[float | str, pydantic.PlainValidator(_interval)]
"""Minutes as a float, or steps as "500000steps"; also accepts what `parse_interval` reads."""
