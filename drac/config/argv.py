"""A config as the command line that gives it. Imports no torch."""

from __future__ import annotations

from drac.config.train_config import TrainConfig, preset_defaults


def as_argv(config: TrainConfig) -> list[str]:
    """Return the flags of `drac train` that give this config: what differs from the defaults."""
    defaults = preset_defaults(config.fidelity)
    words = ["--game", config.game, "--method", config.method, "--seed", str(config.seed)]
    if config.fidelity != "paper":
        words += ["--fidelity", config.fidelity]
    for name, value in config:
        if name in ("game", "method", "seed", "fidelity") or value == defaults[name]:
            continue
        if name == "augmentation" and config.method.endswith(f"-{value}"):
            continue  # the method says it
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words
