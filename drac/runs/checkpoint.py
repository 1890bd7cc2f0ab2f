"""Checkpoints: one file with a run's whole state, loadable without executing anything."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drac.config import CONTINUABLE, TrainConfig
from drac.errors import ConfigError
from drac.files import atomic, untrusted
from drac.runs import checkpoint_format, logs, meta

KEPT = 2  # the newest, and the one before it
MAX_BYTES = 4 * 2**30
"""A file larger than this is refused unread; `load` takes a narrower bound."""

_NAME = re.compile(r"step_([0-9]{12,})\.pt")


def folder(run_dir: Path) -> Path:
    """Return the folder of a run's checkpoints."""
    return run_dir / "checkpoint"


def newest(run_dir: Path) -> Path | None:
    """Return the newest checkpoint of a run, or None."""
    return next(iter(_found(run_dir)), None)


def newest_step(run_dir: Path) -> int:
    """Return the environment steps of a run's newest checkpoint; 0 if it has none."""
    path = newest(run_dir)
    return (_step(path) or 0) if path else 0


def _found(run_dir: Path) -> list[Path]:
    """Return a run's checkpoints, the newest first."""
    steps = {path: _step(path) for path in folder(run_dir).glob("step_*.pt")}
    known = {path: step for path, step in steps.items() if step is not None}
    return sorted(known, key=lambda path: known[path], reverse=True)


def _step(path: Path) -> int | None:
    match = _NAME.fullmatch(path.name)
    return int(match.group(1)) if match else None


def load_newest(
    run_dir: Path,
    notify: Callable[[str], None],
    restore: Callable[[dict[str, Any]], None] = lambda state: None,
    max_bytes: int = MAX_BYTES,
) -> dict[str, Any]:
    """Read a run's newest checkpoint; empty if it has none.

    A damaged or foreign one is set aside as `*.damaged`, and the one before it read instead.

    Args:
        run_dir: the run's folder.
        notify: told in one sentence of what was set aside.
        restore: called with each state that could be read, until it raises no ConfigError.
        max_bytes: see `load`.

    Raises:
        ConfigError: if there are checkpoints and none can be used; they stay as they are.
    """
    damaged: list[tuple[Path, str]] = []
    for path in _found(run_dir):
        try:
            state = load(path, max_bytes)
            restore(state)
        except ConfigError as error:
            damaged.append((path, str(error)))
            continue
        for bad, why in damaged:
            aside = atomic.unused(bad.with_suffix(".damaged"))
            bad.rename(aside)
            notify(f"{bad} is damaged and was set aside; continuing from {path.name} ({why})")
        return state
    if damaged:
        others = "; nor can the one before it" if damaged[1:] else ""
        raise ConfigError(f"{damaged[0][1]}{others}; drac train --fresh starts over")
    return {}


def save(run_dir: Path, step: int, state: dict[str, Any]) -> Path:
    """Write a checkpoint and, once it has been read back, remove all but the newest two.

    Args:
        run_dir: the run's folder.
        step: environment steps so far, part of the name.
        state: tensors, numbers, strings, and lists and dicts of them.

    Raises:
        ConfigError: if the state holds something else.
        OSError: if it cannot be written, or is not read back as it was written; the checkpoints
            that there were stay.
    """
    folder(run_dir).mkdir(exist_ok=True)
    path = folder(run_dir) / f"step_{step:012d}.pt"
    try:
        content = checkpoint_format.dumps({"step": step, "state": state})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be written: {error}") from None
    with atomic.replacing(path, check=lambda temporary: _check(temporary, content)) as file:
        file.write(content)
    # Later ones are of another run, which was moved here: they are not ours to remove.
    for old in [found for found in _found(run_dir) if (_step(found) or 0) < step][KEPT - 1 :]:
        old.unlink()
    return path


def _check(path: Path, content: bytes) -> None:
    """Raise OSError unless a file holds what was to be written to it."""
    if path.read_bytes() != content:
        raise OSError(errno.EIO, "what was written is read back otherwise", str(path))


def load(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read a checkpoint, its tensors onto the CPU.

    Args:
        path: the file.
        max_bytes: what the file may have at most; memory is bounded by a small multiple of its
            size, whatever it declares.

    Raises:
        ConfigError: if it is missing, damaged, too large, named for another step than it holds, or
            of a format we do not know.
    """
    try:
        content = untrusted.read(path, max_bytes, path.parents[1])
    except OSError as error:
        raise ConfigError(f"{path} cannot be read as a checkpoint ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as a checkpoint ({error})") from None
    try:
        held = checkpoint_format.loads(content)
        step, state = held["step"], held["state"]
    except (checkpoint_format.Unreadable, KeyError) as error:
        raise ConfigError(f"{path} cannot be read as a checkpoint ({error})") from None
    named = _step(path)
    if named is not None and step != named:
        raise ConfigError(f"{path} is named for another step than it holds, {step!r}")
    if not isinstance(state, dict):
        raise ConfigError(f"{path} cannot be read as a checkpoint (it holds no state of a run)")
    return state


def require_new(run_dir: Path) -> None:
    """Raise ConfigError if a run that has no checkpoint had one: it would begin from scratch."""
    steps = meta.read_meta(run_dir).get("steps")
    if isinstance(steps, int) and steps > 0:
        raise ConfigError(
            f"{run_dir} was saved at step {steps} but has no checkpoint any more; put it back, or"
            f" start over with drac train --fresh"
        )


def most_bytes(weights: Mapping[str, Any], config: TrainConfig) -> int:
    """Return the bytes that a checkpoint may have, generously: of a larger one nothing is read.

    It holds the weights and Adam's two moments, at most twice, some 25 KB an env (never above
    1 MiB), likewise, actions, returns and logits of rollouts whose frames are kept, the scores of
    levels, and what a selector or a plug-in remembers.
    """
    num_bytes: int = sum(t.numel() * t.element_size() for t in weights.values())
    kept = 72 * config.kept_rollouts * config.rollout_size
    return 8 * num_bytes + config.num_envs * 2**20 + kept + 64 * 2**20


def require_same_run(state: dict[str, Any], config: TrainConfig) -> None:
    """Raise ConfigError if a checkpoint was saved by a run with another configuration."""
    saved = state.get("config")
    if not isinstance(saved, dict):
        raise ConfigError("a checkpoint holds no configuration where it should")
    ours = config.model_dump(mode="json")
    differing = [
        f"{name} is {saved[name]!r} there and {value!r} here"
        for name, value in ours.items()
        if name in saved and saved[name] != value and name not in CONTINUABLE
    ]
    if differing:
        raise ConfigError(f"a checkpoint is of another run: {'; '.join(differing)}")


def require_facts(state: dict[str, Any]) -> None:
    """Raise ConfigError unless what a checkpoint holds beside the training is what we save."""
    returns, positions = state.get("evaluations", {}), state.get("positions")
    numbers = [state.get("wall_s", 0.0), state.get("evaluated_step", 0)]
    for name, found, kind in (
        ("evaluations", returns, float),
        ("positions", {} if positions is None else positions, int),
    ):
        if not isinstance(found, dict) or not all(type(key) is str for key in found):
            raise ConfigError(f"a checkpoint's {name} are damaged")
        if not all(type(value) is kind for value in found.values()):
            raise ConfigError(f"a checkpoint's {name} are damaged")
        numbers += found.values() if kind is int else []
    if not all(type(value) in (int, float) and 0 <= value < 2**60 for value in numbers):
        raise ConfigError("a checkpoint's counters are damaged")
    if type(numbers[1]) is not int or (numbers[1] and not set(logs.SPLITS) <= set(returns)):
        raise ConfigError("a checkpoint's evaluations are damaged")
