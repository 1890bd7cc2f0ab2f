"""Whether what lies in a run's folder is what the run may continue from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drac import logs
from drac.config import CONTINUABLE, TrainConfig
from drac.errors import ConfigError
from drac.networks import ActorCritic


def require_new(run_dir: Path) -> None:
    """Raise ConfigError if a run that has no checkpoint had one: it would begin from scratch."""
    steps = logs.read_meta(run_dir).get("steps")
    if isinstance(steps, int) and steps > 0:
        raise ConfigError(
            f"{run_dir} was saved at step {steps} but has no checkpoint any more; put it back, or"
            f" start over with drac train --fresh"
        )


def most_bytes(network: ActorCritic, config: TrainConfig) -> int:
    """Return the bytes that a checkpoint may have, generously: of a larger one nothing is read.

    It holds the weights and Adam's two moments, some 25 KB an env (never above 1 MiB), the scores
    of levels, and what a selector or a plug-in remembers.
    """
    weights: int = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    return 8 * weights + config.num_envs * 2**20 + 64 * 2**20


def require_own(state: dict[str, Any], config: TrainConfig) -> None:
    """Raise ConfigError if a checkpoint was saved by a run with another configuration."""
    saved = state.get("config", {})  # format 1 had none
    if not isinstance(saved, dict):
        raise ConfigError("a checkpoint holds no configuration where it should")
    ours = config.model_dump(mode="json")
    differing = [
        f"{name} is {saved[name]!r} there and {value!r} here"
        for name, value in ours.items()
        if name in saved and saved[name] != value and name not in CONTINUABLE
    ]
    if differing:
        raise ConfigError(f"a checkpoint is of another run: {'; '.join(differing)}")


def require_facts(state: dict[str, Any]) -> None:
    """Raise ConfigError unless what a checkpoint holds beside the training is what we save."""
    returns, positions = state.get("evaluations", {}), state.get("positions")
    numbers = [state.get("wall_s", 0.0), state.get("evaluated_step", 0)]
    for name, found, kind in (
        ("evaluations", returns, float),
        ("positions", {} if positions is None else positions, int),
    ):
        if not isinstance(found, dict) or not all(type(key) is str for key in found):
            raise ConfigError(f"a checkpoint's {name} are damaged")
        if not all(type(value) is kind for value in found.values()):
            raise ConfigError(f"a checkpoint's {name} are damaged")
        numbers += found.values() if kind is int else []
    if not all(type(value) in (int, float) and 0 <= value < 2**60 for value in numbers):
        raise ConfigError("a checkpoint's counters are damaged")
    if type(numbers[1]) is not int or (numbers[1] and not set(logs.SPLITS) <= set(returns)):
        raise ConfigError("a checkpoint's evaluations are damaged")
