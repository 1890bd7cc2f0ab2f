"""What "auto" becomes, what is recorded about a machine, and the named random streams."""

from __future__ import annotations

import json
import shlex
import sys
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drac import hardware
from drac.config import ConfigError, TrainConfig
from drac.seeding import seed_sequence, stream_seed


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A pretended machine: (CUDA capability or None, CPU flags)."""
    capability, flags = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(hardware, "cpu_info", lambda: {"model name": "toy", "flags": flags})


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ((None, "sse avx512f"), ("cpu", "float32")),
        ((None, ""), ("cpu", "float32")),
        ((None, "sse avx512_bf16"), ("cpu", "bf16")),
        ((None, "amx_bf16"), ("cpu", "bf16")),
        (((7, 5), "avx512_bf16"), ("cuda", "float32")),
        (((8, 0), ""), ("cuda", "bf16")),
        (((9, 0), ""), ("cuda", "bf16")),
    ],
    indirect=["machine"],
)
def test_auto_becomes_what_the_machine_has(machine: None, expected: tuple[str, str]) -> None:
    config = hardware.resolve(TrainConfig(seed=3))
    assert (config.device, config.precision) == expected
    assert config == TrainConfig(seed=3, device=expected[0], precision=expected[1])
    assert hardware.resolve(config) == config


@pytest.mark.parametrize("machine", [((9, 0), "amx_bf16"), (None, "amx_bf16")], indirect=True)
def test_what_was_chosen_stays(machine: None) -> None:
    config = TrainConfig(device="cpu", precision="float32")
    assert hardware.resolve(config) == config


@pytest.mark.parametrize("machine", [(None, "")], indirect=True)
def test_cuda_must_be_there(machine: None) -> None:
    with pytest.raises(ConfigError, match="'cuda' was asked for.*--device cpu"):
        hardware.resolve(TrainConfig(device="cuda"))


def test_the_record_is_json_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ["/somewhere/drac", "train", "--run-dir", "a b", "--arms", "flip(axis='vertical')"]
    monkeypatch.setattr(sys, "argv", argv)
    facts = hardware.describe(TrainConfig(device="cpu", precision="bf16"), "procgen 0.10.7")
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["versions"]["numpy"] == np.__version__
    assert {"python", "kornia", "gymnasium", "procgen-drac"} <= facts["versions"].keys()
    assert facts["procgen_build"] == "procgen 0.10.7"
    assert facts["plugins"] == {}
    assert (facts["device"], facts["precision"]) == ("cpu", "bf16")
    assert facts["threads"] == torch.get_num_threads()
    assert facts["cpu"]
    assert shlex.split(facts["command"]) == ["drac", *argv[1:]]


def test_a_package_that_is_not_there_is_no_error() -> None:
    assert hardware._version("no-such-package-at-all") == "not installed"


def test_the_seeds_of_streams_are_recorded() -> None:
    """Other numbers here would mean that no older run can be repeated."""
    assert stream_seed(0, "env") == 95370834
    assert stream_seed(7, "evaluate", "test", 16384) == 1607791979


@given(root=st.integers(0, 2**64), step=st.integers(0, 2**32 - 1))
def test_a_stream_s_seed_fits_procgen_and_torch(root: int, step: int) -> None:
    seed = stream_seed(root, "evaluate", "test", step)
    assert 0 <= seed < 2**31
    assert seed == stream_seed(root, "evaluate", "test", step)


def test_streams_are_independent() -> None:
    names = [("env",), ("policy",), ("evaluate", "train", 0), ("evaluate", "test", 0), ("env", 0)]
    draws = [
        np.random.default_rng(seed_sequence(root, *name)).random(4)
        for root in (0, 1)
        for name in names
    ]
    assert all(not np.allclose(a, b) for a, b in combinations(draws, 2))
