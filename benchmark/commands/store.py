"""The commands `drac-bench index`, `import-runs` and `logs`: a store, its runs, and their logs."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from augmentations.arguments import hint
from augmentations.specs import short
from drac.commands import flags
from drac.commands.output import fitted, progress
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import lock, run_folder, untrusted

if TYPE_CHECKING:
    from benchmark.store.store import Store

INDEX_HELP = """Bring RESULTS/index.sqlite up to date, from which status, tables, figures and
reports know runs without opening their files. They do so by themselves; it can be deleted.

example: drac-bench index --rebuild"""

IMPORT_HELP = """Bring in runs from another machine: a store, a part of one, or a tar of either.
Each run is checked as tables check it; links, damaged files and paths that lead outside are
refused, and nothing is overwritten. Incomplete runs come too, and can be continued here.

examples:
  drac-bench import-runs runs.tar.gz
  drac-bench import-runs /mnt/results/runs/demo --experiment demo-cluster"""

LOGS_HELP = """Print what a run has said, its train.log.

examples:
  drac-bench logs demo/ucb-drac/coinrun/seed0
  drac-bench logs results/runs/demo/ucb-drac/coinrun/seed0 --follow"""

FOLLOW_S = 0.5
"""Between two looks at a log that is followed."""

_LOG_LIMIT = 2**24
"""Bytes of a log's end that are printed."""

_SHOWN = 10  # runs that were not brought in


@dataclass
class IndexFlags:
    """Flags of `drac-bench index`."""

    rebuild: bool = flags.option(False, "begin anew: read the files of every run")
    results: Path = flags.option(Path("results"), "root of all results")


@dataclass
class ImportFlags:
    """Flags of `drac-bench import-runs`."""

    source: tuple[Path, ...] = flags.positional("a folder, or a tar file")
    experiment: str | None = flags.option(None, "their experiment here (default: as there)")
    results: Path = flags.option(Path("results"), "root of all results")


@dataclass
class LogsFlags:
    """Flags of `drac-bench logs`."""

    run: tuple[str, ...] = flags.positional(
        "EXPERIMENT/METHOD/GAME/seedK, or a run's folder", "RUN"
    )
    follow: bool = flags.option(False, "go on while the run is trained")
    results: Path = flags.option(Path("results"), "root of all results")


def index_command(argv: Sequence[str]) -> int:
    """`drac-bench index`."""
    from benchmark.store.index import Index
    from benchmark.store.store import Store

    given: IndexFlags = flags.parse(IndexFlags, argv, "drac-bench index", INDEX_HELP)
    store = Store(given.results)
    specs = [spec for name in store.experiments() for spec in store.specs(name)]
    if not specs:
        raise ConfigError(f"there are no runs below {store.runs}")
    index = Index(store.root)
    if given.rebuild:
        index.delete()
    begun = time.monotonic()
    with progress("reading runs", len(specs)) as on_run:
        for _ in store.records(specs, on_run):
            pass
    took = f"{time.monotonic() - begun:.1f} s"
    print(f"{index.path}: {index.count():,} of {number_of(len(specs), 'run')}, in {took}")
    return 0


def import_runs_command(argv: Sequence[str]) -> int:
    """`drac-bench import-runs`."""
    from benchmark.store.importing import import_runs
    from benchmark.store.store import Store

    given: ImportFlags = flags.parse(ImportFlags, argv, "drac-bench import-runs", IMPORT_HELP)
    if len(given.source) != 1:
        raise ConfigError(f"give one folder or tar file, not {len(given.source)}")
    if given.experiment is not None:
        run_folder.check_name("experiment", given.experiment)
    outcomes = import_runs(given.source[0], Store(given.results), given.experiment)
    brought = [outcome for outcome in outcomes if not outcome.refused]
    there = sum(outcome.there for outcome in outcomes)
    refused = [outcome for outcome in outcomes if outcome.refused and not outcome.there]
    incomplete = sum(bool(outcome.lacks) for outcome in brought)
    print(
        f"{number_of(len(brought), 'run')} brought in, of which {incomplete} incomplete;"
        f" {there} there already"
    )
    for outcome in refused[:_SHOWN]:
        print(fitted(f"{outcome.name} was left out: {outcome.refused}"), file=sys.stderr)
    if len(refused) > _SHOWN:
        print(f"and {len(refused) - _SHOWN} more were left out", file=sys.stderr)
    return 1 if refused else 0


def logs_command(argv: Sequence[str]) -> int:
    """`drac-bench logs`."""
    from benchmark.store.store import Store
    from drac.runs.logs import LOG

    given: LogsFlags = flags.parse(LogsFlags, argv, "drac-bench logs", LOGS_HELP)
    if len(given.run) != 1:
        raise ConfigError(f"give one run, not {len(given.run)}")
    folder, root = _folder_of(given.run[0], Store(given.results))
    path = folder / LOG
    position = -_LOG_LIMIT
    while True:
        trained = lock.in_use(folder)  # asked first: what it says last is still printed
        try:
            with untrusted.opened(path, root) as log:
                position = _print_from(log, position)
        except FileNotFoundError:
            if not given.follow:
                run_folder.require_run(folder)
                raise ConfigError(f"{folder} has no {LOG}: drac-bench run writes it") from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None
        if not (given.follow and trained):
            return 0
        time.sleep(FOLLOW_S)


def _folder_of(run: str, store: Store) -> tuple[Path, Path]:
    """Return a run's folder, and the folder below which no link is followed."""
    from benchmark.store.store import spec_of

    parts = run.strip("/").split("/")
    spec = spec_of(*parts) if len(parts) == 4 and run_folder.NAME.fullmatch(parts[0]) else None
    if spec is not None and store.run_dir(spec).is_dir():
        return store.run_dir(spec), store.runs
    if Path(run).is_dir():
        return Path(run), Path(run)
    specs = [own for name in store.experiments() for own in store.specs(name)]
    alike = [own for own in specs if replace(own, method=short(own.method)) == spec]
    if len(alike) == 1:
        return store.run_dir(alike[0]), store.runs
    if alike:
        ways = " or ".join(own.id for own in alike)
        raise ConfigError(f"several runs are called {run!r}: say which, {ways}")
    known = [own.id for own in specs]
    below = next((f" (did you mean {id_!r}?)" for id_ in known if id_.startswith(f"{run}/")), "")
    near = below or hint(run, known)
    raise ConfigError(f"unknown run {run!r}{near}: drac-bench status lists the runs")


def _print_from(log: IO[bytes], position: int) -> int:
    """Print a log from a position on, or its last bytes; return where it ends."""
    end = log.seek(0, 2)
    begin = max(0, end + position) if position < 0 else position
    log.seek(begin if begin <= end else 0)  # it was begun anew
    text = log.read(_LOG_LIMIT).decode("utf-8", errors="replace")
    # A log from elsewhere may hold what commands a terminal.
    print(re.sub(r"[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f-\x9f]", "?", text), end="", flush=True)
    return log.tell()
