"""Settings and fixtures of the tests of drac."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tiny_runs import tiny  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads; so small a network is faster with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def float64_images() -> Iterator[None]:
    """Have images scaled to float64, so that rounding cannot hide a difference."""
    from small_updates import images_in_float64

    with images_in_float64():
        yield
