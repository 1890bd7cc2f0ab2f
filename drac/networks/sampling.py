"""Actions drawn from categorical policies, and the context in which the network runs.

The random numbers of a draw are made first and for all rows at once, so that what is drawn does
not depend on how the rows are then cut: into micro-batches, or into groups of envs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from augmentations import as_float
from drac.errors import NonFinite
from drac.networks.impala import ActorCritic


def draw_noise(num_rows: int, num_actions: int, generator: torch.Generator) -> Tensor:
    """Return exponential noise (num_rows, num_actions), float32, on the generator's device."""
    noise = torch.empty(num_rows, num_actions, device=generator.device)
    return noise.exponential_(generator=generator)


def pick_actions(logits: Tensor, noise: Tensor) -> Tensor:
    """Sample from categorical policies by the exponential race, without waiting for a GPU.

        argmax_a pi(a|s) / E_a,  E_a ~ Exp(1)

    This is how `torch.multinomial` draws one sample, and with its bits.

    Args:
        logits: (B, A).
        noise: (B, A), of `draw_noise`.

    Returns:
        (B,) int64.
    """
    return (logits.softmax(dim=1) / noise).argmax(dim=1)


def sample_actions(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Sample from categorical policies: logits (B, A) -> actions (B,) int64.

    Raises:
        NonFinite: if there is a policy that is NaN.
    """
    if logits.softmax(dim=1).isnan().any():
        raise NonFinite("the policy is NaN or infinite")
    return pick_actions(logits, draw_noise(logits.shape[0], logits.shape[1], generator))


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which the network runs: bf16 for "bf16", else as the weights are."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def act(network: ActorCritic, precision: str, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sample actions: what a group of envs is served with.

    Args:
        network: the policy.
        precision: "float32" or "bf16".
        inputs: `obs` (n, H, W, 3) uint8, `noise` (n, A) of `draw_noise`, and the network's memory.

    Returns:
        `actions` (n,) int64, `values` (n,), `log_probs` (n,), and of the memory what is carried on.
    """
    memory = dict(inputs)
    obs, noise = memory.pop("obs"), memory.pop("noise")
    with autocast(obs.device, precision):
        logits, values, carried = network.advance(as_float(obs.permute(0, 3, 1, 2)), memory)
    actions = pick_actions(logits, noise)
    log_probs = logits.log_softmax(1).gather(1, actions[:, None]).squeeze(1)
    return {"actions": actions, "values": values, "log_probs": log_probs, **carried}
