"""The command `drac-bench status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.commands.tables import experiments
from drac.commands import flags

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
    from benchmark.commands.display import status_lines
    from benchmark.store.run_files import in_use
    from benchmark.store.store import Store

    given: StatusFlags = flags.parse(StatusFlags, argv, "drac-bench status", STATUS_HELP)
    store = Store(given.results)
    names = experiments(store, given.experiment)
    if not names:
        print(f"no runs below {store.runs}")
    for name in names:
        problems = {spec: store.problems(spec) for spec in store.specs(name)}
        incomplete = [spec for spec, found in problems.items() if found]
        running = sum(in_use(store.run_dir(spec)) for spec in incomplete)
        print(
            f"{name}: {len(problems) - len(incomplete)} of {len(problems)} runs complete,"
            f" {running} running"
        )
        shown = list(problems) if given.experiment else incomplete[:SHOWN]
        for spec in shown:
            print("\n".join(status_lines(store, spec, problems[spec])))
        if not given.experiment and len(incomplete) > SHOWN:
            rest = len(incomplete) - SHOWN
            print(f"  and {rest} more: drac-bench status --experiment {name}")
    return 0
