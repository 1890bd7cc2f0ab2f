"""Run folders with an untrained agent, made in milliseconds; and whole folders as bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from drac.config import TrainConfig
from drac.policy.agent import of_method
from drac.runs import checkpoint


def small_config(**options: Any) -> TrainConfig:
    """A config with the smallest network."""
    sizes: dict[str, Any] = {"hidden_size": 4, "num_envs": 2, "num_steps": 16, "minibatches": 2}
    sizes |= {"eval_episodes": 2, "eval_envs": 2, "steps": 32}
    fixed = {"device": "cpu", "precision": "float32", "threads": 1, "env_groups": 1}
    return TrainConfig(**{"game": "bigfish", "method": "ppo", **sizes, **fixed, **options})


def small_run(folder: Path, saved: bool = True, **options: Any) -> TrainConfig:
    """Make a run's folder; if saved, with a checkpoint that can be evaluated, not continued."""
    config = small_config(**options)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    if saved:
        save_untrained(folder, config, config.rollout_size)
    return config


def save_untrained(folder: Path, config: TrainConfig, step: int) -> None:
    """Save a checkpoint of an untrained agent, which can be evaluated, not continued."""
    network = of_method(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.1)
    update = step // config.rollout_size
    training = {"network": network.state_dict(), "update": update}
    checkpoint.save(folder, step, {"config": config.model_dump(mode="json"), "training": training})


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the content of files; links are not followed."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() and not path.is_symlink() else None
        )
        for path in sorted(folder.rglob("*"))
    }


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same, bit for bit, and of the same types and strides."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))
