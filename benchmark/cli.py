"""The command `drac-bench`: parse, call, print."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmark import suites
from benchmark.suites import RunSpec, Suite
from drac import files, flags
from drac.config import ConfigError, TrainConfig, preset_defaults

USAGE = """
usage: drac-bench COMMAND [OPTIONS]

Run many agents on Procgen and tabulate what they reach on seen and unseen levels.

commands:
  run      run a suite, or methods x games x seeds; what is complete is not run again
  status   show how far the runs of each experiment are
  tables   tabulate finished runs beside the published numbers

examples:
  drac-bench run --suite demo
  drac-bench run --methods ppo ucb-drac --games all --seeds 0-2 --steps 1M --workers 2
  drac-bench status
  drac-bench tables

`drac-bench COMMAND --help` lists the options. One run: `drac --help`.
"""

RUN_HELP = """Run a suite, or methods x games x seeds, and keep what is finished: the same command
continues where it stopped. Every option of `drac train` holds for all runs of the sweep.

example: drac-bench run --methods ppo ucb-drac --games all --seeds 0-2 --steps 1M --workers 2

suites:
""" + "\n".join(f"  {suite.name}: {suite.summary}" for suite in suites.SUITES.values())

STATUS_HELP = """Show how many runs of each experiment are complete, and how far the others are.

example: drac-bench status --experiment demo"""

TABLES_HELP = """Tabulate the finished runs of an experiment beside the published numbers, print the
tables and write them as Markdown and CSV below RESULTS/tables.

example: drac-bench tables --experiment demo"""

EXIT_STOPPED = 75  # as `drac train`: saved, try again


def _help(text: str) -> Any:
    return tyro.conf.arg(help=text)


_Words = tuple[str, ...]
_RUN_FLAGS: list[Any] = [
    ("suite", Annotated[str | None, _help("a suite from the list above")], None),
    ("methods", Annotated[_Words, _help("methods to run (default: the suite's)")], ()),
    ("games", Annotated[_Words, _help("games, or all (default: the suite's, else all)")], ()),
    (
        "seeds",
        Annotated[_Words, _help("e.g. 0-2, or 0 1 (default: the suite's, else 0)")],
        (),
    ),
    ("experiment", Annotated[str | None, _help("name (default: the suite's, else default)")], None),
    ("results", Annotated[Path, _help("root of all results")], Path("results")),
    ("workers", flags.text("runs side by side; the cores are shared", "N"), "1"),
]


def run_command(argv: Sequence[str]) -> int:
    """`drac-bench run`."""
    from benchmark.store import Store, check_name

    suite = suites.get(name) if (name := flags.peek(argv, "--suite")) else None
    options = suite.options if suite else {}
    fidelity = flags.peek(argv, "--fidelity") or options.get("fidelity", "paper")
    defaults = {**preset_defaults(fidelity), **options, "fidelity": fidelity}
    fields = flags.config_fields(defaults, exclude=("game", "method", "seed"))
    flags_type = make_dataclass("RunFlags", [*_RUN_FLAGS, *fields])
    given = vars(flags.parse(flags_type, argv, "drac-bench run", RUN_HELP))
    own = {name: given.pop(name) for name, *_ in _RUN_FLAGS}
    if not suite and not own["methods"]:
        raise ConfigError("say what to run: --suite demo, or --methods ppo ucb-drac")
    workers = flags.whole_number("workers", own["workers"], at_least=1)
    experiment = own["experiment"] or (suite.name if suite else "default")
    check_name("experiment", experiment)
    runs = list(
        suites.expand(
            experiment,
            own["methods"] or (suite.methods if suite else ()),
            suites.parse_games(own["games"] or (suite.games if suite else ["all"])),
            suites.parse_seeds(own["seeds"]) or (suite.seeds if suite else (0,)),
            given,
        )
    )
    return _run(Store(own["results"]), experiment, runs, workers)


def _run(store: Any, experiment: str, runs: list[tuple[RunSpec, TrainConfig]], workers: int) -> int:
    from benchmark.display import SweepDisplay
    from benchmark.engines.local import Job, LocalEngine
    from benchmark.store import LOG, validate

    todo = []
    for spec, config in runs:
        run_dir = store.run_dir(spec)
        files.require_writable(run_dir)
        complete = False
        if (run_dir / "config.json").exists():
            saved = TrainConfig.from_json(run_dir / "config.json")
            complete = config.continue_from(saved, run_dir).steps == saved.steps and not validate(
                run_dir
            )
        if not complete:
            todo.append(Job(spec.id, config, run_dir))
    _check_devices(todo)
    store.add_to_plan(experiment, [spec for spec, _ in runs])
    engine, failed = LocalEngine(workers), []
    for job in todo:
        engine.submit(job)
    display = SweepDisplay(len(todo))
    display.message(
        f"{experiment}: {len(runs)} runs, {len(runs) - len(todo)} complete, {workers} at a time"
    )
    begun = time.monotonic()
    try:
        while not engine.idle:
            for run, status in engine.poll().items():
                run_dir = store.runs / run
                problems = validate(run_dir)
                if status or problems:
                    failed.append(run)
                    why = f"exit status {status}" if status else "; ".join(problems)
                    display.ended(run, f"FAILED ({why}); its log is {run_dir / LOG}")
                else:
                    display.ended(run, "complete")
            display.update(engine.running)
            time.sleep(0.2)
    except KeyboardInterrupt:
        display.message("stopping: the running runs save their state first")
        engine.cancel()
        display.message("stopped; the same command continues")
        return EXIT_STOPPED
    finally:
        display.close()
    print(f"{len(todo) - len(failed)} runs finished in {time.monotonic() - begun:.0f} s")
    if failed:
        print(f"{len(failed)} of {len(todo)} runs failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    print(f"next: drac-bench tables --experiment {experiment} --results {store.root}")
    return 0


def _check_devices(todo: Sequence[Any]) -> None:
    """Fail before anything is written if runs ask for CUDA on a machine without it."""
    if any(job.config.device == "cuda" for job in todo):
        from drac.hardware import resolve  # imports torch

        resolve(todo[0].config)


@dataclass
class StatusFlags:
    """Flags of `drac-bench status`."""

    experiment: str | None = None
    """show this experiment's runs one by one (default: all experiments, counted)"""
    results: Path = Path("results")
    """root of all results"""


def status_command(argv: Sequence[str]) -> int:
    """`drac-bench status`."""
    from benchmark.store import Store, validate

    given: StatusFlags = flags.parse(StatusFlags, argv, "drac-bench status", STATUS_HELP)
    store = Store(given.results)
    names = _experiments(store, given.experiment)
    if not names:
        print(f"no runs below {store.runs}")
    for name in names:
        problems = {spec: validate(store.run_dir(spec)) for spec in store.specs(name)}
        incomplete = {spec: found for spec, found in problems.items() if found}
        print(f"{name}: {len(problems) - len(incomplete)} of {len(problems)} runs complete")
        shown = list(incomplete.items()) if given.experiment else list(incomplete.items())[:5]
        for spec, found in shown:
            print(f"  {spec.method}/{spec.game}/seed{spec.seed}: {'; '.join(found)}")
        if len(shown) < len(incomplete):
            rest = len(incomplete) - len(shown)
            print(f"  and {rest} more: drac-bench status --experiment {name}")
    return 0


@dataclass
class TablesFlags:
    """Flags of `drac-bench tables`."""

    experiment: tuple[str, ...] = ()
    """experiments to tabulate together (default: each on its own)"""
    suite: str | None = None
    """the same as --experiment, for a suite's name"""
    results: Path = Path("results")
    """root of all results"""


def tables_command(argv: Sequence[str]) -> int:
    """`drac-bench tables`."""
    from benchmark.store import Store

    given: TablesFlags = flags.parse(TablesFlags, argv, "drac-bench tables", TABLES_HELP)
    store = Store(given.results)
    wanted = given.experiment + ((suites.get(given.suite).name,) if given.suite else ())
    groups = [wanted] if wanted else [(name,) for name in store.experiments()]
    for name in wanted:
        _experiments(store, name)
    if not groups:
        raise ConfigError(f"there are no runs below {store.runs}; begin with drac-bench run")
    for group in groups:
        _tabulate(store, group)
    return 0


def _tabulate(store: Any, experiments: tuple[str, ...]) -> None:
    from benchmark import tables

    runs = store.load(spec for name in experiments for spec in store.specs(name))
    known: list[Suite] = [suites.SUITES[name] for name in experiments if name in suites.SUITES]
    caveat = " ".join(dict.fromkeys(suite.caveat for suite in known))
    folder = store.tables / "+".join(experiments)
    files.require_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"# {' + '.join(experiments)}\n")
    for make in tables.ALL:
        table = make(runs, caveat)
        print(table.markdown())
        files.write_text(folder / f"{table.name}.md", table.markdown())
        files.write_text(folder / f"{table.name}.csv", table.data.to_csv(index=False))
    print(f"written to {folder}")


def _experiments(store: Any, wanted: str | None) -> list[str]:
    """Return the experiments to show; an unknown name is an error."""
    names: list[str] = store.experiments()
    if wanted is None:
        return names
    if wanted not in names:
        from augmentations.arguments import unknown

        if not names:
            raise ConfigError(f"unknown experiment {wanted!r}: there are no runs in {store.runs}")
        raise ConfigError(unknown("experiment", wanted, names))
    return [wanted]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `drac-bench`; returns the exit status."""
    commands = {"run": run_command, "status": status_command, "tables": tables_command}
    return flags.run_command("drac-bench", USAGE, commands, argv)


if __name__ == "__main__":
    sys.exit(main())
