"""What must be right before the first run of a sweep begins; without need of it torch stays out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from augmentations import plugins, registry
from drac.config import TrainConfig


def check_augmentations(configs: Iterable[TrainConfig]) -> None:
    """Raise ConfigError if an augmentation of others' that runs name cannot be made or applied."""
    named = {config.augmentation_specs: config for config in configs}
    for specs, config in named.items():
        if any(":" in spec or plugins.providers(registry.parse(spec).name) for spec in specs):
            from drac.arms.build import build_augmentations  # only then torch is loaded
            from drac.arms.trial import try_without_playing

            try_without_playing(build_augmentations(config))


def check_devices(configs: Sequence[TrainConfig]) -> None:
    """Fail before anything is written if runs ask for CUDA on a machine without it."""
    if any(config.device == "cuda" for config in configs):
        from drac.hardware import resolve  # imports torch

        resolve(configs[0])
