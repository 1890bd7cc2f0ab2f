"""The command `drac-bench`: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmark.bandits_cli import bandits_command
from benchmark.compare_cli import compare_command
from benchmark.figures_cli import figures_command
from benchmark.import_cli import import_command
from benchmark.report_cli import report_command
from benchmark.run_cli import run_command
from benchmark.speed_cli import speed_command
from benchmark.tables_cli import experiments, tables_command
from drac.commands import flags
from drac.errors import ConfigError
from drac.files import run_folder

USAGE = """
usage: drac-bench COMMAND [OPTIONS]

Run many agents on Procgen and tabulate what they reach on seen and unseen levels.

commands:
  run      run a suite, or methods x games x seeds; what is complete is not run again
  status   show how far the runs of each experiment are
  tables   tabulate finished runs beside the published numbers
  compare  say whether one method is better than another, by how much, how sure
  import-scores
           bring in the scores of other people's runs, to be compared
  plot     draw the learning curves of runs
  figures  draw figures of all runs: curves, intervals, profiles, what a bandit chose
  report   write all of it as a site of static files
  speed    measure how fast this machine is
  bandits  compare what chooses the augmentation on simulated return curves

examples:
  drac-bench run --suite demo
  drac-bench run --methods ppo ucb-drac --games all --seeds 0-2 --steps 1M --workers 2
  drac-bench status
  drac-bench tables --table table1 --format latex
  drac-bench import-scores results/published/run_scores.csv
  drac-bench compare ucb-drac ppo
  drac-bench plot results/runs/default/ppo/starpilot/seed0 --out curve.png
  drac-bench figures --experiment demo
  drac-bench report --experiment demo --out report
  drac-bench speed --reference
  drac-bench bandits --seeds 0-19

`drac-bench COMMAND --help` lists the options. One run: `drac --help`.
"""

STATUS_HELP = """Show how many runs of each experiment are complete, and what the others lack. With
--experiment, show every run: its step, steps/s, time left, last returns and augmentation.

example: drac-bench status --experiment demo"""

PLOT_HELP = """Draw the training return of runs over their steps, with every evaluation on the
training levels and on the full distribution.

example: drac-bench plot results/runs/default/ppo/starpilot/seed0 --out curve.png"""

PICTURES = (".png", ".pdf", ".svg")
SHOWN = 5  # incomplete runs of an experiment in the overview


@dataclass
class StatusFlags:
    """Flags of `drac-bench status`."""

    experiment: str | None = None
    """show this experiment's runs one by one (default: all experiments, counted)"""
    results: Path = Path("results")
    """root of all results"""


def status_command(argv: Sequence[str]) -> int:
    """`drac-bench status`."""
    from benchmark.display import status_lines
    from benchmark.run_files import in_use
    from benchmark.store import Store

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


@dataclass
class PlotFlags:
    """Flags of `drac-bench plot`."""

    run: tyro.conf.Positional[tuple[Path, ...]]
    """folders of runs"""
    out: Path = Path("curves.png")
    """the picture: .png, .pdf or .svg"""


def plot_command(argv: Sequence[str]) -> int:
    """`drac-bench plot`."""
    given: PlotFlags = flags.parse(PlotFlags, argv, "drac-bench plot", PLOT_HELP)
    if not given.run:
        raise ConfigError("say which runs to draw: drac-bench plot RUN [RUN ...]")
    if given.out.suffix not in PICTURES:
        raise ConfigError(f"{given.out} must end in {', '.join(PICTURES)}")
    for run_dir in given.run:
        if not (run_dir / "config.json").is_file():
            raise ConfigError(f"{run_dir} is no run: it holds no config.json")
    run_folder.require_writable(given.out.parent)
    from benchmark.plots import learning_curves
    from benchmark.run_files import DamagedError

    try:
        learning_curves(given.run, given.out)
    except DamagedError as error:
        raise ConfigError(str(error)) from None
    print(f"written to {given.out}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `drac-bench`; returns the exit status."""
    commands = {
        "run": run_command,
        "status": status_command,
        "tables": tables_command,
        "compare": compare_command,
        "import-scores": import_command,
        "plot": plot_command,
        "figures": figures_command,
        "report": report_command,
        "speed": speed_command,
        "bandits": bandits_command,
    }
    return flags.run_command("drac-bench", USAGE, commands, argv)


if __name__ == "__main__":
    sys.exit(main())
