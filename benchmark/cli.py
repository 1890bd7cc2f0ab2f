"""The command `drac-bench`: parse, call, print."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Sequence
from functools import partial

import drac.names  # noqa: F401 - first: it ends here if others hide our packages
from drac.commands import flags

USAGE = """
usage: drac-bench COMMAND [OPTIONS]

Run many agents on Procgen and tabulate what they reach on seen and unseen levels.

commands:
  run            run a suite, or methods x games x seeds; what is complete is not run again
  suites         list the suites and what they take; print one to write one's own
  status         show how far the runs of each experiment are
  logs           print what a run has said
  evaluate       play further episodes with every finished run of an experiment
  tables         tabulate finished runs beside the published numbers
  compare        say whether one method is better than another, by how much, how sure
  import-runs    bring in runs from another machine
  index          bring up to date what tables and status know of runs
  import-scores  bring in the scores of other people's runs, to be compared
  import-curves  bring in their learning curves, to be drawn beside ours
  plot           draw the learning curves of runs
  figures        draw figures of all runs: curves, intervals, profiles, what a bandit chose
  report         write all of it as a site of static files
  speed          measure how fast this machine is
  bandits        compare what chooses the augmentation on simulated return curves

examples:
  drac-bench run --suite demo
  drac-bench run --methods ppo ucb-drac --games all --seeds 0-2 --steps 1M
  drac-bench suites
  drac-bench status
  drac-bench logs demo/ucb-drac/coinrun/seed0 --follow
  drac-bench import-runs runs.tar.gz
  drac-bench evaluate --experiment demo --levels 1000-1999
  drac-bench tables --table table1 --format latex
  drac-bench import-scores results/published/run_scores.csv
  drac-bench compare ucb-drac ppo
  drac-bench import-curves results/published/curves.csv --name openai
  drac-bench plot results/runs/default/ppo/starpilot/seed0 --out curve.png
  drac-bench figures --experiment demo
  drac-bench report --experiment demo --out report
  drac-bench speed --reference
  drac-bench bandits --seeds 0-19

`drac-bench COMMAND --help` lists the options. One run: `drac --help`.
`drac-bench --version` says which one this is; `drac-bench --print-completion SHELL`
prints how bash, zsh or tcsh completes its command lines.
"""


COMMANDS = {
    "run": "run:run_command",
    "suites": "suites:suites_command",
    "status": "status:status_command",
    "logs": "store:logs_command",
    "evaluate": "evaluate:evaluate_command",
    "tables": "tables:tables_command",
    "compare": "compare:compare_command",
    "import-runs": "store:import_runs_command",
    "index": "store:index_command",
    "import-scores": "import_scores:import_command",
    "import-curves": "import_scores:import_curves_command",
    "plot": "figures:plot_command",
    "figures": "figures:figures_command",
    "report": "report:report_command",
    "speed": "speed:speed_command",
    "bandits": "bandits:bandits_command",
}
"""Name -> module of `benchmark.commands` and function. Only that which is called is imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `drac-bench`; returns the exit status."""
    commands = {name: partial(_call, name) for name in COMMANDS}
    return flags.run_command("drac-bench", USAGE, commands, argv)


def _call(name: str, argv: Sequence[str]) -> int:
    status: int = pkgutil.resolve_name(f"benchmark.commands.{COMMANDS[name]}")(argv)
    return status


if __name__ == "__main__":
    sys.exit(main())
