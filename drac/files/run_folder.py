"""What may lie in a run's folder, and who may write there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from augmentations.arguments import hint
from drac.errors import ConfigError

OWN_FOLDERS = ("checkpoint", "clips", "evaluations")
"""Of a run's folder, whose files are written."""


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


def check_name(kind: str, name: str) -> str:
    """Check that an experiment's name is a plain folder name.

    Raises:
        ConfigError: otherwise; "..", "/" and the like would leave the store.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{kind} {name!r} must be letters, digits, '.', '_', '+' or '-', starting with a"
            f" letter or digit"
        )
    return name


def require_writable(folder: Path) -> None:
    """Check that `folder` exists or can be made, and can be written to, without making it.

    Raises:
        ConfigError: naming the folder that is in the way.
    """
    existing = folder
    try:
        while not _there(existing) and existing != existing.parent:
            existing = existing.parent
        is_folder = existing.is_dir()
    except OSError as error:  # a name that is too long, or a parent that may not be entered
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None
    if not is_folder:
        what = "a file" if existing.exists() else "a link to nothing"
        raise ConfigError(f"{folder} cannot be a run folder: {existing} is {what}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder} cannot be written: no permission in {existing}")


def _there(path: Path) -> bool:
    """Whether there is something of this name, a link to nothing included."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


_BELOW = ("*", "*/seed*", "*/*/seed*", "*/*/*/seed*", "runs/*/*/*/seed*")
"""Where runs lie below a folder that is none: in one of any kind, or in a part of a store."""

_SHOWN = 3  # of them


def require_run(run_dir: Path) -> None:
    """Check that a folder is a run's.

    Raises:
        ConfigError: otherwise, with the runs below it, or the nearest name that there is.
    """
    if (run_dir / "config.json").is_file():
        return
    if run_dir.is_dir():
        below = (sorted(run_dir.glob(f"{pattern}/config.json")) for pattern in _BELOW)
        if runs := next(filter(None, below), []):
            names = [str(path.parent.relative_to(run_dir)) for path in runs[:_SHOWN]]
            more = f" and {len(runs) - _SHOWN:,} more" if len(runs) > _SHOWN else ""
            raise ConfigError(f"{run_dir} is no run but a folder of runs: {', '.join(names)}{more}")
        raise ConfigError(f"{run_dir} is no run: it holds no config.json")
    if _there(run_dir):
        raise ConfigError(f"{run_dir} is no run: it is no folder")
    above = next(folder for folder in run_dir.parents if folder.is_dir())
    absent = run_dir.relative_to(above).parts[0]
    names = [path.name for path in above.iterdir()] if os.access(above, os.R_OK) else []
    what = "it" if above / absent == run_dir else above / absent
    raise ConfigError(f"{run_dir} is no run: {what} does not exist{hint(absent, names)}")


def require_plain(run_dir: Path, root: Path | None = None) -> None:
    """Check that what a run's folder holds are files and folders of its own, if it exists.

    A symbolic link in a folder that came from elsewhere could have a run append to a file outside,
    and opening a pipe could wait for ever. The folder itself may be a link unless it is in a store.

    Args:
        run_dir: the folder.
        root: of the store that it is in; the folders between the two may be no links either.

    Raises:
        ConfigError: naming what is neither a file nor a folder.
    """
    depth = len(run_dir.relative_to(root).parts) if root else 0
    try:
        for folder in reversed([run_dir, *run_dir.parents][:depth]):
            if folder.is_symlink():
                raise ConfigError(f"{folder} is a symbolic link; what is in a store must lie there")
        for folder in (run_dir, *(run_dir / name for name in OWN_FOLDERS)):
            if folder.is_dir():
                with os.scandir(folder) as entries:
                    for entry in entries:
                        _require_plain(entry)
    except OSError as error:
        raise ConfigError(f"{run_dir} cannot be read: {error.strerror}") from None


def _require_plain(entry: os.DirEntry[str]) -> None:
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        return
    kind = "a symbolic link" if entry.is_symlink() else "a pipe or a device"
    raise ConfigError(f"{entry.path} is {kind}; what is in a run's folder must lie there")
