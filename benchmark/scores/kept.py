"""Files that were imported, each with a .json beside it that says where it is from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drac.errors import ConfigError
from drac.files import atomic, run_folder, untrusted

LIMIT = 2**28
"""Bytes of a file that was imported."""

AGAIN = "import the file again, with --replace"


def sha256(content: bytes) -> str:
    """Return the digest of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write(path: Path, text: str, origin: Mapping[str, Any]) -> None:
    """Write a file and its origin, replacing those of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {**origin, "stored_sha256": sha256(text.encode())}
    atomic.write_text(path.with_suffix(".json"), json.dumps(said, indent=1) + "\n")
    atomic.write_text(path, text)


def origin(path: Path, root: Path, keys: tuple[str, ...], digest: str) -> dict[str, Any]:
    """Return what is said of where a file is from.

    Args:
        path: the file.
        root: see `drac.files.untrusted.opened`.
        keys: that must be there.
        digest: `sha256` of the file.

    Raises:
        ConfigError: if that is damaged, or the file was changed after the import.
    """
    origin_path = path.with_suffix(".json")
    try:
        said = untrusted.read_json(origin_path, root=root)
        found = {key: said[key] for key in (*keys, "stored_sha256")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{origin_path}, which says where {path.name} is from, cannot be read"
            f" ({' '.join(str(error).split())}); {AGAIN}"
        ) from None
    if found.pop("stored_sha256") != digest:
        raise ConfigError(f"{path} is not what was imported from {found['source']}; {AGAIN}")
    return found


def names(folder: Path) -> list[str]:
    """Return the names of what was imported into a folder."""
    found = (path.stem for path in folder.glob("*.csv"))
    return sorted(name for name in found if run_folder.NAME.fullmatch(name))
