"""Methods by the names that tables give them, found again among the runs."""

from __future__ import annotations

import glob
from pathlib import Path

from augmentations.arguments import hint
from augmentations.specs import short
from drac import methods
from drac.config import TrainConfig
from drac.errors import ConfigError


def typed(method_id: str, runs: Path) -> str:
    """Return a method as it can be trained: for "drac-vignette", "drac-my_augs:Vignette".

    Args:
        method_id: a name that tables, or folders, give to runs; any other is returned as it is.
        runs: the folder of all experiments, RESULTS/runs.

    Raises:
        ConfigError: if runs with different augmentations are called so, or only ones nearly so.
    """
    method = methods.find(method_id)
    if method is None or not method.is_family or method_id in methods.method_ids():
        return method_id
    if not {":", "("}.isdisjoint(method_id):  # it is a specification already
        return method_id
    found: dict[str, str] = {}
    for folder in sorted(runs.glob(f"*/{glob.escape(short(method_id))}*")):
        if method_id in (folder.name, short(folder.name)) and folder.name not in found:
            for path in sorted(folder.glob("*/seed*/config.json"))[:1]:
                found[folder.name] = f"{method.name}-{TrainConfig.from_json(path).augmentation}"
    if len(found) > 1:
        ways = " or ".join(f"'{way}'" for way in found)
        raise ConfigError(f"several methods are called {method_id!r} in {runs}: say which, {ways}")
    trained = {short(folder.name) for folder in runs.glob(f"*/{glob.escape(method.name)}-*")}
    if not found and (near := hint(method_id, trained - {*methods.method_ids()})):
        raise ConfigError(f"unknown method {method_id!r}{near}, which has runs in {runs}")
    return next(iter(found.values()), method_id)
