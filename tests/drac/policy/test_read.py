"""What evaluate and watch compute with: the run's own precision, on this machine's threads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_runs import small_run

from drac import policy
from drac.policy.read import read_agent


@pytest.fixture(autouse=True)
def flags() -> Iterator[None]:
    """TF32 as torch comes, on in cuDNN; put back at the end."""
    kinds = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [kind.allow_tf32 for kind in kinds]
    torch.backends.cudnn.allow_tf32 = True
    yield
    for kind, value in zip(kinds, before, strict=True):
        kind.allow_tf32 = value


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_an_agent_computes_as_in_training(tmp_path: Path, tf32: bool, exact: bool) -> None:
    threads = torch.get_num_threads()
    config = small_run(tmp_path / "run", tf32=tf32, threads=7)
    exported = tmp_path / "policy.safetensors"
    policy.export(tmp_path / "run", exported)
    for run in (tmp_path / "run", exported):
        torch.backends.cudnn.allow_tf32 = True
        read_agent(run, config, "cpu", "drac evaluate", exact=exact)
        expected = tf32 and not exact
        assert torch.backends.cudnn.allow_tf32 == expected
        assert torch.backends.cuda.matmul.allow_tf32 == expected
        assert torch.get_num_threads() == threads
