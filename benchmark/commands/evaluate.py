"""`drac-bench evaluate`: `drac evaluate` of every complete run of an experiment, by an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands import choices
from benchmark.commands.jobs import carry_out
from benchmark.engines import catalogue, options
from benchmark.engines.ready import check_devices
from drac.commands import flags
from drac.commands.evaluation_plan import EpisodesFlags, Plan, counts_of, plans_of
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import atomic, run_folder

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.engines.engine import Job
    from benchmark.engines.sweep import Outcome
    from benchmark.store.run_files import Columns
    from benchmark.store.run_record import RunRecord
    from benchmark.store.store import Store
    from benchmark.suites import RunSpec

HELP = """Evaluate every complete run of an experiment as drac evaluate does one, through the
engines of drac-bench run. Every episode is kept in RUN/evaluations; what is there is not played
again, so that the same command continues. RESULTS/tables gets each method's returns on each game,
and a row for every level. Status 1: an evaluation failed; 75: work is left, try again.

examples:
  drac-bench evaluate --experiment demo --split test --episodes 100
  drac-bench evaluate --experiment demo --levels 1000-1999 --workers 2
  drac-bench evaluate --experiment demo --robustness

engines, whose options --engine NAME --help lists:
"""

_FLAGS: tuple[flags.Field, ...] = (
    ("experiment", str | None, flags.option(None, "whose runs are evaluated")),
    ("results", Path, flags.option(Path("results"), "root of all results")),
)


@dataclass(frozen=True)
class _Evaluation:
    """What is played with a run: see `drac.commands.evaluation_plan`."""

    store: Store
    spec: RunSpec
    record: RunRecord
    plans: Sequence[Plan]
    counts: Mapping[str, int]
    robustness: bool

    @property
    def name(self) -> str:
        """What it is called among those of all runs and of other evaluations."""
        what = "robustness" if self.robustness else self.plans[0].where
        return f"{self.spec.id}, {what}, seed {self.counts['seed']}"

    def found(self) -> Columns | None:
        """Return what was measured; None unless all of it is there."""
        from benchmark.store.run_files import DamagedError, read_columns
        from benchmark.store.run_record import total_steps
        from drac.runs.logs import EVAL_COLUMNS

        if self.robustness:
            there = self.store.read(self.spec).robustness
            splits = {plan.name for plan in self.plans}
            return there if splits <= {*there.get("split", ())} and self._so_measured() else None
        (plan,), config = self.plans, self.record.config
        assert config is not None
        name = plan.csv_name(self.counts["seed"], total_steps(config))
        path = self.store.run_dir(self.spec) / "evaluations" / name
        try:
            there = read_columns(path, EVAL_COLUMNS, self.store.runs)
        except DamagedError:
            return None
        wanted = len(plan.levels) * plan.each * config.trial or self.counts["episodes"]
        return there if len(there["step"]) == wanted else None

    def _so_measured(self) -> bool:
        """Whether the run's robustness is of as many episodes, and of this seed."""
        from benchmark.store.run_record import HOW_ROBUST
        from drac.files import untrusted

        try:
            how = untrusted.read_json(self.store.run_dir(self.spec) / HOW_ROBUST)["evaluation"]
            return bool(self.counts.items() <= how.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False


def evaluate_command(argv: Sequence[str]) -> int:
    """`drac-bench evaluate`."""
    from benchmark.store.store import Store

    more = [*_FLAGS, *options.fields(argv)]
    flags_type = make_dataclass("EvaluateFlags", more, bases=(EpisodesFlags,), kw_only=True)
    given = flags.parse(flags_type, argv, "drac-bench evaluate", HELP + options.listed())
    counts = counts_of(given, argv)
    own = vars(given)
    options.read(own)
    store = Store(given.results)
    if given.experiment is None:
        known = ", ".join(store.experiments()) or f"none below {store.runs}"
        raise ConfigError(f"say whose runs: --experiment NAME; there are {known}")
    choices.experiments(store, (given.experiment,))
    run_folder.require_writable(store.tables / given.experiment)
    return _evaluate(store, given, own, counts)


def _evaluate(
    store: Store, given: EpisodesFlags, own: dict[str, Any], counts: Mapping[str, int]
) -> int:
    """Check everything, evaluate what is left, tabulate. Returns the exit status."""
    engine = options.make(own, store.root)
    specs = store.specs(own["experiment"])
    runs = store.load(specs)
    asked = [
        _Evaluation(store, spec, record, plans_of(given, record.config), counts, given.robustness)
        for spec, record in zip(specs, runs["record"], strict=True)
        if not record.problems
    ]
    if not asked:
        raise ConfigError(
            f"{own['experiment']} has no complete run; drac-bench status says what each lacks"
        )
    if not catalogue.get(own["engine"]).elsewhere:
        configs = [one.record.config for one in asked]
        check_devices([c.model_copy(update={"device": given.device}) for c in configs if c])
    left = {one.name: one for one in asked if one.found() is None}

    def judge(job: Job, status: int) -> Outcome:
        from benchmark.engines.sweep import outcome

        there = left[job.id].found() is not None
        return outcome(job.run_dir, status, () if there else ("not all was played",))

    first = f"{number_of(len(asked), 'complete run')}, {len(asked) - len(left)} evaluated already"
    jobs = [_job(one, given, own) for one in left.values()]
    status = carry_out(own, engine, jobs, judge, f"{own['experiment']}: {first}")
    if not own["dry_run"]:
        _tabulate(store, own["experiment"], runs, asked)
    return status


def _job(one: _Evaluation, given: EpisodesFlags, own: dict[str, Any]) -> Job:
    from benchmark.engines.engine import RUN_BYTES, Job

    words = []
    for field in fields(EpisodesFlags):
        if (value := getattr(given, field.name)) != field.default:
            flag = f"--{field.name.replace('_', '-')}"
            words.append(flag if value is True else f"{flag}={value}")
    run_dir = one.store.run_dir(one.spec)
    argv = ("-m", "drac.cli", "evaluate", str(run_dir), *words)
    return Job(one.name, argv, run_dir, *options.share(own), RUN_BYTES)


def _tabulate(
    store: Store, experiment: str, runs: pd.DataFrame, asked: Sequence[_Evaluation]
) -> None:
    """Write and print what all evaluations together say, as far as they are there."""
    from benchmark.analysis.comparable import counted
    from benchmark.commands.tables import Written, show, write
    from benchmark.tables.evaluation import evaluation
    from benchmark.tables.levels import level_successes

    if asked[0].robustness:
        where = f"--experiment {experiment}{choices.results_flag(store.root)}"
        print(f"drac-bench tables --table robustness {where}")
        return
    found = {store.run_dir(one.spec): there for one in asked if (there := one.found()) is not None}
    if not found:
        return
    known: Any = {"record": [], "problems": []}
    for folder, record, lacks in zip(*(runs[name] for name in ("folder", *known)), strict=True):
        known["record"].append(replace(record, episodes=found.get(folder, {})))
        known["problems"].append(lacks or ([] if folder in found else ["not evaluated"]))
    played = runs.assign(**known)
    plan = asked[0].plans[0]
    name = f"evaluation-{plan.file_name}-seed{asked[0].counts['seed']}"
    table = evaluation(played, name, plan.where)
    levels = level_successes(counted(played))
    folder = store.tables / experiment
    write(folder, [table])
    atomic.write_text(folder / f"{name}-levels.csv", levels.to_csv(index=False))
    show(Written(folder, experiment, [table], {}), "text")
