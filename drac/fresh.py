"""Starting a run over: the folder that there was keeps everything, under another name."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from drac import lock
from drac.errors import ConfigError


def set_aside(run_dir: Path) -> Path | None:
    """Rename a run's folder to the first of `NAME.before-1`, `NAME.before-2`, ... that is free.

    Args:
        run_dir: left as it is unless it holds a run: a config.json or checkpoints.

    Returns:
        The new name, or None.

    Raises:
        ConfigError: if a process is training it, or it cannot be renamed.
    """
    if not any((run_dir / name).exists() for name in ("config.json", "checkpoint")):
        return None
    # "." has no name of its own; a link to a folder does, and is what is renamed then.
    path = run_dir if run_dir.name not in ("", "..") else run_dir.resolve()
    with lock.owned(path):
        names = (path.with_name(f"{path.name}.before-{number}") for number in itertools.count(1))
        aside = next(name for name in names if not os.path.lexists(name))
        try:
            path.rename(aside)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be renamed to {aside.name}: {error.strerror}"
            ) from None
    return aside
