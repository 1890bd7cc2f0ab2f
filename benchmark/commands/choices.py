"""What several commands are given: names that must be known, and where a picture goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from augmentations.arguments import unknown
from drac.errors import ConfigError
from drac.files import run_folder

if TYPE_CHECKING:
    from benchmark.store.store import Store

PICTURES = (".png", ".pdf", ".svg")


def chosen(kind: str, given: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the names that were given, each once.

    Raises:
        ConfigError: for one that is not known, with the nearest that is.
    """
    for name in given:
        if name not in known:
            raise ConfigError(unknown(kind, name, known))
    return tuple(dict.fromkeys(given))


def experiments(store: Store, given: Sequence[str]) -> tuple[str, ...]:
    """Return the experiments that were given, each once; all that there are if none was.

    Raises:
        ConfigError: for one of which the store has no runs; it may be a set of imported scores.
    """
    known = store.experiments()
    absent = [name for name in given if name not in known]
    if absent:
        from benchmark.scores import imported

        if absent[0] in imported.names(store.root):
            raise ConfigError(
                f"{absent[0]!r} is no experiment but a set of imported scores: drac-bench compare"
                f" takes {absent[0]}:METHOD"
            )
    if given and not known:
        raise ConfigError(f"unknown experiment {given[0]!r}: there are no runs in {store.runs}")
    return chosen("experiment", given, known) or tuple(known)


def require_picture(path: Path) -> None:
    """Check that a picture can be written, in a format that its ending tells.

    Raises:
        ConfigError: otherwise.
    """
    if path.suffix not in PICTURES:
        raise ConfigError(f"{path} must end in {', '.join(PICTURES)}")
    run_folder.require_writable(path.parent)


def listed(titles: Mapping[str, str]) -> str:
    """Return names and what they stand for, a line each, for a command's help."""
    width = max(map(len, titles), default=0) + 2
    return "\n".join(f"  {name:<{width}}{title}" for name, title in titles.items())
