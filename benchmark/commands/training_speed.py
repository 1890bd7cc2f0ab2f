"""`drac-bench speed` without another word: how fast training is, and `drac-bench speed compare`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drac.commands import flags
from drac.config import TrainConfig, build
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    from benchmark.speed.training import Cell, Report
    from benchmark.speed.training_plan import Plan
    from benchmark.tables.table import Table

HELP = """Measure how fast training is on this machine: steps per second and where the time goes,
for methods and precisions, each in a process of its own. Nothing else should run meanwhile.

example: drac-bench speed --reference --json speed.json

other commands:
  drac-bench speed compare A.json B.json    the ratios of two such files
  drac-bench speed augmentations            images per second of each augmentation"""

COMPARE_HELP = """Compare two files of drac-bench speed, cell by cell, and say what differs in
machine and settings.

example: drac-bench speed compare before.json after.json"""

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
    json: Path | None = flags.option(None, "a file for the figures")


def training_command(argv: Sequence[str]) -> int:
    """`drac-bench speed`."""
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
    if given.json:
        run_folder.require_writable(given.json.parent)
        if given.json.is_dir():
            raise ConfigError(f"{given.json} is a folder")
    return _training(given, _configs(given), workers, attempts)


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
    from benchmark.speed import training_table
    from benchmark.speed.training_children import ChildFailedError
    from benchmark.speed.training_plan import Plan
    from drac import hardware  # torch is imported from here on

    resolved = tuple(dict.fromkeys(hardware.resolve(config) for config in configs))
    plan = Plan(resolved, given.full, attempts)
    passed = True
    try:
        with _progress(plan) as plan:
            if given.check:
                passed = _print_verdicts(plan)
            if workers > 1:
                report, tables = plan.workers(workers), [training_table.workers]
            elif given.calibrate:
                report = plan.calibration(len(os.sched_getaffinity(0)))
                tables = [training_table.calibration]
            else:
                report, tables = (
                    plan.cells(given.reference),
                    [training_table.cells, training_table.phases],
                )
    except ChildFailedError as error:
        print(f"drac-bench speed: error: {error}", file=sys.stderr)
        return 1
    _print([make(report) for make in tables])
    if given.calibrate:
        print(_recommendation(report))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(given.json, report.to_json())
        print(f"written to {given.json}")
    return 0 if passed else 1


@contextlib.contextmanager
def _progress(plan: Plan) -> Iterator[Plan]:
    """Show on stderr what is being measured: the tables may go into a file."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("starting") as status:

        def on_part(name: str) -> None:
            if console.is_terminal:
                status.update(name)
            else:
                console.print(name, markup=False, highlight=False, soft_wrap=True)

        yield replace(plan, on_part=on_part)


def _print_verdicts(plan: Plan) -> bool:
    """Print how the engine compares with the plain one; return whether all is well."""
    verdicts = plan.verdicts()
    for verdict in verdicts:
        print(verdict.text(), flush=True)
    return all(verdict.passed for verdict in verdicts)


def _print(tables: Sequence[Table]) -> None:
    for made in tables:
        print(made.markdown())


def _recommendation(report: Report) -> str:
    """Say which flags gave the most steps per second."""
    best = max(report.cells, key=lambda cell: cell.steps_per_s)
    lines = [f"fastest here: drac train {_flags(best)}"]
    exact = [cell for cell in report.cells if cell.precision == "float32"]
    if best.precision != "float32" and exact:
        fastest = max(exact, key=lambda cell: cell.steps_per_s)
        lines.append(f"in float32:   drac train {_flags(fastest)}")
    if best.device == "cpu":
        cores = report.machine.cores
        lines.append(
            f"runs side by side: drac-bench speed --workers {cores} --threads 1 measures those"
        )
    return "\n".join(lines)


def _flags(cell: Cell) -> str:
    words = f"--device {cell.device} --precision {cell.precision}"
    if cell.device == "cpu":
        return f"{words} --threads {cell.threads} --micro-batch {cell.micro_batch}"
    return f"{words} --env-groups {cell.env_groups}"


@dataclass
class CompareFlags:
    """Flags of `drac-bench speed compare`."""

    files: tuple[Path, ...] = flags.positional("two JSON files of drac-bench speed")


def compare_command(argv: Sequence[str]) -> int:
    """`drac-bench speed compare`."""
    given: CompareFlags = flags.parse(CompareFlags, argv, "drac-bench speed compare", COMPARE_HELP)
    if len(given.files) != 2:
        raise ConfigError("give two files: drac-bench speed compare BEFORE.json AFTER.json")
    return _compare(*given.files)


def _compare(first: Path, second: Path) -> int:
    from benchmark.speed.training import load
    from benchmark.speed.training_compare import compare

    _print([compare(load(first), load(second))])
    return 0
