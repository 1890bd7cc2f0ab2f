"""The command `drac-bench report`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.choices import experiments
from drac.commands import flags
from drac.commands.output import tell
from drac.errors import ConfigError

if TYPE_CHECKING:
    from benchmark.store.store import Store

HELP = """Write a report about the runs of experiments: a site of static files that opens from the
file system and fetches nothing. It has an overview, a page for each game and method, all configs,
where every number comes from, and everything as CSV. Runs that are missing are named.

An older report at --out is replaced once the new one is whole; anything else there is left alone.
A table or a figure that fails, such as a plug-in's, is named and left out; the status is then 1.

example: drac-bench report --experiment demo --out report"""

INTERVAL_S = 2.0


@dataclass
class ReportFlags:
    """Flags of `drac-bench report`."""

    out: Path = flags.option(Path("report"), "the report's folder; open its index.html")
    experiment: tuple[str, ...] = flags.option(
        (), "experiments to report on together (default: all)"
    )
    results: Path = flags.option(Path("results"), "root of all results")
    no_frames: bool = flags.option(
        False, "draw no example frames; the first time, that loads Procgen for some seconds"
    )


def report_command(argv: Sequence[str]) -> int:
    """`drac-bench report`."""
    given: ReportFlags = flags.parse(ReportFlags, argv, "drac-bench report", HELP)
    from benchmark.report.folder import require_replaceable
    from benchmark.store.store import Store

    store = Store(given.results)
    names = experiments(store, given.experiment)
    if not names:
        raise ConfigError(f"there are no runs below {store.runs}; begin with drac-bench run")
    require_replaceable(given.out)
    return _write(store, names, given)


def _write(store: Store, names: Sequence[str], given: ReportFlags) -> int:
    from benchmark.report.build import build

    pages, failed = build(store, names, given.out, with_frames=not given.no_frames, say=_Progress())
    print(f"written to {given.out} ({pages} pages); open {given.out / 'index.html'}")
    for why in failed:
        tell(f"drac-bench report: {why}")
    return 1 if failed else 0


class _Progress:
    """Prints what is being done: a changing line in a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        text = f"[{done}/{total}] {what}" if total else what
        if sys.stdout.isatty():
            print(f"\r\033[K{'' if total and done == total else text}", end="", flush=True)
        elif time.monotonic() - self._said_at > INTERVAL_S or not total:
            self._said_at = time.monotonic()
            print(text, flush=True)
