"""The command `drac-bench status`."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands.choices import experiments, results_flag
from drac.commands import flags
from drac.config.quantities import number_of
from drac.files import lock
from drac.methods import spellings
from drac.runs import foreign_code

if TYPE_CHECKING:
    from benchmark.store.run_record import RunRecord
    from benchmark.store.store import Store
    from benchmark.suites import RunSpec

STATUS_HELP = """Show how many runs of each experiment are complete, and what the others lack. With
--experiment, show every run: its step, steps/s, time left, last returns and augmentation. --json
has all of it for programs: docs/suites.md says what each field is.

examples:
  drac-bench status --experiment demo
  drac-bench status --watch"""

FORMAT = 1
"""Of the JSON. Raised when a field goes or changes what it means."""

SHOWN = 5  # incomplete runs of an experiment in the overview
WATCH_S = 5.0


@dataclass
class StatusFlags:
    """Flags of `drac-bench status`."""

    experiment: str | None = flags.option(
        None, "show this experiment's runs one by one (default: all experiments, counted)"
    )
    json: bool = flags.option(False, "print JSON; with --watch, a line of it each time")
    watch: bool = flags.option(False, f"show it again every {WATCH_S:.0f} s, until Ctrl-C")
    results: Path = flags.option(Path("results"), "root of all results")


def status_command(argv: Sequence[str]) -> int:
    """`drac-bench status`."""
    from benchmark.store.store import Store

    given: StatusFlags = flags.parse(StatusFlags, argv, "drac-bench status", STATUS_HELP)
    store = Store(given.results)
    try:
        while True:
            names = experiments(store, (given.experiment,) if given.experiment is not None else ())
            if given.json:
                _print_json(store, names, None if given.watch else 1)
            else:
                _print_text(store, names, given)
            if not given.watch:
                return 0
            sys.stdout.flush()
            time.sleep(WATCH_S)
    except KeyboardInterrupt:
        if not given.watch:
            raise
        return 0


def _print_text(store: Store, names: Sequence[str], given: StatusFlags) -> None:
    from benchmark.speed.costs import left_text

    if given.watch:
        clear = "\033[H\033[2J" if sys.stdout.isatty() else ""
        print(f"{clear}{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}")
    if not names:
        print(f"no runs below {store.runs}")
    for name in names:
        runs = [*_standing(store, name)]
        called = spellings.shown(spec.method for spec, *_ in runs)
        incomplete = [run for run in runs if run[1] != "complete"]
        incomplete.sort(key=lambda run: run[2].problems == ("not started",))
        running = sum(state == "running" for _, state, _ in runs)
        done = f"{len(runs) - len(incomplete)} of {number_of(len(runs), 'run')} complete"
        left = left_text((spec, record) for spec, _, record in runs)
        print(", ".join(filter(None, (f"{name}: {done}", f"{running} running", left))))
        for run in runs if given.experiment else incomplete[:SHOWN]:
            print("\n".join(_lines(store, called[run[0].method], *run)))
        if not given.experiment and len(incomplete) > SHOWN:
            rest = len(incomplete) - SHOWN
            where = f"--experiment {name}{results_flag(store.root)}"
            print(f"  and {rest} more: drac-bench status {where}")


def _standing(store: Store, experiment: str) -> Iterator[tuple[RunSpec, str, RunRecord]]:
    """Yield every run of an experiment, how it stands, and what is known of it."""
    specs = store.specs(experiment)
    for spec, record in zip(specs, store.records(specs), strict=True):
        state = "complete"
        if record.problems:
            state = "running" if lock.in_use(store.run_dir(spec)) else "incomplete"
        yield spec, state, record


def _lines(
    store: Store, method: str, spec: RunSpec, state: str, record: RunRecord
) -> Iterator[str]:
    """Yield how far a run is, what it lacks, and how its log ends, as wide as the terminal is."""
    from benchmark.commands.display import progress_fields
    from benchmark.store.progress import last_line, progress_of
    from drac.runs.logs import LOG

    width = shutil.get_terminal_size().columns
    name = replace(spec, method=method).name
    said = [f"{name}: {state}"]
    if record.config is not None:
        now = progress_of(record.config, record.latest, record.episodes)
        if state == "complete":  # what was measured at the end, on both splits
            now = replace(now, train_return=record.final.train, early="")
        now = replace(now, evaluating=now.evaluating and state == "running")
        said += progress_fields(now)
    elif state != "running":
        said = [f"{name}: {'; '.join(record.problems)}"]
    line = f"  {said[0]}"
    for field in said[1:]:
        if len(line) + 2 + len(field) > width:
            yield line
            line = "  "
        line += f"  {field}"
    notes = []
    if state == "incomplete":
        if record.config is not None:
            notes.append(f"not complete: {'; '.join(record.problems)}")
        if record.meta.get("steps") and (names := foreign_code.outdated([record.meta])[0]):
            notes.append(
                f"the source of {', '.join(names)} has changed: it continues with"
                f" {foreign_code.ACCEPT}, and --fresh starts it over"
            )
        if last := last_line(store.run_dir(spec) / LOG):
            where = f"drac-bench logs {spec.id}{results_flag(store.root)}"
            notes.append(f"its log ends: {last} ({where})")
    for text in (line, *(f"    {note}" for note in notes)):
        yield from textwrap.wrap(text, width, subsequent_indent="      ", break_on_hyphens=False)


def _print_json(store: Store, names: Sequence[str], indent: int | None) -> None:
    found = []
    for name in names:
        standing = [*_standing(store, name)]
        changed = foreign_code.outdated(record.meta for *_, record in standing)
        runs = [
            {**_fields(store, *run), "changed_code": names}
            for run, names in zip(standing, changed, strict=True)
        ]
        states = [run["state"] for run in runs]
        counts = {"complete": states.count("complete"), "running": states.count("running")}
        found.append({"name": name, "planned": len(runs), **counts, "runs": runs})
    about = {"format": FORMAT, "results": str(store.root)}
    print(json.dumps({**about, "experiments": found}, indent=indent, allow_nan=False))


def _fields(store: Store, spec: RunSpec, state: str, record: RunRecord) -> dict[str, Any]:
    """Return what the JSON says of a run."""
    from benchmark.store.progress import Progress, progress_of

    now = Progress(0, 0)
    if record.config is not None:
        now = progress_of(record.config, record.latest, record.episodes)
    return {
        **{name: getattr(spec, name) for name in ("id", "method", "game", "seed")},
        "state": state,
        "lacks": list(record.problems),
        "folder": str(store.run_dir(spec)),
        "step": now.step,
        "steps": now.total or None,
        "steps_per_s": now.sps,
        "seconds_left": now.seconds_left,
        "train_return": now.train_return,
        "test_return": now.test_return,
        "augmentation": None if now.arm == "-" else now.arm,
    }
