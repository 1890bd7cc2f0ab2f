"""`drac-bench tables`: which runs, which tables, and in what form they are shown and written."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augmentations import plugins
from benchmark import suites
from benchmark.commands.choices import chosen, experiments, listed, results_flag
from benchmark.tables.catalogue import KIND, RECOMPUTED, TABLES, known, not_applicable
from drac.commands import flags
from drac.commands.output import console, fitted, print_json, progress
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    from benchmark.store.store import Store
    from benchmark.tables.table import Table

HELP = """Tabulate the finished runs of an experiment beside the published numbers: print one screen
of the most important, and write every table that these runs have something to say to, with all
notes, as Markdown, CSV and LaTeX below RESULTS/tables. --all prints them, --table some of them.

examples:
  drac-bench tables --experiment demo
  drac-bench tables --table table1 per-game --format latex

tables:
{tables}

runs.csv has every planned run. Where fixed augmentations of DrAC were compared, best-from.csv is
the best of each game, for --method drac-best --best-from."""

_RECOMPUTED = "published aggregates, from the published means of games; needs no runs"
FORMAT = 1
"""Of the JSON: see `drac.commands.output.print_json`."""

ENDINGS = {"markdown": "md", "csv": "csv", "latex": "tex"}
FORMATS = ("text", *ENDINGS)
PLAIN_WIDTH, SCREEN_WIDTH = 160, 80
"""Columns of tables, and of the one screen, where neither a terminal nor COLUMNS says them."""


@dataclass
class TablesFlags:
    """Flags of `drac-bench tables`."""

    table: tuple[str, ...] = flags.option((), "which tables (default: all that apply)", "NAME")
    all: bool = flags.option(False, "print every table, with all notes")
    format: str = flags.option(
        "text",
        "how they are printed; files are written in every format",
        "{text,markdown,csv,latex}",
    )
    json: bool = flags.option(False, "print every table, or some, as JSON: docs/json.md")
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
    if names and given.all:
        raise ConfigError("--all prints every table and --table some: give one of the two")
    if given.json and (given.format != "text" or given.all):
        raise ConfigError("--json is a form of its own, of every table or some: give it alone")
    store = Store(given.results)
    wanted = given.experiment + (
        suites.get(given.suite, store.runs).experiments if given.suite else ()
    )
    of_runs = names != (RECOMPUTED,)
    found = experiments(store, wanted, given.suite) if wanted or of_runs else ()
    if of_runs and not found:
        raise ConfigError(f"there are no runs below {store.runs}; begin with drac-bench run")
    groups = ([found] if wanted else [(name,) for name in found]) if of_runs else []
    if given.format == "csv" and (len(names) != 1 or len(groups) > 1):
        raise ConfigError(
            "--format csv prints one table of one experiment, so that there is one header: name"
            f" them, such as --table {names[0] if names else 'per-game'} --experiment"
            f" {found[0] if found else 'NAME'}; the files are written in every format anyway"
        )
    for folder in ["+".join(group) for group in groups] + [""] * (RECOMPUTED in names):
        run_folder.require_writable(store.tables / folder)
    screen = not (names or given.all or given.json) and given.format == "text"
    _tabulate(store, groups, names, "json" if given.json else given.format, screen, given.all)
    return 0


@dataclass(frozen=True)
class Written:
    """What was made of some experiments, or of what others published.

    Attributes:
        folder: where the files are.
        heading: the experiments; "" of none.
        tables: in the order in which they are shown.
        skipped: name -> why there is no such table.
        screen: what is shown in place of the tables, or None.
    """

    folder: Path
    heading: str
    tables: Sequence[Table]
    skipped: Mapping[str, str]
    screen: Table | None = None


def _tabulate(
    store: Store,
    groups: Sequence[tuple[str, ...]],
    names: tuple[str, ...],
    shown: str,
    screen: bool,
    every: bool,
) -> None:
    """Write all files, then print: a reader that goes away loses none of them."""
    from benchmark.tables.recomputed import recomputed_table

    made = []
    if RECOMPUTED in names:
        made.append(Written(store.tables, "", [recomputed_table()], {}))
        write(store.tables, made[0].tables)
    made += [_made(store, group, names, screen, len(groups) == 1) for group in groups]
    if shown == "json":
        print_json(FORMAT, experiments=[_fields(written) for written in made])
        return
    for written in made:
        if written.screen is None:
            show(written, shown, every)
        else:
            _show_screen(written, written.screen)
    if screen and len(groups) > 1:
        print(f"game by game: drac-bench tables --experiment NAME{results_flag(store.root)}")


def _made(
    store: Store, group: tuple[str, ...], names: tuple[str, ...], screen: bool, alone: bool
) -> Written:
    """Make and write the tables of some experiments together."""
    from benchmark.analysis.best_augmentation import BEST_FROM, sweep_choices
    from benchmark.analysis.comparable import every_run
    from benchmark.report.content import Content
    from benchmark.report.summary import summary
    from benchmark.tables import unchanged

    specs = [spec for name in group for spec in store.specs(name)]
    folder, heading = store.tables / "+".join(group), " + ".join(group)
    made_of = unchanged.made_of(store, specs, group, alone) if screen else None
    if made_of and (first := unchanged.kept(folder, made_of)):
        return Written(folder, heading, (), {}, first)
    with progress("reading runs", len(specs)) as on_run:
        runs = store.load(specs, on_run)
    if screen and all(runs["problems"]):  # there is nothing to tabulate
        return Written(folder, heading, (), {}, summary(Content(store, group, runs)))
    lacking, tables = not_applicable(runs), []
    skipped = {} if names else dict(lacking)
    for name in known():
        if name in (names or known()) and name not in skipped:
            try:
                table = plugins.called(KIND, name, partial(known()[name], runs))
                if name in lacking:  # and was asked for
                    table = replace(
                        table, notes=(f"Nothing to show: {lacking[name]}", *table.notes)
                    )
                plugins.called(KIND, name, partial(write, folder, [table]))
                tables.append(table)
            except plugins.PluginError as error:
                skipped[name] = str(error)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / "runs.csv", every_run(runs).to_csv(index=False))
    best = sweep_choices(runs)
    if len(best):
        atomic.write_text(folder / BEST_FROM, best.to_csv(index=False))
    first = summary(Content(store, group, runs), with_games=alone) if screen else None
    if made_of and first:
        unchanged.keep(folder, made_of, first, runs)
    return Written(folder, heading, tables, skipped, first)


def write(folder: Path, tables: Sequence[Table]) -> None:
    """Write tables in every format."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        for form, ending in ENDINGS.items():
            atomic.write_text(folder / f"{table.name}.{ending}", _text(table, form))


def _text(table: Table, form: str) -> str:
    from benchmark.tables import formats as table_formats

    if form == "markdown":
        return table.markdown(table_formats.MARKDOWN_WIDTH)
    return table_formats.csv(table) if form == "csv" else table_formats.latex(table)


def _fields(written: Written) -> dict[str, Any]:
    """Return what the JSON says of some experiments together."""
    tables = [
        {
            "name": table.name,
            "title": table.title,
            "rows": table.data.to_dict("records"),
            "notes": table.notes,
        }
        for table in written.tables
    ]
    about = {"name": written.heading, "folder": str(written.folder)}
    return {**about, "tables": tables, "skipped": dict(written.skipped)}


def _of_runs(table: Table) -> Table:
    """Return Table 1 without the rows that only publications have; others as they are."""
    from benchmark.tables.normalized import NO_RUNS
    from benchmark.tables.table import Table

    if table.name != "table1":
        return table
    blocks = [replace(b, cells=b.cells[b.cells["games"] != NO_RUNS]) for b in table.blocks]
    note = "Methods that only publications have: --table table1, and the files."
    return Table.of(table.name, table.title, blocks, table.data, [*table.notes, note])


def show(written: Written, shown: str, every: bool = False) -> None:
    """Print every table in one format; of `every` table the rows of runs, not of others alone."""
    from benchmark.tables import formats as table_formats

    about = sys.stdout if shown == "text" else sys.stderr  # the rest is for programs
    if written.heading:
        print(f"# {written.heading}", file=about)
    out = console(PLAIN_WIDTH)
    for table in written.tables:
        if shown != "text":
            print(_text(table, shown), end="" if shown == "csv" else "\n")
            continue
        for part in table_formats.text(_of_runs(table) if every else table, out.width):
            out.print(part)
    for name, why in written.skipped.items():
        print(fitted(f"no table {name}: {why}"), file=about)
    print(f"written to {written.folder}", file=about)


def print_table(table: Table) -> None:
    """Print a table as wide as COLUMNS or the terminal says; where neither does, as Markdown."""
    from benchmark.tables import formats as table_formats

    width = shutil.get_terminal_size((0, 0)).columns
    if not width:
        print(table.markdown())
        return
    out = console(width)
    for part in table_formats.text(table, out.width):
        out.print(part)


def _show_screen(written: Written, screen: Table) -> None:
    """Print the most important in few lines, and where the rest is."""
    from benchmark.tables import formats as table_formats

    out = console(SCREEN_WIDTH)
    for part in table_formats.brief(screen, out.width):
        out.print(part)
    if not (written.folder / "runs.csv").exists():  # see `_made`
        return
    for name, why in written.skipped.items():
        if name not in TABLES:  # of those that are ours it is no news
            print(fitted(f"no table {name}: {why}"))
    print(f"written to {written.folder} with all notes; --all prints them")
