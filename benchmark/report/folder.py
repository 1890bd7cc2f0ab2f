"""The folder of a report: written beside its place and swapped in, and only over a report."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drac.errors import ConfigError
from drac.files import atomic, run_folder, untrusted

MARKER = "report.json"
"""Lies in every report and lists its files: what else is there is somebody's own."""

_MADE_BY = "drac-bench report"


def require_replaceable(out: Path) -> None:
    """Check that a report may be written to `out`, without writing anything.

    Raises:
        ConfigError: if something lies there that no report wrote, or it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; --out must be a folder that does not exist yet")
    run_folder.require_writable(_place(out).parent)
    if not out.exists() or not any(out.iterdir()):
        return
    known = _files_of_a_report(out)
    if known is None:
        raise ConfigError(
            f"{out} is no report (it has no {MARKER} of one) and is not empty: nothing was written;"
            f" choose another --out"
        )
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    if own := sorted(found - known - {MARKER}):
        more = f" and {len(own) - 1} more" if len(own) > 1 else ""
        raise ConfigError(
            f"{out} holds {own[0]}{more}, which no report wrote and a new one would delete:"
            f" move it away, or choose another --out"
        )


def _place(out: Path) -> Path:
    """Return where a folder lies, links resolved; `Path.resolve` raises for one to itself."""
    return Path(os.path.realpath(out))


def _files_of_a_report(folder: Path) -> set[str] | None:
    """Return what the report in a folder consists of; None if there is none."""
    try:
        marker = untrusted.read_json(folder / MARKER, limit=2**26)
        return set(marker["files"]) if marker["made_by"] == _MADE_BY else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def swapped_in(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `out` once the block has ended well.

    Until then, and if the block fails, an older report stays as it is.

    Raises:
        ConfigError: see `require_replaceable`.
    """
    require_replaceable(out)
    place = _place(out)
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        new = temporary / "new"
        new.mkdir()
        yield new
        written = sorted(p.relative_to(new).as_posix() for p in new.rglob("*") if p.is_file())
        marker = {"format": 1, "made_by": _MADE_BY, "files": written}
        atomic.write_text(new / MARKER, json.dumps(marker, indent=1) + "\n")
        require_replaceable(out)  # somebody may have put something there meanwhile
        if place.exists():
            place.replace(temporary / "old")
        new.replace(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
