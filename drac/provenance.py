"""Which plug-ins a run's augmentations come from, and which of them are not installed any more.

A finished run is data: it can be read, tabulated and evaluated without them. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path

from augmentations import plugins, registry
from drac import logs
from drac.config import TrainConfig
from drac.errors import ConfigError

PLUGINS = "plugins"
"""The key of meta.json: name of an augmentation -> package and version that provided it."""


def providers(config: TrainConfig) -> dict[str, str]:
    """Return, for meta.json, the package and version behind each augmentation of a plug-in."""
    found = {name: ", ".join(plugins.providers(name)) for name in _names(config)}
    return {name: packages for name, packages in found.items() if packages}


def missing(config: TrainConfig, run_dir: Path) -> str:
    """Say in one sentence which plug-ins a run needs and are missing; "" if all are here.

    Args:
        config: of the run, as `TrainConfig.from_json` reads it.
        run_dir: its folder, whose meta.json names the plug-ins.
    """
    gone = [name for name in _names(config) if not _is_here(name)]
    if not gone:
        return ""
    recorded = logs.read_meta(run_dir).get(PLUGINS)
    packages = recorded if isinstance(recorded, dict) else {}
    many = len(gone) > 1
    of = {name: f"the plug-in {packages[name]}" for name in gone if name in packages}
    said = " and ".join(f"{name!r} of {of.get(name, 'a plug-in')}" for name in gone)
    return (
        f"{run_dir} was trained with the augmentation{'s' * many} {said},"
        f" which {'are' if many else 'is'} not installed here"
    )


def require(config: TrainConfig, run_dir: Path) -> None:
    """Raise a ConfigError, see `missing`, unless the augmentations of a run are installed."""
    if sentence := missing(config, run_dir):
        raise ConfigError(sentence)


def _names(config: TrainConfig) -> list[str]:
    return list(dict.fromkeys(registry.parse(spec)[0] for spec in config.augmentation_specs))


def _is_here(name: str) -> bool:
    """Whether a name, or a plug-in that offers it, is installed; it may be of no use even so."""
    try:
        registry.check(name)
    except ValueError:
        return bool(plugins.providers(name))
    return True
