"""`drac-bench tables`: which runs, which tables, and in what form they are shown and written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import suites
from benchmark.tables.catalogue import RECOMPUTED, TABLES, not_applicable
from drac.commands import flags
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    from benchmark.store.store import Store
    from benchmark.tables.table import Table

_LISTED = "\n".join(
    f"  {name:<15}{title}"
    for name, title in (
        *((name, table.title) for name, table in TABLES.items()),
        (RECOMPUTED, "published aggregates, from the published means of games; needs no runs"),
    )
)

HELP = f"""Tabulate the finished runs of an experiment beside the published numbers: print the
tables and write each as Markdown, CSV and LaTeX below RESULTS/tables. Without --table all that
these runs have something to say to.

examples:
  drac-bench tables --experiment demo
  drac-bench tables --table table1 per-game --format latex

tables:
{_LISTED}

runs.csv has every planned run. Where fixed augmentations of DrAC were compared, best-from.csv is
the best of each game, for --method drac-best --best-from."""

NAMES = (*TABLES, RECOMPUTED)
FORMATS = ("text", "markdown", "csv", "latex")
PLAIN_WIDTH = 160
"""Columns of what is printed where the output is no terminal."""


@dataclass
class TablesFlags:
    """Flags of `drac-bench tables`."""

    table: tuple[str, ...] = flags.option((), "which tables (default: all that apply)", "NAME")
    format: str = flags.option(
        "text",
        "how they are printed; files are written in every format",
        "{text,markdown,csv,latex}",
    )
    experiment: tuple[str, ...] = flags.option(
        (), "experiments to tabulate together (default: each on its own)"
    )
    suite: str | None = flags.option(None, "the same as --experiment, for a suite's name")
    results: Path = flags.option(Path("results"), "root of all results")


def tables_command(argv: Sequence[str]) -> int:
    """`drac-bench tables`."""
    from augmentations.arguments import unknown
    from benchmark.store.store import Store

    given: TablesFlags = flags.parse(TablesFlags, argv, "drac-bench tables", HELP)
    for name in given.table:
        if name not in NAMES:
            raise ConfigError(unknown("table", name, NAMES))
    if given.format not in FORMATS:
        raise ConfigError(unknown("format", given.format, FORMATS))
    if not given.table and any(word.partition("=")[0] == "--table" for word in argv):
        raise ConfigError(f"--table names no table; choose from {', '.join(NAMES)}")
    store = Store(given.results)
    wanted = given.experiment + ((suites.get(given.suite).name,) if given.suite else ())
    wanted = tuple(dict.fromkeys(wanted))
    for name in wanted:
        experiments(store, name)
    names = tuple(name for name in dict.fromkeys(given.table) if name != RECOMPUTED)
    if RECOMPUTED in given.table:
        run_folder.require_writable(store.tables)
        _recompute(store.tables, given.format)
        if not names:
            return 0
    groups = [wanted] if wanted else [(name,) for name in store.experiments()]
    if not groups:
        raise ConfigError(f"there are no runs below {store.runs}; begin with drac-bench run")
    for group in groups:
        run_folder.require_writable(store.tables / "+".join(group))
    for group in groups:
        _tabulate(store, group, names, given.format)
    return 0


def experiments(store: Store, wanted: str | None) -> list[str]:
    """Return the experiments to show; an unknown name is an error."""
    names: list[str] = store.experiments()
    if wanted is None:
        return names
    if wanted not in names:
        from augmentations.arguments import unknown

        if not names:
            raise ConfigError(f"unknown experiment {wanted!r}: there are no runs in {store.runs}")
        raise ConfigError(unknown("experiment", wanted, names))
    return [wanted]


def _tabulate(store: Store, group: tuple[str, ...], names: tuple[str, ...], shown: str) -> None:
    from benchmark.analysis.best_augmentation import BEST_FROM, sweep_choices
    from benchmark.tables.every_run import every_run

    specs = [spec for name in group for spec in store.specs(name)]
    with reading(len(specs)) as on_run:
        runs = store.load(specs, on_run)
    folder = store.tables / "+".join(group)
    folder.mkdir(parents=True, exist_ok=True)
    about = sys.stdout if shown == "text" else sys.stderr  # the rest is for programs
    print(f"# {' + '.join(group)}", file=about)
    skipped = {} if names else not_applicable(runs)
    for name, make in TABLES.items():
        if name in (names or TABLES) and name not in skipped:
            _give(make(runs), folder, shown)
    for name, why in skipped.items():
        print(f"no table {name}: {why}", file=about)
    atomic.write_text(folder / "runs.csv", every_run(runs).to_csv(index=False))
    best = sweep_choices(runs)
    if len(best):
        atomic.write_text(folder / BEST_FROM, best.to_csv(index=False))
    print(f"written to {folder}", file=about)


def _recompute(folder: Path, shown: str) -> None:
    """Show and write the table of what others published; it is of no experiment."""
    from benchmark.tables.recomputed import recomputed_table

    folder.mkdir(parents=True, exist_ok=True)
    _give(recomputed_table(), folder, shown)
    print(f"written to {folder}", file=sys.stdout if shown == "text" else sys.stderr)


def _give(table: Table, folder: Path, shown: str) -> None:
    _show(table, shown)
    for path, content in _contents(folder, table).items():
        atomic.write_text(path, content)


def _contents(folder: Path, table: Table) -> Mapping[Path, str]:
    from benchmark.tables import formats as table_formats

    return {
        folder / f"{table.name}.md": table.markdown(table_formats.MARKDOWN_WIDTH),
        folder / f"{table.name}.csv": table_formats.csv(table),
        folder / f"{table.name}.tex": table_formats.latex(table),
    }


def _show(table: Table, shown: str) -> None:
    from rich.console import Console

    from benchmark.tables import formats as table_formats

    if shown != "text":
        make = {"markdown": lambda t: t.markdown(table_formats.MARKDOWN_WIDTH)}
        make |= {"csv": table_formats.csv, "latex": table_formats.latex}
        print(make[shown](table), end="" if shown == "csv" else "\n")
        return
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=PLAIN_WIDTH)
    for part in table_formats.text(table, console.width):
        console.print(part)


@contextmanager
def reading(runs: int) -> Iterator[Callable[[], None]]:
    """Show on stderr how many runs have been read, if that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading runs", total=runs)
        yield lambda: bar.advance(task)
