"""`drac-bench compare A B`: is A better than B, by how much, how sure, in one screen."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands.choices import chosen, experiments
from drac.commands import flags
from drac.commands.output import print_json, progress
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import atomic, run_folder
from drac.games import RANGE_SOURCES
from drac.runs.logs import SPLITS

if TYPE_CHECKING:
    from benchmark.analysis.compare import Comparison

HELP = """Is A better than B, by how much, how sure? Per game: mean ± standard deviation over runs,
and Welch's t-test with Holm's correction (* p < 0.05, ** p < 0.01, *** p < 0.001). Over the games
that both have: IQM, median and mean of min-max normalized scores, the probability of improvement,
95 % intervals by the stratified bootstrap, and Wilcoxon's signed-rank test.

A and B are methods of the store or of imported scores (drac-bench import-scores); SOURCE:METHOD
where several experiments or imported sets have one of that name, and not just one has both.

example: drac-bench compare ucb-drac ppo --experiment paper-table1"""

FORMAT = 1
"""Of the JSON: see `drac.commands.output.print_json`."""

SEED = 0
"""Of the bootstrap: the same question has the same answer."""


@dataclass
class CompareFlags:
    """Flags of `drac-bench compare`."""

    methods: tuple[str, ...] = flags.positional("A and B", "METHOD")
    experiment: tuple[str, ...] = flags.option(
        (), "take runs of these experiments together (default: each on its own)"
    )
    split: str = flags.option("test", "whose returns", "{train,test}")
    ranges: str = flags.option(
        "default",
        "score ranges of the normalization; they differ on easy Jumper and Leaper",
        "{default,train-procgen}",
    )
    csv: Path | None = flags.option(None, "a file for the numbers")
    json: bool = flags.option(False, "print the numbers as JSON: docs/json.md")
    results: Path = flags.option(Path("results"), "root of all results")


def compare_command(argv: Sequence[str]) -> int:
    """`drac-bench compare`."""
    given: CompareFlags = flags.parse(CompareFlags, argv, "drac-bench compare", HELP)
    if len(given.methods) != 2:
        raise ConfigError(f"give two methods, A and B, not {len(given.methods)}")
    chosen("split", (given.split,), SPLITS)
    chosen("ranges", (given.ranges,), RANGE_SOURCES)
    if given.csv:
        run_folder.require_writable(given.csv.parent)
        if given.csv.is_dir():
            raise ConfigError(f"{given.csv} is a folder")
    return _report(given)


def _report(given: CompareFlags) -> int:
    found = _compare(given)
    if given.json:
        print_json(FORMAT, rows=_rows(found).to_dict("records"))
    else:
        _show(found)
    if given.csv:
        given.csv.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(given.csv, _rows(found).to_csv(index=False))
        print(f"written to {given.csv}", file=sys.stderr if given.json else sys.stdout)
    return 0


def _compare(given: CompareFlags) -> Comparison:
    """Compute, and show on stderr how far it is."""
    import numpy as np

    from benchmark.analysis.compare import NUM_PARTS, compare
    from benchmark.analysis.find import find
    from benchmark.store.store import Store

    together = experiments(Store(given.results), given.experiment) if given.experiment else ()
    with progress("reading runs") as on_run:
        a, b = find(given.methods, given.results, given.split, together, on_run)
    with progress("comparing", NUM_PARTS) as on_part:
        return compare(
            a,
            b,
            split=given.split,
            ranges=given.ranges,
            generator=np.random.default_rng(SEED),
            on_part=on_part,
        )


ROOM = 46
"""Columns of a table that both names have, with 80 columns in all."""


def _show(found: Comparison) -> None:
    from rich.console import Console
    from rich.text import Text

    from benchmark.analysis.verdict import verdict

    console = Console(highlight=False)
    console.print(Text(verdict(found), style="bold"))
    console.print()
    names = found.a.name, found.b.name
    if len("".join(names)) > console.width - 80 + ROOM:
        console.print(Text(f"A: {names[0]}\nB: {names[1]}\n"), overflow="fold")
        names = "A", "B"
    console.print(_per_game(found, *names))
    console.print()
    console.print(_aggregates(found, *names))
    notes = [(f"! {caution}", "yellow") for caution in found.cautions]
    for note, style in [*notes, *((f"- {origin}", "dim") for origin in found.origins)]:
        console.print(Text(note, style=style))


def _table(title: str, *columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if index else "left", overflow="fold")
    return table


def _per_game(found: Comparison, a: str, b: str) -> Any:
    counts = {summary.n for row in found.games for summary in (row.a, row.b)}
    runs = f", {number_of(min(counts), 'run')} a game" if len(counts) == 1 else ""
    title = f"{found.split} return per game ({found.a.mode} mode{runs}; p: Welch, Holm)"
    columns = ["game", a, b, "difference", "p", ""]
    table = _table(title, *columns, *([] if runs else ["runs"]))
    for row in found.games:
        cells = [row.game, row.a.text() or "missing", row.b.text() or "missing"]
        cells += [_number(row.difference, "+.2f"), _number(row.p, ".2g"), row.stars]
        table.add_row(*cells, *([] if runs else [f"{row.a.n} / {row.b.n}"]))
    return table


def _aggregates(found: Comparison, a: str, b: str) -> Any:
    title = f"min-max normalized ({found.ranges} ranges), {found.label}"
    table = _table(title, "", a, b, "difference", "95 % interval")
    for row in found.aggregates:
        values = (f"{row.a:.3f}", f"{row.b:.3f}", _number(row.difference, "+.3f"))
        table.add_row(row.name, *values, row.interval.text(digits=3))
    chance, likely = found.improvement
    table.add_row("P(improvement)", f"{chance:.3f}", f"{1 - chance:.3f}", "", likely.text(digits=3))
    table.add_row("Wilcoxon over games", "", "", "", f"p = {_number(found.wilcoxon, '.2g')}")
    return table


def _number(value: float, form: str) -> str:
    if value != value:
        return "-"
    text = f"{value:{form}}"
    return text if float(text) else f"{0.0:{form}}"  # not -0.00


def _rows(found: Comparison) -> Any:
    """Return everything that is shown as one row a number."""
    import pandas as pd

    about = {"method_a": found.a.address, "method_b": found.b.address, "split": found.split}
    return pd.DataFrame([{**about, **row} for row in _numbers(found)])


def _numbers(found: Comparison) -> Iterator[dict[str, Any]]:
    from benchmark.analysis.verdict import verdict

    for row in found.games:
        numbers = {"a": row.a.mean, "b": row.b.mean, "difference": row.difference, "p": row.p}
        spread = {"a_std": row.a.std, "b_std": row.b.std, "a_runs": row.a.n, "b_runs": row.b.n}
        yield {"measure": "mean return", "over": row.game, **numbers, **spread}
    for one in found.aggregates:
        numbers = {"a": one.a, "b": one.b, "difference": one.difference}
        ends = {"low": one.interval.low, "high": one.interval.high}
        yield {"measure": f"{one.name}, min-max", "over": found.label, **numbers, **ends}
    chance, likely = found.improvement
    ends = {"a": chance, "b": 1 - chance, "low": likely.low, "high": likely.high}
    yield {"measure": "probability of improvement", "over": found.label, **ends}
    yield {"measure": "Wilcoxon", "over": found.label, "p": found.wilcoxon}
    yield {"measure": "verdict", "text": verdict(found)}
    for caution in found.cautions:
        yield {"measure": "caution", "text": caution}
    for origin in found.origins:
        yield {"measure": "origin", "text": origin}
