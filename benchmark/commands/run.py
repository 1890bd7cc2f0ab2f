"""`drac-bench run`: which runs are wanted, and which are left to do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import suites
from benchmark.commands import choices
from benchmark.commands.jobs import carry_out
from benchmark.engines import catalogue, options, ready
from benchmark.suites import RunSpec, Suite
from drac.commands import flags
from drac.commands.output import fitted
from drac.commands.train import ACCEPT_CHANGED_CODE, TRACK
from drac.config import TrainConfig, preset_defaults
from drac.config.quantities import number_of, shortened
from drac.errors import ConfigError
from drac.files import lock, run_folder
from drac.runs import foreign_code, named, trackers
from drac.runs.meta import read_meta

if TYPE_CHECKING:
    from benchmark.engines.engine import Room
    from benchmark.engines.sweep import Outcome

RUN_HELP = """Run a suite, or methods x games x seeds, and keep what is finished: the same command
continues where it stopped, and several may work on one experiment at once. Every option of `drac
train` holds for all runs of the sweep. Status 1: a run failed; 75: work is left, try again.

example:
  drac-bench run --methods ppo ucb-drac --games all --seeds 0-2 --workers 2

suites (drac-bench suites says what they cost, and how to write one's own):
"""

LONG_H = 24.0
"""Hours beyond which it is asked, or warned, before anything begins."""

NO_SUITE = Suite("default", "what the flags say")

_Words = tuple[str, ...]
_RUN_FLAGS: list[flags.Field] = [
    ("suite", str | None, flags.option(None, "a suite from the list above, or a file: mine.toml")),
    ("methods", _Words, flags.option((), "methods, or all (default: the suite's)")),
    ("games", _Words, flags.option((), "games, or all (default: the suite's, else all)")),
    ("seeds", _Words, flags.option((), "e.g. 0-2, or 0 1 (default: the suite's, else 0)")),
    ("experiment", str | None, flags.option(None, "name (default: the suite's, else default)")),
    ("results", Path, flags.option(Path("results"), "root of all results")),
    (
        "fresh",
        bool,
        flags.option(False, "start all over, complete or not; what is there is kept, renamed"),
    ),
    ACCEPT_CHANGED_CODE,
    TRACK,
]


def run_command(argv: Sequence[str]) -> int:
    """`drac-bench run`."""
    from benchmark.store.store import Store

    runs = Path(flags.peek(argv, "--results") or "results") / "runs"
    suite = suites.get(name, runs) if (name := flags.peek(argv, "--suite")) else NO_SUITE
    fidelity = flags.peek(argv, "--fidelity") or suite.options.get("fidelity", "paper")
    defaults = {**preset_defaults(fidelity), **suite.options, "fidelity": fidelity}
    fields = flags.config_fields(defaults, exclude=("game", "method", "seed"))
    ours = [*_RUN_FLAGS, *options.fields(argv)]
    flags_type = make_dataclass("RunFlags", [*ours, *fields])
    about = RUN_HELP + choices.listed(suites.built_in())
    about += f"\n\nengines, whose options --engine NAME --help lists:\n{options.listed()}"
    values = vars(flags.parse(flags_type, argv, "drac-bench run", about))
    own = {name: values.pop(name) for name, *_ in ours}
    asked = flags.named(argv)
    for name in ("methods", "games", "seeds"):
        if not own[name] and name in asked:
            raise ConfigError(f"--{name} names nothing to run")
    methods = suites.parse_methods(own["methods"], values["augmentation"])
    if values["augmentation"] is None:
        methods = tuple(named.typed(method, runs) for method in methods)
    if not (methods or suite.every_method):
        raise ConfigError("say what to run: --suite demo, or --methods ppo ucb-drac")
    options.read(own)
    flags.require_known("tracker", own["track"], trackers.NAMES)
    trackers.require(own["track"])
    experiment = suite.name if own["experiment"] is None else own["experiment"]
    run_folder.check_name("experiment", experiment)
    games, seeds = suites.parse_games(own["games"]), suites.parse_seeds(own["seeds"])
    given = {name: value for name, value in values.items() if name in asked}
    wanted = list(suite.runs(experiment, methods, games, seeds, given))
    experiments = dict.fromkeys(spec.experiment for spec, _ in wanted)
    again = shlex.join(["drac-bench", "run", *argv])
    return _run(Store(own["results"]), " ".join(experiments), wanted, own, again)


def _run(
    store: Any,
    experiment: str,
    runs: list[tuple[RunSpec, TrainConfig]],
    own: dict[str, Any],
    again: str,
) -> int:
    """Check everything, write the plan, execute what is left. Returns the exit status."""
    from benchmark.engines.engine import training

    engine = options.make(own, store.root)
    for spec, _ in runs:
        run_folder.require_writable(store.run_dir(spec))
        run_folder.require_plain(store.run_dir(spec), store.runs)
    left = runs
    if not own["fresh"]:
        left = [(spec, config) for spec, config in runs if not _complete(store, spec, config)]
    if not (own["fresh"] or own["accept_changed_code"]):
        specs = {store.run_dir(spec): spec for spec, _ in left}

        def anew(run_dirs: Sequence[Path]) -> str:
            return f"start over ({again} {_alone(specs[path] for path in run_dirs)})"

        foreign_code.require_none_changed(specs, again, anew)
    ready.check_augmentations([config for _, config in left])
    if not catalogue.get(own["engine"]).elsewhere:
        ready.check_devices([config for _, config in left])
    elsewhere = [spec for spec, _ in left if lock.in_use(store.run_dir(spec))]
    todo = {spec.id: (spec, config) for spec, config in left if spec not in elsewhere}
    jobs = [
        training(spec.id, config, store.run_dir(spec), *options.share(own), _how(own))
        for spec, config in todo.values()
    ]

    def may_begin() -> bool:
        complete = {spec for spec, _ in runs} - {spec for spec, _ in left}
        _warn_of_other_code(store, complete, again)
        if todo and not _agreed(store, todo, engine.room(jobs), own):
            return False
        if own["dry_run"]:
            return True
        if own["fresh"]:  # here and once: a run that is tried again, or requeued, goes on
            kept = [spec for spec, _ in todo.values() if lock.set_aside(store.run_dir(spec))]
            print(f"starting over: {number_of(len(kept), 'run')} kept as seedK.before-N")
        store.add_to_plans([spec for spec, _ in runs])
        return True

    by_others = f", {len(elsewhere)} in the hands of another process" if elsewhere else ""
    first = f"{experiment}: {number_of(len(runs), 'run')}, {len(runs) - len(left)} complete"
    where = f"drac-bench tables --experiment {experiment}{choices.results_flag(store.root)}"
    return carry_out(
        own,
        engine,
        jobs,
        lambda job, status: _outcome(store, todo[job.id][0], status),
        f"{first}{by_others}",
        next_command=where,
        may_begin=may_begin,
        configs={id_: config for id_, (_, config) in todo.items()},
    )


def _how(own: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags of `drac train` that are no options of a run."""
    track = () if own["track"] == "none" else ("--track", own["track"])
    accept = ("--accept-changed-code",) if own["accept_changed_code"] else ()
    fresh = ("--fresh",) if own["fresh"] and own["dry_run"] else ()  # else see `may_begin`
    return (*track, *accept, *fresh)


def _alone(specs: Iterable[RunSpec]) -> str:
    """Return the words that have the same command start over these runs and no other methods'."""
    chosen = [*specs]
    words = []
    for flag in ("method", "game", "seed"):
        words += [f"--{flag}s", *dict.fromkeys(str(getattr(spec, flag)) for spec in chosen)]
    return shlex.join([*words, "--fresh"])


def _warn_of_other_code(store: Any, complete: Iterable[RunSpec], again: str) -> None:
    """Say which complete runs were trained with another source of a plug-in than there is now."""
    specs = sorted(complete)
    found = foreign_code.outdated(read_meta(store.run_dir(spec)) for spec in specs)
    if others := {spec.id: names for spec, names in zip(specs, found, strict=True) if names}:
        alone = _alone(spec for spec in specs if spec.id in others)
        sources = ", ".join(dict.fromkeys(name for names in others.values() for name in names))
        said = (
            f"drac-bench run: warning: {number_of(len(others), 'complete run')} had another source"
            f" of {sources} than is here now: {shortened(others)}; what is complete is left as it"
            f" is; to start over: {again} {alone}"
        )
        print(fitted(said), file=sys.stderr)


def _agreed(
    store: Any,
    todo: Mapping[str, tuple[RunSpec, TrainConfig]],
    room: Room | None,
    own: dict[str, Any],
) -> bool:
    """Say what the runs take; whether they may begin, which is asked if it is more than a day."""
    from benchmark.speed.costs import forecast

    folders = {store.run_dir(spec): config for spec, config in todo.values()}
    takes = forecast(store, folders, room, own["fresh"])
    about = sys.stderr if own["dry_run"] else sys.stdout  # where the commands are for programs
    print(fitted(takes.text), file=about, flush=True)
    if not takes.fits:
        print("drac-bench run: warning: the disk may fill up", file=sys.stderr)
    if own["dry_run"] or own["yes"] or takes.hours is None or takes.hours <= LONG_H:
        return True
    said = f"this takes {takes.hours / 24:,.1f} days here"
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        print(f"drac-bench run: warning: {said}", file=sys.stderr)
        return True
    print(f"{said}; begin? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _complete(store: Any, spec: RunSpec, config: TrainConfig) -> bool:
    """Whether a run needs nothing more; raises ConfigError if its folder is another run's."""
    run_dir = store.run_dir(spec)
    if not (run_dir / "config.json").exists():
        return False
    saved = TrainConfig.from_json(run_dir / "config.json")
    reached = read_meta(run_dir).get("steps")
    known = reached if isinstance(reached, int) else 0
    longer = config.continue_from(saved, run_dir, known).steps > saved.steps
    return not longer and not store.problems(spec)


def _outcome(store: Any, spec: RunSpec, status: int) -> Outcome:
    from benchmark.engines.sweep import outcome

    return outcome(store.run_dir(spec), status, store.problems(spec))
