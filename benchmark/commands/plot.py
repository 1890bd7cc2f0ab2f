"""The command `drac-bench plot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.commands.choices import require_picture
from drac.commands import flags
from drac.errors import ConfigError

PLOT_HELP = """Draw the training return of runs over their steps, with every evaluation on the
training levels and on the full distribution.

example: drac-bench plot results/runs/default/ppo/starpilot/seed0 --out curve.png"""


@dataclass
class PlotFlags:
    """Flags of `drac-bench plot`."""

    run: tuple[Path, ...] = flags.positional("folders of runs")
    out: Path = flags.option(Path("curves.png"), "the picture: .png, .pdf or .svg")


def plot_command(argv: Sequence[str]) -> int:
    """`drac-bench plot`."""
    given: PlotFlags = flags.parse(PlotFlags, argv, "drac-bench plot", PLOT_HELP)
    if not given.run:
        raise ConfigError("say which runs to draw: drac-bench plot RUN [RUN ...]")
    for run_dir in given.run:
        if not (run_dir / "config.json").is_file():
            raise ConfigError(f"{run_dir} is no run: it holds no config.json")
    require_picture(given.out)
    from benchmark.figures.run_curves import learning_curves
    from benchmark.store.run_files import DamagedError

    try:
        learning_curves(given.run, given.out)
    except DamagedError as error:
        raise ConfigError(str(error)) from None
    print(f"written to {given.out}")
    return 0
