"""`drac-bench tables`: which runs, which tables, and in what form they are shown and written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from augmentations import plugins
from benchmark import suites
from benchmark.commands.choices import chosen, experiments, listed
from benchmark.commands.progress_bar import bar
from benchmark.tables.catalogue import KIND, RECOMPUTED, known, not_applicable
from drac.commands import flags
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.store.store import Store
    from benchmark.tables.table import Table

HELP = """Tabulate the finished runs of an experiment beside the published numbers: print the
tables and write each as Markdown, CSV and LaTeX below RESULTS/tables. Without --table all that
these runs have something to say to.

examples:
  drac-bench tables --experiment demo
  drac-bench tables --table table1 per-game --format latex

tables:
{tables}

runs.csv has every planned run. Where fixed augmentations of DrAC were compared, best-from.csv is
the best of each game, for --method drac-best --best-from."""

_RECOMPUTED = "published aggregates, from the published means of games; needs no runs"
ENDINGS = {"markdown": "md", "csv": "csv", "latex": "tex"}
FORMATS = ("text", *ENDINGS)
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
    suite: str | None = flags.option(
        None, "the same as --experiment, for the name or file of a suite"
    )
    results: Path = flags.option(Path("results"), "root of all results")


def tables_command(argv: Sequence[str]) -> int:
    """`drac-bench tables`."""
    from benchmark.store.store import Store

    titles = {name: table.title for name, table in known().items()} | {RECOMPUTED: _RECOMPUTED}
    about = HELP.format(tables=listed(titles))
    given: TablesFlags = flags.parse(TablesFlags, argv, "drac-bench tables", about)
    names = chosen("table", given.table, titles)
    chosen("format", (given.format,), FORMATS)
    if not names and any(word.partition("=")[0] == "--table" for word in argv):
        raise ConfigError(f"--table names no table; choose from {', '.join(titles)}")
    store = Store(given.results)
    wanted = given.experiment + (suites.get(given.suite).experiments if given.suite else ())
    found = experiments(store, wanted) if wanted or names != (RECOMPUTED,) else ()
    if RECOMPUTED in names:
        run_folder.require_writable(store.tables)
        _recompute(store.tables, given.format)
        names = tuple(name for name in names if name != RECOMPUTED)
        if not names:
            return 0
    if not found:
        raise ConfigError(f"there are no runs below {store.runs}; begin with drac-bench run")
    groups = [found] if wanted else [(name,) for name in found]
    for group in groups:
        run_folder.require_writable(store.tables / "+".join(group))
    for group in groups:
        _tabulate(store, group, names, given.format)
    return 0


def _tabulate(store: Store, group: tuple[str, ...], names: tuple[str, ...], shown: str) -> None:
    from benchmark.analysis.best_augmentation import BEST_FROM, sweep_choices
    from benchmark.tables.every_run import every_run

    specs = [spec for name in group for spec in store.specs(name)]
    with bar("reading runs", len(specs)) as on_run:
        runs = store.load(specs, on_run)
    folder = store.tables / "+".join(group)
    folder.mkdir(parents=True, exist_ok=True)
    about = sys.stdout if shown == "text" else sys.stderr  # the rest is for programs
    print(f"# {' + '.join(group)}", file=about)
    skipped = {} if names else not_applicable(runs)
    for name in known():
        if name in (names or known()) and name not in skipped:
            try:
                plugins.called(KIND, name, partial(_make, name, runs, folder, shown))
            except plugins.PluginError as error:
                skipped[name] = str(error)
    for name, why in skipped.items():
        print(f"no table {name}: {why}", file=about)
    atomic.write_text(folder / "runs.csv", every_run(runs).to_csv(index=False))
    best = sweep_choices(runs)
    if len(best):
        atomic.write_text(folder / BEST_FROM, best.to_csv(index=False))
    print(f"written to {folder}", file=about)


def _make(name: str, runs: pd.DataFrame, folder: Path, shown: str) -> None:
    _give(known()[name](runs), folder, shown)


def _recompute(folder: Path, shown: str) -> None:
    """Show and write the table of what others published; it is of no experiment."""
    from benchmark.tables.recomputed import recomputed_table

    folder.mkdir(parents=True, exist_ok=True)
    _give(recomputed_table(), folder, shown)
    print(f"written to {folder}", file=sys.stdout if shown == "text" else sys.stderr)


def _give(table: Table, folder: Path, shown: str) -> None:
    """Show a table in one format, and write it in all."""
    from benchmark.tables import formats as table_formats

    made = {
        "markdown": table.markdown(table_formats.MARKDOWN_WIDTH),
        "csv": table_formats.csv(table),
        "latex": table_formats.latex(table),
    }
    if shown == "text":
        _print(table)
    else:
        print(made[shown], end="" if shown == "csv" else "\n")
    for form, content in made.items():
        atomic.write_text(folder / f"{table.name}.{ENDINGS[form]}", content)


def _print(table: Table) -> None:
    from rich.console import Console

    from benchmark.tables import formats as table_formats

    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=PLAIN_WIDTH)
    for part in table_formats.text(table, console.width):
        console.print(part)
