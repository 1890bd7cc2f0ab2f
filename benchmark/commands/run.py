"""`drac-bench run`: which runs are wanted, which are left to do, and doing them."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

from benchmark import suites
from benchmark.suites import RunSpec, Suite
from drac.commands import flags
from drac.config import TrainConfig, preset_defaults
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import lock, run_folder
from drac.runs import signals
from drac.runs.meta import read_meta

RUN_HELP = """Run a suite, or methods x games x seeds, and keep what is finished: the same command
continues where it stopped, and several may work on one experiment at once. Every option of `drac
train` holds for all runs of the sweep.

example: drac-bench run --methods ppo ucb-drac --games all --seeds 0-2 --steps 1M --workers 2

suites:
""" + "\n".join(f"  {suite.name}: {suite.summary}" for suite in suites.SUITES.values())

NO_SUITE = Suite("default", "what the flags say", methods=(), seeds=(0,))

POLL_INTERVAL_S = 0.2


_Words = tuple[str, ...]
_RUN_FLAGS: list[flags.Field] = [
    ("suite", str | None, flags.option(None, "a suite from the list above")),
    ("methods", _Words, flags.option((), "methods, or all (default: the suite's)")),
    ("games", _Words, flags.option((), "games, or all (default: the suite's, else all)")),
    ("seeds", _Words, flags.option((), "e.g. 0-2, or 0 1 (default: the suite's, else 0)")),
    ("experiment", str | None, flags.option(None, "name (default: the suite's, else default)")),
    ("results", Path, flags.option(Path("results"), "root of all results")),
    ("workers", str, flags.option("1", "runs side by side; the cores are shared", "N")),
    ("dry_run", bool, flags.option(False, "only say what is left to do and what it takes")),
    ("yes", bool, flags.option(False, "begin without asking what takes more than a day")),
]


def run_command(argv: Sequence[str]) -> int:
    """`drac-bench run`."""
    from benchmark.store.store import Store

    suite = suites.get(name) if (name := flags.peek(argv, "--suite")) else NO_SUITE
    fidelity = flags.peek(argv, "--fidelity") or suite.options.get("fidelity", "paper")
    defaults = {**preset_defaults(fidelity), **suite.options, "fidelity": fidelity}
    fields = flags.config_fields(defaults, exclude=("game", "method", "seed"))
    flags_type = make_dataclass("RunFlags", [*_RUN_FLAGS, *fields])
    given = vars(flags.parse(flags_type, argv, "drac-bench run", RUN_HELP))
    own = {name: given.pop(name) for name, *_ in _RUN_FLAGS}
    for name in ("methods", "games", "seeds"):
        if not own[name] and any(word.partition("=")[0] == f"--{name}" for word in argv):
            raise ConfigError(f"--{name} names nothing to run")
    methods = suites.parse_methods(own["methods"] or suite.methods, given["augmentation"])
    if not methods:
        raise ConfigError("say what to run: --suite demo, or --methods ppo ucb-drac")
    workers = flags.whole_number("workers", own["workers"], at_least=1)
    experiment = suite.name if own["experiment"] is None else own["experiment"]
    run_folder.check_name("experiment", experiment)
    games = suites.parse_games(own["games"] or suite.games)
    seeds = suites.parse_seeds(own["seeds"]) or suite.seeds
    runs = list(suites.expand(experiment, methods, games, seeds, given))
    store = Store(own["results"])
    return _run(store, experiment, runs, workers, yes=own["yes"], dry_run=own["dry_run"])


def _run(
    store: Any,
    experiment: str,
    runs: list[tuple[RunSpec, TrainConfig]],
    workers: int,
    *,
    yes: bool,
    dry_run: bool,
) -> int:
    """Check everything, write the plan, execute what is left. Returns the exit status."""
    from benchmark.commands import forecast
    from benchmark.commands.display import SweepDisplay
    from benchmark.engines.local import Job, LocalEngine

    left = [(spec, config) for spec, config in runs if not _complete(store, spec, config)]
    _check_devices([config for _, config in left])
    elsewhere = [spec for spec, _ in left if lock.in_use(store.run_dir(spec))]
    todo = {spec.id: spec for spec, _ in left if spec not in elsewhere}
    jobs = [Job(s.id, config, store.run_dir(s)) for s, config in left if s.id in todo]
    if jobs and not forecast.agreed(jobs, workers, store.root, yes or dry_run):
        print("nothing was begun")
        return 1
    if dry_run:
        return 0
    store.add_to_plan(experiment, [spec for spec, _ in runs])
    engine = LocalEngine(workers)
    for job in jobs:
        engine.submit(job)
    display = SweepDisplay(len(todo))
    by_others = f", {len(elsewhere)} in the hands of another process" if elsewhere else ""
    display.message(
        f"{experiment}: {number_of(len(runs), 'run')}, {len(runs) - len(left)} complete{by_others},"
        f" {workers} at a time"
    )
    begun = time.monotonic()
    try:
        failed = _execute(store, todo, engine, display)
    finally:
        engine.cancel()  # whatever went wrong, no child outlives us
        display.close()
    if failed is None:
        print("stopped; the same command continues")
        return signals.EXIT_CODE
    print(
        f"{number_of(len(todo) - len(failed), 'run')} finished in {time.monotonic() - begun:.0f} s"
    )
    if failed:
        print(
            f"{len(failed)} of {number_of(len(todo), 'run')} failed: {', '.join(failed)}",
            file=sys.stderr,
        )
        return 1
    where = shlex.quote(str(store.root))
    print(f"next: drac-bench tables --experiment {experiment} --results={where}")
    return 0


def _execute(store: Any, specs: dict[str, RunSpec], engine: Any, display: Any) -> list[str] | None:
    """Wait for the submitted jobs; return the ids of the failed, None after a stop signal."""
    failed = []
    with signals.stop_requested(lambda text: None) as stopped:  # we speak below, not in a handler
        while not engine.idle:
            if stopped():
                display.message("stopping: what runs saves its state first (Ctrl-C again: at once)")
                engine.cancel()
                return None
            for run, status in engine.poll().items():
                outcome = _outcome(store, specs[run], status)
                if outcome.startswith("FAILED"):
                    failed.append(run)
                display.ended(run, outcome)
            display.update(engine.running)
            time.sleep(POLL_INTERVAL_S)
    return failed


def _complete(store: Any, spec: RunSpec, config: TrainConfig) -> bool:
    """Whether a run needs nothing more; raises ConfigError if its folder cannot be used."""
    run_dir = store.run_dir(spec)
    run_folder.require_writable(run_dir)
    run_folder.require_plain(run_dir, store.runs)
    if not (run_dir / "config.json").exists():
        return False
    saved = TrainConfig.from_json(run_dir / "config.json")
    reached = read_meta(run_dir).get("steps")
    known = reached if isinstance(reached, int) else 0
    longer = config.continue_from(saved, run_dir, known).steps > saved.steps
    return not longer and not store.problems(spec)


def _check_devices(configs: Sequence[TrainConfig]) -> None:
    """Fail before anything is written if runs ask for CUDA on a machine without it."""
    if any(config.device == "cuda" for config in configs):
        from drac.hardware import resolve  # imports torch

        resolve(configs[0])


def _outcome(store: Any, spec: RunSpec, status: int) -> str:
    """Say how a run ended: "complete", who has it, or "FAILED" with the reason and the log."""
    from benchmark.store.progress import last_line
    from benchmark.store.store import LOG

    run_dir = store.run_dir(spec)
    problems = store.problems(spec)
    if not status and not problems:
        return "complete"
    if lock.in_use(run_dir):
        return "left to another process, which has begun it"
    why = "; ".join(problems)
    if status < 0:
        why = f"killed by {signal.Signals(-status).name}"
    elif status:
        why = f"exit status {status}"
        if said := last_line(run_dir / LOG):
            why += f", {said}"
    return f"FAILED ({why}); its log is {run_dir / LOG}"
