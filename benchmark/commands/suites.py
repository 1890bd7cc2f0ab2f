"""`drac-bench suites`: what suites there are, what each takes, and how one is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import suites
from benchmark.suites import files
from drac.commands import flags
from drac.commands.output import console, fitted
from drac.config.quantities import count_text, size_of
from drac.errors import ConfigError

HELP = """List the suites with their runs, steps, hours here and disk; or print one as the TOML file
that one's own is begun with. The hours are those of a measured speed: --speed FILE, else
RESULTS/speed.json (drac-bench speed --json RESULTS/speed.json), else finished runs of some length.

examples:
  drac-bench suites
  drac-bench suites mine.toml --seeds 0-2
  drac-bench suites show evidence > mine.toml"""

SHOW = "show"


@dataclass
class SuitesFlags:
    """Flags of `drac-bench suites`."""

    names: tuple[str, ...] = flags.positional(
        "suites, or files NAME.toml (default: the built-in)", "SUITE"
    )
    methods: tuple[str, ...] = flags.option((), "as for drac-bench run, like those below")
    games: tuple[str, ...] = flags.option((), "count these games")
    seeds: tuple[str, ...] = flags.option((), "count these seeds")
    steps: str | None = flags.option(None, "count so many steps for each run", "N")
    speed: Path | None = flags.option(None, "a JSON file of drac-bench speed")
    results: Path = flags.option(Path("results"), "root of all results")


def suites_command(argv: Sequence[str]) -> int:
    """`drac-bench suites`."""
    given: SuitesFlags = flags.parse(SuitesFlags, argv, "drac-bench suites", HELP)
    if given.names and given.names[0] == SHOW:
        return _show(given.names[1:], argv)
    return _list(given)


def _show(names: Sequence[str], argv: Sequence[str]) -> int:
    if len(names) != 1:
        raise ConfigError(f"name one suite: drac-bench suites show {next(iter(suites.built_in()))}")
    if extra := flags.named(argv):
        raise ConfigError(f"suites show takes no options, but has --{sorted(extra)[0]}")
    path = files.path_of(names[0])
    files.read(path)
    print(files.text_of(path), end="")
    return 0


def _list(given: SuitesFlags) -> int:
    from rich.table import Table

    from benchmark.speed import costs
    from benchmark.store.store import Store

    runs = given.results / "runs"
    found = [suites.get(name, runs) for name in given.names or suites.built_in()]
    cut = (suites.parse_methods(given.methods), suites.parse_games(given.games))
    options = {"steps": given.steps} if given.steps else {}
    seeds = suites.parse_seeds(given.seeds)
    sweeps = [[*suite.runs("", *cut, seeds, options)] for suite in found]
    pace = costs.pace(Store(given.results), given.speed)
    table = Table(box=None, pad_edge=False)
    for name in ("suite", "runs", "steps", pace.unit if pace else costs.CPU, "disk", "what"):
        table.add_column(name, justify="left" if name in ("suite", "what") else "right")
    for suite, own in zip(found, sweeps, strict=True):
        configs = [config for _, config in own]
        hours = f"{sum(map(pace.hours, configs)):,.1f}" if pace else "-"
        steps = count_text(sum(config.steps for config in configs))
        disk = size_of(costs.disk_bytes(configs))
        table.add_row(suite.name, f"{len(own):,}", steps, hours, disk, suite.summary)
    console(plain_width=200).print(table)
    print(fitted(f"hours from {pace.source}" if pace else _UNKNOWN))
    return 0


_UNKNOWN = (
    "hours are unknown: no run that is long enough is finished here, and drac-bench speed --json"
    " results/speed.json has not been run"
)
