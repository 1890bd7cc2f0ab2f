"""The command `drac-bench status`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.choices import experiments
from drac.commands import flags
from drac.config.quantities import number_of
from drac.files import lock

if TYPE_CHECKING:
    from benchmark.store.store import Store
    from benchmark.suites import RunSpec

STATUS_HELP = """Show how many runs of each experiment are complete, and what the others lack. With
--experiment, show every run: its step, steps/s, time left, last returns and augmentation.

example: drac-bench status --experiment demo"""


SHOWN = 5  # incomplete runs of an experiment in the overview


@dataclass
class StatusFlags:
    """Flags of `drac-bench status`."""

    experiment: str | None = flags.option(
        None, "show this experiment's runs one by one (default: all experiments, counted)"
    )
    results: Path = flags.option(Path("results"), "root of all results")


def status_command(argv: Sequence[str]) -> int:
    """`drac-bench status`."""
    from benchmark.store.store import Store

    given: StatusFlags = flags.parse(StatusFlags, argv, "drac-bench status", STATUS_HELP)
    store = Store(given.results)
    names = experiments(store, (given.experiment,) if given.experiment is not None else ())
    if not names:
        print(f"no runs below {store.runs}")
    for name in names:
        runs = [_standing(store, spec) for spec in store.specs(name)]
        incomplete = [said for state, said in runs if state != "complete"]
        running = sum(state == "running" for state, _ in runs)
        print(
            f"{name}: {len(runs) - len(incomplete)} of {number_of(len(runs), 'run')} complete,"
            f" {running} running"
        )
        shown = [said for _, said in runs] if given.experiment else incomplete[:SHOWN]
        for said in shown:
            print(said)
        if not given.experiment and len(incomplete) > SHOWN:
            rest = len(incomplete) - SHOWN
            where = f"--results={shlex.quote(str(store.root))}"
            print(f"  and {rest} more: drac-bench status --experiment {name} {where}")
    return 0


def _standing(store: Store, spec: RunSpec) -> tuple[str, str]:
    """Return how a run stands, and the lines that say it: how far it is, and what it lacks."""
    from benchmark.commands.display import progress_line
    from benchmark.store.progress import progress_of

    record = store.read(spec)
    lacks = "; ".join(record.problems)
    state = "complete"
    if lacks:
        state = "running" if lock.in_use(store.run_dir(spec)) else "incomplete"
    if record.config is None:
        return state, f"  {spec.name}: {lacks}"
    now = progress_of(record.config, record.updates, record.episodes)
    line = f"  {spec.name}: {state}  {progress_line(now)}"
    return state, line + (f"\n    lacks: {lacks}" if state == "incomplete" else "")
