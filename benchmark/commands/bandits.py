"""`drac-bench bandits`: selectors compared where the best arm is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.choices import chosen, require_picture
from drac.commands import flags
from drac.commands.output import progress
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from benchmark.bandits.simulation import Run

HELP = """Simulate every selector on constant, rising and switching return curves, 1,525 pulls of 8
arms as in a run of 25M steps: regret, and how often each arm was pulled. Print a table and write
bandits.csv, bandits.json and bandits.png. Seconds; rl2 takes nearly all of them.

With --tasks, train RL^2 over 2,000 short bandit tasks instead, and compare its regret on 200 new
ones with that of uniform play and of bandits; write rl2-tasks.json. Half a minute a seed.

example: drac-bench bandits --seeds 0-19 --out results/bandits"""


@dataclass
class BanditsFlags:
    """Flags of `drac-bench bandits`."""

    seeds: tuple[str, ...] = flags.option(
        ("0-4",),
        "one run of each selector and curve for each; with --tasks one training for each",
        "A-B",
    )
    selectors: tuple[str, ...] = flags.option(
        (), 'which to compare, e.g. ucb thompson "ucb, both" (default: all)'
    )
    curves: tuple[str, ...] = flags.option((), "constant, rising or switching (default: all)")
    pulls: str = flags.option("1525", "updates of a simulated run", "N")
    workers: str = flags.option("1", "processes side by side; the numbers are the same", "N")
    out: Path = flags.option(
        Path("results/bandits"), "folder for the files; those of an earlier call are replaced"
    )
    picture: Path | None = flags.option(
        None, "where the picture goes (default: bandits.png in --out)"
    )
    tasks: bool = flags.option(False, "compare on many short tasks, for which RL^2 is trained")


def bandits_command(argv: Sequence[str]) -> int:
    """`drac-bench bandits`."""
    from benchmark.bandits.simulation import CURVES, SELECTORS, simulate_all
    from benchmark.suites import parse_seeds

    given: BanditsFlags = flags.parse(BanditsFlags, argv, "drac-bench bandits", HELP)
    selectors = chosen("selector", given.selectors, SELECTORS) or tuple(SELECTORS)
    curves = chosen("curve", given.curves, CURVES) or tuple(CURVES)
    seeds = parse_seeds(given.seeds)
    if not seeds:
        raise ConfigError("--seeds names no seed; say for instance --seeds 0-4")
    pulls = flags.whole_number("pulls", given.pulls, at_least=2)
    workers = flags.whole_number("workers", given.workers, at_least=1)
    run_folder.require_writable(given.out)
    if given.picture is not None:
        require_picture(given.picture)
    if given.tasks:
        return _tasks(given, seeds)
    runs = []
    with progress("simulating", len(curves) * len(selectors) * len(seeds)) as on_run:
        for run in simulate_all(curves, selectors, seeds, pulls, workers):
            runs.append(run)
            on_run()
    return _report(given, runs)


def _report(given: BanditsFlags, runs: Sequence[Run]) -> int:
    from benchmark.bandits import plot as bandits_plot
    from benchmark.bandits import table as bandits_table
    from benchmark.commands.tables import print_table

    print_table(bandits_table.table(runs))
    given.out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(given.out / "bandits.csv", bandits_table.frame(runs).to_csv(index=False))
    atomic.write_text(given.out / "bandits.json", bandits_table.as_json(runs))
    picture = given.picture or given.out / "bandits.png"
    bandits_plot.draw(runs, picture)
    print(f"written to {given.out}: bandits.csv, bandits.json; the picture to {picture}")
    return 0


def _tasks(given: BanditsFlags, seeds: Sequence[int]) -> int:
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from benchmark.bandits import tasks as bandit_tasks
    from benchmark.bandits.rl2_training import MetaSettings
    from benchmark.commands.tables import print_table

    torch.set_num_threads(1)  # matrices of 100 x 32
    settings = asdict(MetaSettings())
    outcomes: list[bandit_tasks.Outcome] = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        for seed in seeds:
            task = shown.add_task(f"training RL^2 over 2,000 tasks, seed {seed}", total=1.0)
            outcomes += bandit_tasks.compare(seed, partial(_show, shown, task))
    print_table(bandit_tasks.table(outcomes, settings))
    given.out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(given.out / "rl2-tasks.json", bandit_tasks.as_json(outcomes, settings))
    print(f"written to {given.out}: rl2-tasks.json")
    return 0


def _show(bars: Progress, task: TaskID, share: float) -> None:
    bars.update(task, completed=share)
