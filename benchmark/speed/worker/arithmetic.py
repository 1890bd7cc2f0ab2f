"""What the network's arithmetic amounts to, and how fast this machine multiplies matrices."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from drac.networks import ActorCritic

SIDE = 2048
"""Rows and columns of the matrices."""


def flop(network: ActorCritic, obs_shape: tuple[int, int, int]) -> tuple[float, float]:
    """Count the floating-point operations of one image: forward, and forward and backward."""
    network = copy.deepcopy(network)
    image = torch.zeros(1, *obs_shape, device=network.fc.weight.device)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        network(image)
    with FlopCounterMode(display=False) as both:
        logits, value = network(image)
        (logits.sum() + value.sum()).backward()
    return float(forward.get_total_flops()), float(both.get_total_flops())


@dataclass(frozen=True)
class Rates:
    """10^9 floating-point operations per second of square matrix products."""

    best: float
    mean: float


def matmul_rates(device: torch.device, precision: str, seconds: float, side: int = SIDE) -> Rates:
    """Multiply matrices for `seconds`, after one second to warm up.

    Args:
        device: where.
        precision: "float32" or "bf16".
        seconds: at least this long, and at least one product.
        side: rows and columns.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(one)
    # On a GPU a product is over before the next is launched: wait after many.
    number = 50 if device.type == "cuda" else 1

    def timed() -> float:
        begun = time.perf_counter()
        for _ in range(number):
            torch.mm(one, other, out=out)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - begun) / number

    def for_seconds(limit: float) -> list[float]:
        until = time.perf_counter() + limit
        found = [timed()]
        while time.perf_counter() < until:
            found.append(timed())
        return found

    for_seconds(min(1.0, seconds))
    found = for_seconds(seconds)
    work = 2 * side**3 / 1e9
    return Rates(best=work / min(found), mean=work * len(found) / sum(found))
