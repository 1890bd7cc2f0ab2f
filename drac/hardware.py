"""What the run runs on: the automatic choices, and the record of it in meta.json."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from drac.config import TrainConfig
from drac.errors import ConfigError


def cpu_info() -> dict[str, str]:
    """Return `model name` and `flags` of the first processor, empty where unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {"model name": platform.processor(), "flags": ""}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def has_native_bf16(device: str) -> bool:
    """Whether the device multiplies bf16 in hardware, by its capability flags."""
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    flags = cpu_info().get("flags", "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def resolve(config: TrainConfig) -> TrainConfig:
    """Replace "auto" in device and precision by what this machine has.

    Raises:
        ConfigError: if CUDA is asked for and absent, or the network is to be compiled without it.
    """
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise ConfigError(
            "device 'cuda' was asked for, but torch finds no CUDA device here; use --device cpu"
        )
    device = config.device
    if device == "auto":
        device = "cuda" if available else "cpu"
    if config.compile and device == "cpu":
        raise ConfigError(
            "compile is for CUDA: on CPU the network is slower compiled than as it is"
        )
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if has_native_bf16(device) else "float32"
    threads = config.threads
    if threads == "auto":
        # On CUDA a second thread would only help to copy frames, and spin against Procgen's.
        threads = 1 if device == "cuda" else torch.get_num_threads()
    groups = config.env_groups
    if groups == "auto":
        groups = 2 if device == "cuda" and config.num_envs % 2 == 0 else 1
    return config.model_copy(
        update={"device": device, "precision": precision, "threads": threads, "env_groups": groups}
    )


FRAME_BYTES = 64 * 64 * 3


def require_memory(config: TrainConfig) -> None:
    """Check that the machine's memory can hold a rollout's frames, at least.

    Raises:
        ConfigError: if not; the message says how much they take.
    """
    if config.device == "cuda":
        _, there = torch.cuda.mem_get_info()
    else:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = config.rollout_size * FRAME_BYTES
    if needed > there:
        raise ConfigError(
            f"the frames of one rollout, num_envs {config.num_envs} x num_steps {config.num_steps},"
            f" take {needed / 1e9:,.1f} GB and {config.device} has {there / 1e9:,.1f} GB of memory;"
            f" choose fewer"
        )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error is the machine's memory, or the GPU's, being used up."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def procgen_threads(config: TrainConfig) -> int:
    """Return how many threads Procgen steps each group of envs with; results do not depend on it.

    On CPU as many as the network has, as the two take turns; a single one is the caller's own (0).
    On CUDA the groups share the cores.
    """
    if config.device == "cpu":
        return 0 if config.threads == 1 else int(config.threads)
    return max(1, cores() // int(config.env_groups))


def evaluation_threads(device: str) -> int:
    """Return how many threads Procgen steps the envs of an evaluation with; 0: the caller's own.

    On CPU as many as the network has; on CUDA all cores.
    """
    number = cores() if device == "cuda" else torch.get_num_threads()
    return 0 if number == 1 else number


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return an array as a tensor on a device; on CUDA it is fetched while the CPU goes on."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def use(config: TrainConfig) -> None:
    """Set this process up for a run: threads, TF32, and memory that is kept for the next step."""
    torch.set_num_threads(int(config.threads))
    torch.backends.cuda.matmul.allow_tf32 = config.tf32
    torch.backends.cudnn.allow_tf32 = config.tf32
    if config.device == "cpu":
        keep_freed_memory()


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # <malloc.h>
_MADV_HUGEPAGE = 14  # <linux/mman.h>
_HUGE_PAGE = 2**21
_HEAP = 2**30
"""Bytes of the heap, of addresses and not of memory, that may be backed by huge pages."""


def keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next allocation, in place of giving it back.

    Every micro-batch makes temporaries of tens of megabytes. By default each is mapped anew, and
    its page faults cost a fifth to a quarter of a training step on CPU (docs/performance.md).
    Linux is asked to back that memory by huge pages. Does nothing where the C library is another.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    libc.free.argtypes = (ctypes.c_void_p,)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if begin := libc.malloc(_HEAP):  # no page of it is touched; freed, it stays the heap's
        libc.free(begin)
        first = -(-begin // _HUGE_PAGE) * _HUGE_PAGE
        libc.madvise(first, begin + _HEAP - first - _HUGE_PAGE, _MADV_HUGEPAGE)
