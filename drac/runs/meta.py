"""meta.json: the facts about a run beside its configuration."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from drac.errors import ConfigError, shown
from drac.files import atomic, lock, untrusted

META = "meta.json"
META_FORMAT = 1


def read_meta(run_dir: Path, root: Path | None = None) -> dict[str, Any]:
    """Return a run's meta.json, empty if absent or damaged.

    Args:
        run_dir: the run's folder.
        root: a folder above it below which no link is followed; by default itself.
    """
    with contextlib.suppress(OSError):
        return _known(run_dir, root)
    return {}


def _known(run_dir: Path, root: Path | None = None) -> dict[str, Any]:
    """Return the same, but raise OSError if it is there and cannot be read just now."""
    try:
        meta = untrusted.read_json(run_dir / META, root=root or run_dir)
    except (FileNotFoundError, ValueError):
        return {}
    return meta if isinstance(meta, dict) else {}


EVALUATED = "evaluated_step"
"""The key of meta.json: the step of the last evaluation that a checkpoint has."""


SESSIONS = "sessions"
"""The key of meta.json that holds one entry for each process that worked on the run."""


_SESSIONS_KEPT = 1000


def begin_session(run_dir: Path, resumed_from: str | None, step: int) -> list[dict[str, Any]]:
    """Return meta.json's list of sessions with one more: host, process, when, and from where.

    Args:
        run_dir: the run's folder.
        resumed_from: name of the checkpoint; None if the run begins.
        step: the session begins at.
    """
    earlier = read_meta(run_dir).get(SESSIONS)
    known = earlier if isinstance(earlier, list) else []
    sessions = [entry for entry in known if isinstance(entry, dict)]
    owner = lock.this_process()
    this = {"host": owner.host, "pid": owner.pid, "started": owner.started}
    return [*sessions, {**this, "resumed_from": resumed_from, "step": step}][-_SESSIONS_KEPT:]


def write_meta(run_dir: Path, **facts: Any) -> None:
    """Add facts to a run's meta.json: versions, machine, wall time. A damaged one is begun anew.

    Raises:
        ConfigError: if it is one of a later version.
    """
    known = _known(run_dir)
    version = known.get("format", META_FORMAT)
    if version != META_FORMAT:
        path, ours = run_dir / META, f"this version reads format {META_FORMAT}"
        raise ConfigError(f"{path} has format {shown(version)}; {ours}")
    text = json.dumps({"format": META_FORMAT, **known, **facts}, indent=2)
    atomic.write_text(run_dir / META, text + "\n")
