"""What ended a run, in a sentence that says what is left of it."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from augmentations.errors import origin, told
from drac import hardware, methods
from drac.arms.build import NO_AUGMENTATION
from drac.errors import (
    ConfigError,
    DiskError,
    FolderGoneError,
    Interrupted,
    NonFinite,
    OthersCodeError,
)
from drac.files import atomic
from drac.runs import checkpoint, foreign_code
from drac.runs.logs import LOG
from drac.train.state import Training

NAN_REPORT = "nan_report.npz"
"""The minibatch of a gradient step that ended a run: see `drac.errors.NonFinite`."""


def explained(error: Exception, training: Training, run_dir: Path) -> Exception:
    """Return what is to be raised in place of an error that ended a run; it may be that error.

    A minibatch that is not finite, and the traceback of others' code, are left in the run's folder.
    """
    if isinstance(error, ConfigError | FolderGoneError | Interrupted):
        return error
    left = _left_behind(run_dir)
    if isinstance(error, NonFinite):
        about = {"step": training.step, "update": training.update + 1, "arm": training.arm or ""}
        saved = _save_minibatch(run_dir, {**error.evidence, **about})
        return NonFinite(f"{error}; {saved}{left}", error.evidence)
    if isinstance(error, DiskError):
        return DiskError(f"{error}; {left}")
    if hardware.out_of_memory(error):
        return MemoryError(f"memory is used up ({told(error)}); {left}")
    method = methods.get(training.config.method)
    package, _ = origin(error)
    if package not in foreign_code.hashes(training.augmentations.values(), method):
        return error
    with contextlib.suppress(OSError), (run_dir / LOG).open("a", encoding="utf-8") as log:
        traceback.print_exception(error, file=log)
    begun = f"the run failed after step {training.step:,}{_using(training)}"
    goes_on = "goes on" if checkpoint.newest(run_dir) else "starts anew"
    mended = f"mended, it {goes_on} with {foreign_code.ACCEPT}"
    better = OthersCodeError(f"{begun}: {told(error)}; {_left_behind(run_dir, LOG)}; {mended}")
    better.__cause__ = error
    return better


def _using(training: Training) -> str:
    """Name the augmentation in use; "" where there is none, or nobody knows which."""
    arms = [training.arm] if training.begun else [*training.augmentations]
    if len(arms) > 1 or arms == [NO_AUGMENTATION]:
        return ""
    return f", with the augmentation {arms[0]!r}"


def _left_behind(run_dir: Path, log: str = "progress.csv") -> str:
    """Say where the log and the checkpoint are, for the end of a sentence."""
    newest = checkpoint.newest(run_dir)
    kept = f"the newest checkpoint {newest}" if newest else "there is no checkpoint yet"
    return f"the log is {run_dir / log}, {kept}"


def _save_minibatch(run_dir: Path, arrays: Mapping[str, Any]) -> str:
    """Save what is known of a step that was not finite; say where, for the middle of a sentence.

    Args:
        run_dir: the run's folder.
        arrays: what `evidence` returned, and more; "" is returned if that is no minibatch's.
    """
    if "losses" not in arrays:
        return ""
    path = run_dir / NAN_REPORT
    try:
        with atomic.replacing(path) as file:
            np.savez_compressed(file, **arrays)
    except OSError as error:
        return f"its minibatch could not be saved ({error.strerror}); "
    return f"its minibatch is in {path}; "
