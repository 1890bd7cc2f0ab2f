"""What several commands are given: names that must be known, and where a picture goes."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from augmentations.arguments import unknown
from benchmark import suites
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


def results_flag(root: Path) -> str:
    """Return " --results=ROOT", as a command that we name needs it; "" where it is the default."""
    return "" if root == Path("results") else f" --results={shlex.quote(str(root))}"


def experiments(store: Store, given: Sequence[str], suite: str | None = None) -> tuple[str, ...]:
    """Return the experiments that were given, each once; all that there are if none was.

    Args:
        store: where they are.
        given: their names.
        suite: whose experiments some of them are, by name or file.

    Raises:
        ConfigError: for one of which the store has no runs; it may be a set of imported scores, or
            of a suite.
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
        of = [name for name in suites.built_in() if absent[0] in suites.get(name).experiments]
        if suite or of:
            raise ConfigError(
                f"{absent[0]!r} has no runs in {store.runs}: drac-bench run --suite"
                f" {shlex.quote(suite or of[0])}{results_flag(store.root)}"
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
