"""Checkpoints: one file with a run's whole state, loadable without executing anything."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from drac import files
from drac.config import ConfigError

FORMAT = 1
KEPT = 2  # the newest, and the one before it


def folder(run_dir: Path) -> Path:
    """Return the folder of a run's checkpoints."""
    return run_dir / "checkpoint"


def newest(run_dir: Path) -> Path | None:
    """Return the newest checkpoint of a run, or None."""
    found = sorted(folder(run_dir).glob("step_*.pt"))
    return found[-1] if found else None


def load_newest(run_dir: Path, notify: Callable[[str], None]) -> dict[str, Any]:
    """Read a run's newest checkpoint; empty if it has none.

    A damaged one is set aside as `*.damaged`, and the one before it read instead.

    Args:
        run_dir: the run's folder.
        notify: told in one sentence of what was set aside.

    Raises:
        ConfigError: if there are checkpoints and none can be read; they stay as they are.
    """
    found = sorted(folder(run_dir).glob("step_*.pt"), reverse=True)
    for number, path in enumerate(found):
        try:
            state = load(path)
        except ConfigError:
            if number + 1 == len(found):
                raise
            continue
        for damaged in found[:number]:
            damaged.rename(damaged.with_suffix(".damaged"))
            notify(f"{damaged} is damaged and was set aside; continuing from {path.name}")
        return state
    return {}


def save(run_dir: Path, step: int, state: dict[str, Any]) -> Path:
    """Write a checkpoint and, once it has been read back, remove all but the newest two.

    Args:
        run_dir: the run's folder.
        step: environment steps so far, part of the name.
        state: tensors, numbers, strings, and lists and dicts of them.
    """
    folder(run_dir).mkdir(exist_ok=True)
    path = folder(run_dir) / f"step_{step:012d}.pt"
    # Through memory: torch turns a full disk into an error that hides it.
    content = io.BytesIO()
    torch.save({"format": FORMAT, **state}, content)
    with files.replacing(path) as file:
        file.write(content.getbuffer())
    try:
        load(path)
    except ConfigError:
        path.unlink()
        raise
    for old in sorted(folder(run_dir).glob("step_*.pt"))[:-KEPT]:
        old.unlink()
    return path


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ConfigError: if it is missing, damaged or of a format we do not know.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on what a damaged file looks like
            state: Any = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise ConfigError(f"{path} is no checkpoint of ours: it holds more than data") from None
    except Exception as error:  # a damaged pickle may raise anything
        what = str(error).partition("\n")[0].partition(". ")[0]
        raise ConfigError(f"{path} cannot be read as a checkpoint ({what})") from None
    version = state.pop("format", None) if isinstance(state, dict) else None
    if version != FORMAT:
        raise ConfigError(f"{path} has format {version!r}; this version reads format {FORMAT}")
    return dict(state)
