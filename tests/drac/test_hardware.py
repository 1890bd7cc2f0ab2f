"""What "auto" becomes, what is recorded about a machine, and the named random streams."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drac import hardware
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.runs import provenance
from drac.seeding import seed_sequence, stream_seed


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A pretended machine: (CUDA capability or None, CPU flags)."""
    capability, flags = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(hardware, "cpu_info", lambda: {"model name": "toy", "flags": flags})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)


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
    device, precision = expected
    rest = {"threads": 5, "env_groups": 1}
    if device == "cuda":
        rest = {"threads": 1, "env_groups": 2}
    assert config == TrainConfig(seed=3, device=device, precision=precision, **rest)
    assert hardware.resolve(config) == config


@pytest.mark.parametrize("machine", [((9, 0), "amx_bf16"), (None, "amx_bf16")], indirect=True)
def test_what_was_chosen_stays(machine: None) -> None:
    config = TrainConfig(device="cpu", precision="float32", threads=3, env_groups=4)
    assert hardware.resolve(config) == config


def test_an_odd_number_of_envs_stays_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert hardware.resolve(TrainConfig(num_envs=64)).env_groups == 2
    assert hardware.resolve(TrainConfig(num_envs=63, minibatches=3)).env_groups == 1


def test_procgen_gets_threads_that_do_not_fight_the_networks() -> None:
    def threads(**options: Any) -> int:
        return hardware.procgen_threads(hardware.resolve(TrainConfig(device="cpu", **options)))

    assert threads(threads=1) == 0  # the caller's own: two single-threaded runs share two cores
    assert threads(threads=5) == 5
    on_cuda = TrainConfig(device="cuda", env_groups=2)
    cores = len(os.sched_getaffinity(0))
    assert hardware.procgen_threads(on_cuda) == max(1, cores // 2)


def test_an_evaluation_steps_its_envs_with_all_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert hardware.evaluation_threads("cuda") == 16
    assert hardware.evaluation_threads("cpu") == 3
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert hardware.evaluation_threads("cpu") == 0  # the caller's own


def test_a_run_sets_the_process_up(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    monkeypatch.setattr(hardware, "keep_freed_memory", lambda: kept.append(True))
    before = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    try:
        for tf32 in (True, False):
            hardware.use(TrainConfig(device="cpu", threads=2, tf32=tf32))
            assert torch.get_num_threads() == 2
            assert torch.backends.cudnn.allow_tf32 is tf32
            assert torch.backends.cuda.matmul.allow_tf32 is tf32
    finally:
        torch.set_num_threads(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
        torch.backends.cuda.matmul.allow_tf32 = False
    assert kept == [True, True]


_FAULTS = """
import resource, sys, torch
from drac import hardware
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    hardware.keep_freed_memory()
def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)  # 64 MiB: 16,384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(10)
print(faults(10))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_freed_memory_is_kept() -> None:
    """Once warm, big temporaries cost no page faults; left alone, each of them costs thousands."""
    faults = {
        kind: int(
            subprocess.run(
                [sys.executable, "-c", _FAULTS, kind], capture_output=True, text=True, check=True
            ).stdout
        )
        for kind in ("kept", "left")
    }
    assert faults["kept"] < 5_000 < faults["left"]


@pytest.mark.parametrize("machine", [(None, "")], indirect=True)
def test_cuda_must_be_there(machine: None) -> None:
    with pytest.raises(ConfigError, match="'cuda' was asked for.*--device cpu"):
        hardware.resolve(TrainConfig(device="cuda"))


def test_the_record_is_json_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ["/somewhere/drac", "train", "--run-dir", "a b", "--arms", "flip(axis='vertical')"]
    monkeypatch.setattr(sys, "argv", argv)
    facts = provenance.describe(TrainConfig(device="cpu", precision="bf16"), "procgen 0.10.7")
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
    for package, program in (("drac", "drac"), ("benchmark", "drac-bench")):  # python -m
        monkeypatch.setattr(sys, "argv", [f"/x/{package}/cli.py", "train"])
        assert (
            provenance.describe(TrainConfig(device="cpu"), "here")["command"] == f"{program} train"
        )


def test_a_package_that_is_not_there_is_no_error() -> None:
    assert provenance.version("no-such-package-at-all") == "not installed"


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
