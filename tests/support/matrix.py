"""Large matrices of parameters: a sample for `make test`, all of them for `make test-all`."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest


def sampled(values: Iterable[Any], kept: Container[Any]) -> list[Any]:
    """The values as parameters of a test; `make test` leaves out those that are not in `kept`."""
    return [v if v in kept else pytest.param(v, marks=pytest.mark.full) for v in values]
