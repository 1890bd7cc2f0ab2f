"""The state of numpy's generators, in a form that goes through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def kind(rng: np.random.Generator) -> str:
    """Return the name of a generator's algorithm; a saved state fits no other."""
    return type(rng.bit_generator).__name__


def get_state(rng: np.random.Generator) -> dict[str, Any]:
    """Return the state with Python's numbers and lists in place of numpy's."""
    state: dict[str, Any] = _jsonable(rng.bit_generator.state)
    return state


def set_state(rng: np.random.Generator, state: Mapping[str, Any]) -> None:
    """Continue from what `get_state` returned; ValueError for another algorithm's state."""
    rng.bit_generator.state = state


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value
