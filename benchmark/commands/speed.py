"""`drac-bench speed`: what takes how long on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from augmentations.arguments import unknown
from benchmark.commands.training_speed import HELP, compare_command, training_command
from drac.commands import flags
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    from benchmark.speed.augmentations import Report

AUGMENTATIONS_HELP = """Measure the images per second of augmentations, as the trainer uses them,
and what part of an update each would take. Nothing else should run meanwhile.

example: drac-bench speed augmentations --augmentations crop color-jitter"""

DEVICES = ("cpu", "cuda")


@dataclass
class AugmentationsFlags:
    """Flags of `drac-bench speed augmentations`."""

    augmentations: tuple[str, ...] = flags.option(
        (),
        "what to measure, e.g. crop \"flip(axis='vertical')\" (default: all that need no options)",
    )
    repeats: str = flags.option("5", "rounds whose median counts", "N")
    device: str = flags.option("cpu", "where to measure", "{cpu,cuda}")
    json: Path | None = flags.option(None, "a file for the figures")


def augmentations_command(argv: Sequence[str]) -> int:
    """`drac-bench speed augmentations`."""
    prog = "drac-bench speed augmentations"
    given: AugmentationsFlags = flags.parse(AugmentationsFlags, argv, prog, AUGMENTATIONS_HELP)
    repeats = flags.whole_number("repeats", given.repeats, at_least=1)
    if given.device not in DEVICES:
        raise ConfigError(unknown("device", given.device, DEVICES))
    if given.json:
        run_folder.require_writable(given.json.parent)
        if given.json.is_dir():
            raise ConfigError(f"{given.json} is a folder")
    return _report(given, repeats)


def _report(given: AugmentationsFlags, repeats: int) -> int:
    from benchmark.speed import augmentation_table as speed_table

    report = _measure(given.augmentations, given.device, repeats)
    print(speed_table.augmentations(report).markdown())
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(given.json, json.dumps(asdict(report), indent=2) + "\n")
        print(f"written to {given.json}")
    return 0


def _measure(specs: Sequence[str], device: str, repeats: int) -> Report:
    """Measure, with a progress bar on stderr: the table may go into a file."""
    from rich.console import Console
    from rich.progress import Progress

    from benchmark.speed.augmentations import measure, num_parts
    from drac.arms import catalogue

    made = catalogue.make(specs)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=num_parts(tuple(made), repeats))

        def on_part(name: str) -> None:
            bar.update(task, description=escape(name), advance=1)

        return measure(made, device, repeats, on_part=on_part)


def speed_command(argv: Sequence[str]) -> int:
    """`drac-bench speed`: without another word, that of training."""
    if not argv or argv[0].startswith("-"):
        return training_command(argv)
    return flags.run_command("drac-bench speed", HELP, COMMANDS, argv)


COMMANDS = {"augmentations": augmentations_command, "compare": compare_command}
