"""Counts as people write them: "25M", "500k", "1e6", "2_048"."""

from __future__ import annotations

import re
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


def _count(value: Any, info: pydantic.ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_count(value)
    except ValueError as error:
        raise ValueError(f"{info.field_name} {error}") from None


Count = Annotated[int, pydantic.BeforeValidator(_count)]
"""An integer that also accepts "25M"."""
