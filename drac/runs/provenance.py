"""Which plug-ins a run's augmentations come from, and which of them are not installed any more.

A finished run is data: it can be read, tabulated and evaluated without them. Imports no torch.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from augmentations import plugins, registry
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.runs import meta

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
    recorded = meta.read_meta(run_dir).get(PLUGINS)
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
    return list(dict.fromkeys(registry.parse(spec).name for spec in config.augmentation_specs))


def _is_here(name: str) -> bool:
    """Whether a name, or a plug-in that offers it, is installed; it may be of no use even so."""
    try:
        registry.check(name)
    except ValueError:
        return bool(plugins.providers(name))
    return True


def describe(config: TrainConfig, procgen_build: str) -> dict[str, Any]:
    """Return the facts about software and machine that belong to a run's record."""
    import torch  # not before a run is really begun: commands answer at once

    from drac.hardware import cpu_info

    packages = ("procgen-drac", "numpy", "kornia", "gymnasium")
    device = torch.cuda.get_device_name() if config.device == "cuda" else "cpu"
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,  # with the build, e.g. "+cpu", which its metadata may lack
            **{package: version(package) for package in packages},
        },
        "procgen_build": procgen_build,
        PLUGINS: providers(config),
        "platform": platform.platform(),
        "cpu": cpu_info().get("model name", "") or platform.machine(),
        "device": device,
        "precision": config.precision,
        "threads": torch.get_num_threads(),
        "commit": _commit(),
        "command": shlex.join(_text(word) for word in (_program(), *sys.argv[1:])),
    }


def _program() -> str:
    """Return the name of this program; of `python -m` that of the command which it is."""
    path = Path(sys.argv[0])
    ours = {"drac": "drac", "benchmark": "drac-bench"}
    return ours.get(path.parent.name, path.name) if path.name == "cli.py" else path.name


def _text(word: str) -> str:
    """Return a word of the command line as text: what the locale could not decode is UTF-8."""
    return os.fsencode(word).decode("utf-8", "replace")


def version(package: str) -> str:
    """Return the version of an installed package, or "not installed"."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Return the checkout's commit, with "+" if it has local changes, else why there is none."""
    root, ours = Path(__file__).resolve().parents[2], f"procgen-drac {version('procgen-drac')}"
    if not (root / ".git").exists():
        return f"{ours}, installed without git"
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True
        )
    except OSError:
        return f"{ours}, a checkout without the program git"
    if head.returncode:
        return f"{ours}, a checkout whose commit git does not tell"
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
