"""The flags that choose an engine, of a command that executes jobs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augmentations import plugins
from benchmark.engines import catalogue
from drac.commands import flags
from drac.errors import ConfigError

if TYPE_CHECKING:
    from benchmark.engines.engine import Engine

DEFAULT = "local"
_SHARED: tuple[flags.Field, ...] = (
    ("engine", str, flags.option(DEFAULT, "what executes the runs, from the list above", "NAME")),
    ("cpus_per_run", str | None, flags.option(None, "cores of a run (default: a share)", "N")),
    ("runs_per_gpu", str | None, flags.option(None, "runs that share a GPU", "N")),
    ("retries", str, flags.option("2", "how often a run that fails again is tried again", "N")),
    ("dry_run", bool, flags.option(False, "print what would be executed, and do nothing")),
    ("yes", bool, flags.option(False, "begin what takes more than a day without being asked")),
)


def fields(argv: Sequence[str]) -> tuple[flags.Field, ...]:
    """Return the flags that every engine has, and those of the one that is asked for.

    Raises:
        ConfigError: for an engine that is not known, and for a flag of another one.
    """
    chosen = flags.peek(argv, "--engine") or DEFAULT
    options = catalogue.get(chosen).options
    own = {name for name, *_ in options}
    for other, entry in catalogue.ENGINES.items():
        for name, *_ in entry.options:
            if name not in own and name in flags.named(argv):
                flag = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{flag} is for --engine {other}, not for the engine {chosen}")
    return _SHARED + options


def listed() -> str:
    """Return the engines, a line each, for a command's help; no plug-in is imported."""
    titles = {name: entry.title for name, entry in catalogue.ENGINES.items()}
    titles |= dict.fromkeys(plugins.offered(catalogue.KIND), "of a plug-in")
    return "\n".join(f"  {name}: {title}" for name, title in titles.items())


def read(given: dict[str, Any]) -> None:
    """Turn the texts of the numbers that every engine has into numbers, in place.

    Raises:
        ConfigError: if one of them is none, or too small.
    """
    given["retries"] = flags.whole_number("retries", given["retries"], at_least=0, below=1000)
    for name in ("cpus_per_run", "runs_per_gpu"):
        if given[name] is not None:
            given[name] = flags.whole_number(name, given[name], at_least=1, below=10_000)


def share(given: dict[str, Any]) -> tuple[int, Fraction]:
    """Return what a job is to have, cores and share of a GPU: see `Job`."""
    runs = given["runs_per_gpu"]
    return given["cpus_per_run"] or 0, Fraction(1, runs) if runs else Fraction(0)


def make(given: dict[str, Any], results: Path) -> Engine:
    """Make the engine that is asked for; its own files are below `results`/engines.

    Raises:
        ConfigError: if its options make no sense.
    """
    name = given["engine"]
    entry = catalogue.get(name)
    return catalogue.called(name, lambda: entry(given, results / "engines" / name))
