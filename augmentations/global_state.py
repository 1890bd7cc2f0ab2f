"""The global generators of torch, numpy and Python: seen, set and put back."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# No seed that somebody would choose: a class that seeds by itself ends up elsewhere.
_ODD_SEED = 982_451_653


@dataclass(frozen=True)
class GlobalState:
    """The states of all global generators; `cuda` has one for each device."""

    cpu: Tensor
    cuda: tuple[Tensor, ...]
    python: Any
    numpy: Any


def capture() -> GlobalState:
    """Return the states as they are."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ()
    return GlobalState(
        torch.get_rng_state(),
        tuple(cuda),
        random.getstate(),
        np.random.get_state(),  # noqa: NPY002
    )


def restore(state: GlobalState) -> None:
    """Set all global generators to what `capture` returned."""
    torch.set_rng_state(state.cpu)
    if state.cuda:
        torch.cuda.set_rng_state_all(state.cuda)
    random.setstate(state.python)
    np.random.set_state(state.numpy)  # noqa: NPY002


def disturb(number: int) -> None:
    """Set all global generators to a state of this number (0 or more), which no seeding gives."""
    torch.manual_seed(_ODD_SEED + number)
    random.seed(_ODD_SEED + number)
    np.random.seed(_ODD_SEED + number)  # noqa: NPY002
    for _ in range(number + 1):
        torch.rand(1)
        random.random()
        np.random.rand()  # noqa: NPY002


def difference(one: GlobalState, other: GlobalState) -> str | None:
    """Return which generator is in another state, or None."""
    if not torch.equal(one.cpu, other.cpu):
        return "torch's global generator"
    if not all(map(torch.equal, one.cuda, other.cuda)):
        return "torch's global generator on CUDA"
    if one.python != other.python:
        return "the global generator of Python's random"
    if not all(map(np.array_equal, one.numpy, other.numpy)):
        return "numpy's global generator"
    return None


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Put the global generators back afterwards, whatever happens."""
    before = capture()
    try:
        yield
    finally:
        restore(before)
