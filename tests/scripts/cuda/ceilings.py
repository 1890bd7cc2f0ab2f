"""What a GPU and its machine can do at most: cores, copies in its memory, one bf16 product.

python tests/scripts/cuda/ceilings.py
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from statistics import median

import numpy
import torch

REPEATS = 10


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of some work, after three calls to warm up."""
    for _ in range(3):
        work()
    times = []
    for _ in range(REPEATS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return median(times)


def main() -> None:
    """Measure."""
    print(
        f"python {platform.python_version()}, torch {torch.__version__}, numpy {numpy.__version__}"
    )
    print(f"{len(os.sched_getaffinity(0))} cores, cuDNN {torch.backends.cudnn.version()}")
    properties = torch.cuda.get_device_properties(0)
    print(f"{properties.name}, {properties.total_memory / 1e9:.0f} GB")
    one = torch.randn(2**31 // 4, device="cuda")
    other = torch.empty_like(one)
    copy_ms = milliseconds(lambda: other.copy_(one))
    print(f"copy of 2 GiB: {2 * 2**31 / copy_ms / 1e6:,.0f} GB/s, read and written")
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in "ab")
    product_ms = milliseconds(lambda: a @ b)
    print(f"bf16 product of 8192: {2 * 8192**3 / product_ms / 1e9:,.0f} TFLOP/s")


if __name__ == "__main__":
    main()
