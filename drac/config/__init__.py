"""The configuration of a run. Imports no torch."""

from drac.config.argv import as_argv
from drac.config.train_config import (
    CONTINUABLE,
    FORMAT,
    TrainConfig,
    build,
    explain,
    preset_defaults,
)
from drac.errors import ConfigError

__all__ = [
    "CONTINUABLE",
    "FORMAT",
    "ConfigError",
    "TrainConfig",
    "as_argv",
    "build",
    "explain",
    "preset_defaults",
]
