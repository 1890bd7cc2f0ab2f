"""How far a GPU's gradients in float32 are from those in float64 on the CPU, and what decides it.

The first gradients of PPO's update, on real frames and on frames with noise of 16 of 255, with
cuDNN as it comes, without it, with its deterministic algorithms, with TF32 and with torch's own
kernels; beside float32 on the CPU. "Whole" is the error of the two minibatches' gradients, "worst"
that of the tensor that is furthest off in the first, each over the norm of what is wanted.

    python tests/scripts/cuda/gradients.py
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from unittest import mock

import torch
from torch.backends import cudnn

from benchmark.speed.worker import parity
from benchmark.speed.worker.parity import Weights
from drac import hardware
from drac.config import TrainConfig, build
from drac.networks import fused
from drac.rollout import Rollout

SIZES = {"num_envs": 8, "num_steps": 32, "micro_batch": 3, "env_groups": 1, "precision": "float32"}


def noised(rollout: Rollout) -> Rollout:
    """Return a copy with noise on its frames."""
    made = copy.copy(rollout)
    generator = torch.Generator().manual_seed(5)
    noise = torch.randint(0, 16, rollout.obs.shape, generator=generator)
    made.obs = (rollout.obs + noise).clamp_(0, 255).to(torch.uint8)
    return made


def on_gpu(config: TrainConfig, rollout: Rollout) -> Iterator[tuple[str, list[Weights]]]:
    """Yield the ways of computing, and their gradients."""

    def found() -> list[Weights]:
        return parity.gradients(parity._learner(config, torch.float32), rollout)

    yield "GPU", found()
    with cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield "GPU, deterministic", found()
    with mock.patch.object(fused, "kernels", return_value=None):
        yield "GPU, torch's kernels", found()
    with cudnn.flags(enabled=True, allow_tf32=True):
        torch.backends.cuda.matmul.allow_tf32 = True
        yield "GPU, TF32", found()
        torch.backends.cuda.matmul.allow_tf32 = False
    with cudnn.flags(enabled=False, allow_tf32=False):
        yield "GPU, no cuDNN", found()


def exact_gradients(config: TrainConfig, rollout: Rollout) -> list[Weights]:
    """Return the plain engine's gradients in float64, on the CPU."""
    learner = parity._reference(config, torch.float64)
    found: list[Weights] = []

    def keep() -> None:
        named = learner.network.named_parameters()
        found.append({name: p.grad.clone() for name, p in named if p.grad is not None})

    learner.update(parity.converted(rollout, "cpu", torch.float64), None, keep)
    return found


def main() -> None:
    """Compare."""
    fixed = {"game": "starpilot", "device": "cuda", "method": "ppo"}
    small = hardware.resolve(build({**fixed, **SIZES}))
    hardware.use(small)
    real = parity._played(small)
    config = small.model_copy(update={**parity.FROZEN, "epochs": 1, "cuda_graphs": False})
    for name, rollout in (("real", real), ("noised", noised(real))):
        wanted = exact_gradients(config, rollout)
        on_cpu = parity.gradients(parity._reference(config, torch.float32), rollout)
        for how, found in (("CPU", on_cpu), *on_gpu(config, rollout)):
            pairs = zip(found, wanted, strict=True)
            whole = [f"{parity.relative_error(mine, plain):.2e}" for mine, plain in pairs]
            errors = {
                key: float((found[0][key].double() - plain).norm() / plain.norm())
                for key, plain in wanted[0].items()
            }
            worst = max(errors, key=lambda key: errors[key])
            print(f"{name:7} {how:21} whole {' '.join(whole)}  worst {errors[worst]:.2e} {worst}")


if __name__ == "__main__":
    main()
