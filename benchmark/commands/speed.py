"""`drac-bench speed`: how fast training and augmentations are on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from augmentations.arguments import unknown
from drac.commands import flags
from drac.commands.output import progress, tell
from drac.config import TrainConfig, build
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    from benchmark.speed.records import Record
    from benchmark.tables.table import Table

HELP = """Measure how fast training is on this machine: steps per second and where the time goes,
for methods and precisions, each in a process of its own. Nothing else should run meanwhile.

example: drac-bench speed --reference --json speed.json

other commands:
  drac-bench speed compare A.json B.json  the ratios of two such files
  drac-bench speed augmentations          images per second of each augmentation"""

COMPARE_HELP = """Compare two files of drac-bench speed, cell by cell, and say what differs in
machine and settings.

example: drac-bench speed compare before.json after.json"""

AUGMENTATIONS_HELP = """Measure the images per second of augmentations, as the trainer uses them,
and what part of an update each would take. Nothing else should run meanwhile.

example: drac-bench speed augmentations --augmentations crop color-jitter"""

DEVICES = ("cpu", "cuda")
STDOUT = Path("-")

_Words = tuple[str, ...]


@dataclass
class SpeedFlags:
    """Flags of `drac-bench speed`."""

    methods: _Words = flags.option(("ppo", "ucb-drac"), "methods to measure")
    game: str = flags.option("starpilot", "the game")
    device: str = flags.option("auto", "where to train", "{auto,cpu,cuda}")
    precisions: _Words = flags.option(
        (), "float32, bf16 (default: float32, and bf16 where the hardware has it)"
    )
    threads: str = flags.option(
        "auto", "of the network on CPU; with --workers: of each worker, 1 by default", "N"
    )
    num_envs: str = flags.option("64", "environments stepped side by side", "N")
    num_steps: str = flags.option("256", "steps of each environment in a rollout", "N")
    micro_batch: str = flags.option("128", "images per forward pass on CPU", "N")
    env_groups: str = flags.option("auto", "groups of envs", "N")
    eval_episodes: str = flags.option(
        "100", "episodes on each split of the evaluation that is timed", "N"
    )
    reference: bool = flags.option(
        False,
        "measure the straightforward engine too: planar float32, whole minibatches, three passes",
    )
    workers: str = flags.option(
        "1",
        "measure so many runs side by side, beside one alone and one with all their threads",
        "N",
    )
    calibrate: bool = flags.option(
        False, "try a few settings and recommend flags; nothing is changed"
    )
    check: bool = flags.option(
        False, "first compare this device's engine with the straightforward one"
    )
    full: bool = flags.option(False, "time whole updates on CPU too")
    attempts: str = flags.option(
        "1",
        "measure again what other processes disturb, at most so often; the least disturbed counts",
        "N",
    )
    json: Path | None = flags.option(None, "a file for the figures; - prints them")


@dataclass
class AugmentationsFlags:
    """Flags of `drac-bench speed augmentations`."""

    augmentations: tuple[str, ...] = flags.option(
        (),
        "what to measure, e.g. crop \"flip(axis='vertical')\" (default: all that need no options)",
    )
    repeats: str = flags.option("5", "rounds whose median counts", "N")
    device: str = flags.option("cpu", "where to measure", "{cpu,cuda}")
    json: Path | None = flags.option(None, "a file for the figures; - prints them")


@dataclass
class CompareFlags:
    """Flags of `drac-bench speed compare`."""

    files: tuple[Path, ...] = flags.positional("two JSON files of drac-bench speed", "FILE")


def speed_command(argv: Sequence[str]) -> int:
    """`drac-bench speed`: without another word, that of training."""
    if not argv or argv[0].startswith("-"):
        return training_command(argv)
    return flags.run_command("drac-bench speed", HELP, COMMANDS, argv)


def training_command(argv: Sequence[str]) -> int:
    """`drac-bench speed` without another word."""
    given: SpeedFlags = flags.parse(SpeedFlags, argv, "drac-bench speed", HELP)
    workers = flags.whole_number("workers", given.workers, at_least=1)
    attempts = flags.whole_number("attempts", given.attempts, at_least=1)
    asked = [f"--{name}" for name in ("calibrate", "check") if getattr(given, name)]
    asked += ["--workers"] * (workers > 1)
    if len(asked) > 1:
        raise ConfigError(f"{' and '.join(asked)} are different measurements; give one of them")
    if given.reference and asked in (["--calibrate"], ["--workers"]):
        raise ConfigError(f"--reference has no meaning beside {asked[0]}; leave one of them out")
    if workers > 1 and given.threads == "auto":
        given.threads = "1"
    if not given.methods:
        raise ConfigError("--methods names nothing to measure")
    _require_writable(given.json)
    return _training(given, _configs(given), workers, attempts)


def augmentations_command(argv: Sequence[str]) -> int:
    """`drac-bench speed augmentations`."""
    prog = "drac-bench speed augmentations"
    given: AugmentationsFlags = flags.parse(AugmentationsFlags, argv, prog, AUGMENTATIONS_HELP)
    repeats = flags.whole_number("repeats", given.repeats, at_least=1)
    if given.device not in DEVICES:
        raise ConfigError(unknown("device", given.device, DEVICES))
    _require_writable(given.json)
    return _augmentations(given, repeats)


def compare_command(argv: Sequence[str]) -> int:
    """`drac-bench speed compare`."""
    given: CompareFlags = flags.parse(CompareFlags, argv, "drac-bench speed compare", COMPARE_HELP)
    if len(given.files) != 2:
        raise ConfigError("give two files: drac-bench speed compare BEFORE.json AFTER.json")
    return _compare(*given.files)


COMMANDS = {"augmentations": augmentations_command, "compare": compare_command}


def _require_writable(json: Path | None) -> None:
    """Refuse a file for the figures that could not be written after all the measuring."""
    if json is not None and json != STDOUT:
        run_folder.require_writable(json.parent)
        if json.is_dir():
            raise ConfigError(f"{json} is a folder")


def _show(tables: Sequence[Table], report: Record, json: Path | None, more: str = "") -> None:
    """Print what was measured, and keep it in a file if there is to be one."""
    if json == STDOUT:
        print(report.to_json(), end="")
        return
    from benchmark.commands.tables import print_table

    for table in tables:
        print_table(table)
    if more:
        print(more)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(json, report.to_json())
        print(f"written to {json}")


def _configs(given: SpeedFlags) -> tuple[TrainConfig, ...]:
    """Return what to measure: configs in which precision and the rest may still be "auto"."""
    names = ("game", "device", "threads", "num_envs", "num_steps")
    more = ("micro_batch", "env_groups", "eval_episodes")
    values = {name: getattr(given, name) for name in (*names, *more)}
    precisions = dict.fromkeys(given.precisions or ("float32", "auto"))
    return tuple(
        build({**values, "method": method, "precision": precision})
        for method in dict.fromkeys(given.methods)
        for precision in precisions
    )


def _training(
    given: SpeedFlags, configs: Sequence[TrainConfig], workers: int, attempts: int
) -> int:
    """Measure what is asked for and print it. Returns the exit status."""
    from benchmark.speed import plan, tables
    from benchmark.speed.children import ChildFailedError
    from drac import hardware  # torch is imported from here on

    resolved = tuple(dict.fromkeys(hardware.resolve(config) for config in configs))
    passed, more = True, ""
    try:
        if given.check:
            with _progress() as on_part:
                verdicts = plan.verdicts(resolved[0], on_part)
            passed = all(verdict.passed for verdict in verdicts)
            about = sys.stderr if given.json == STDOUT else sys.stdout
            print("\n".join(verdict.text() for verdict in verdicts), file=about, flush=True)
        with _progress() as on_part:
            planned = plan.Plan(resolved, given.full, attempts, on_part)
            if workers > 1:
                report = planned.workers(workers)
                made = [tables.workers(report)]
            elif given.calibrate:
                report = planned.calibration(len(os.sched_getaffinity(0)))
                made, more = [tables.calibration(report)], plan.recommendation(report)
            else:
                report = planned.cells(given.reference)
                made = [tables.cells(report), tables.phases(report)]
    except ChildFailedError as error:
        tell(f"drac-bench speed: error: {error}")
        return 1
    _show(made, report, given.json, more)
    return 0 if passed else 1


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on stderr what is being measured: the tables may go into a file."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def on_part(name: str) -> None:
            bar.update(task, description=escape(name), advance=1)
            if not console.is_terminal:
                console.print(name, markup=False, highlight=False, soft_wrap=True)

        yield on_part


def _augmentations(given: AugmentationsFlags, repeats: int) -> int:
    """Measure augmentations and print it."""
    from benchmark.speed import tables
    from benchmark.speed.worker import augmentations
    from drac.arms import catalogue

    made = catalogue.make(given.augmentations)
    with progress("measuring", augmentations.num_parts(tuple(made), repeats)) as on_part:
        report = augmentations.measure(made, given.device, repeats, on_part=on_part)
    _show([tables.augmentations(report)], report, given.json)
    return 0


def _compare(first: Path, second: Path) -> int:
    from benchmark.commands.tables import print_table
    from benchmark.speed.records import load
    from benchmark.speed.tables import comparison

    print_table(comparison(load(first), load(second)))
    return 0
