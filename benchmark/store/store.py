"""The store of runs: where their files lie, and whether they are complete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.store import fill
from benchmark.store.index import Index, state_of
from benchmark.store.run_record import RunRecord, read_run
from benchmark.suites import RunSpec
from drac import methods
from drac.config import TrainConfig
from drac.errors import ConfigError, shown
from drac.files import atomic, run_folder, untrusted
from drac.methods import per_game, spellings
from drac.runs.logs import SPLITS

if TYPE_CHECKING:
    import pandas as pd

PLAN = "plan.json"
PLAN_FORMAT = 1
PLAN_LIMIT = 2**26  # bytes, of some million runs


MANY = 1000
"""Runs to be read for which it is worth while to start processes."""


def _read_into_index(root: Path, specs: Iterable[RunSpec]) -> None:
    for _ in Store(root).records(specs):
        pass


def _nothing() -> None:
    """Tell nobody."""


class Store:
    """Runs below `root`/runs, tables in `root`/tables.

    Args:
        root: usually "results".
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.tables = root / "tables"

    def run_dir(self, spec: RunSpec) -> Path:
        """Return the folder of a run."""
        return self.runs / spec.id

    def read(self, spec: RunSpec) -> RunRecord:
        """Read a run's files, each once; it is a problem too if they are those of another run."""
        record = read_run(self.run_dir(spec), self.runs)
        if record.config is None or record.problems:
            return record
        found = record.config
        named = RunSpec(spec.experiment, found.method, found.game, found.seed)
        if named == spec:
            return record
        # A copied or renamed folder would count as one more seed.
        return replace(record, problems=(f"its config.json is that of {named.id}",))

    def records(
        self, specs: Iterable[RunSpec], on_run: Callable[[], None] = _nothing
    ) -> Iterator[RunRecord]:
        """Yield what `read` returns of runs, from the index where their files are as they were.

        Of `MANY` that are not in the index, all cores read the files.

        Args:
            specs: which runs, best those of a method together.
            on_run: called after each.
        """
        specs, index, links = list(specs), Index(self.root), dict[str, bool]()
        runs = str(self.runs)
        if len(specs) - index.count() > MANY:
            fill.with_all_cores(partial(_read_into_index, self.root), specs, on_run)
            on_run = _nothing
        try:
            for spec in specs:
                state = state_of(f"{runs}/{spec.id}")  # paths take longer than looking there
                parent = spec.id.rpartition("/")[0]
                record = None if self._linked(parent, links) else index.get(spec.id, state)
                if record is None:
                    record = self.read(spec)
                    index.add(spec.id, state, record, self.run_dir(spec))
                on_run()
                yield record
        finally:
            index.save()

    def _linked(self, folder: str, links: dict[str, bool]) -> bool:
        """Whether a folder in the store's runs, or one between the two, is a link."""
        if folder and folder not in links:
            above = folder.rpartition("/")[0]
            links[folder] = (self.runs / folder).is_symlink() or self._linked(above, links)
        return links.get(folder, False)

    def problems(self, spec: RunSpec) -> list[str]:
        """Return what keeps a run from being complete."""
        return list(self.read(spec).problems)

    def experiments(self) -> list[str]:
        """Return the names of the experiments that have a plan or runs; a plan may be damaged."""
        if not self.runs.is_dir():
            return []
        names = sorted(path.name for path in self.runs.iterdir() if path.is_dir())
        return [name for name in names if run_folder.NAME.fullmatch(name) and self._begun(name)]

    def _begun(self, experiment: str) -> bool:
        try:
            return any(self._found(experiment)) or bool(self.plan(experiment))
        except ConfigError:
            return True

    def specs(self, experiment: str) -> list[RunSpec]:
        """Return the runs of an experiment that are planned or have a folder."""
        found = {*self.plan(experiment), *self._found(experiment)}
        return sorted(found, key=attrgetter("method", "game", "seed"))

    def _found(self, experiment: str) -> Iterator[RunSpec]:
        """Yield the runs that have a folder with a config.json."""
        for method in _folders(self.runs / experiment):
            for game in _folders(method):
                for run in _folders(game):
                    spec = spec_of(experiment, method.name, game.name, run.name)
                    if spec is not None and os.access(f"{run.path}/config.json", os.F_OK):
                        yield spec

    def plan(self, experiment: str) -> list[RunSpec]:
        """Return the runs that were asked for, also those that have not begun.

        Raises:
            ConfigError: if the plan cannot be read: nobody could say which runs are missing.
        """
        path = self.runs / experiment / PLAN
        if path.parent.is_symlink():  # each of its runs says so
            return []
        try:
            plan = untrusted.read_json(path, PLAN_LIMIT, self.runs)
            ids = plan.get("runs") if isinstance(plan, dict) else None
            if not isinstance(ids, list):
                raise ValueError('it has no list "runs"')
            if plan.get("format", PLAN_FORMAT) != PLAN_FORMAT:
                raise ConfigError(
                    f"{path} has format {shown(plan['format'])}; this version reads format"
                    f" {PLAN_FORMAT}"
                )
            return [_planned(experiment, run) for run in ids]
        except FileNotFoundError:
            return []
        except ConfigError:
            raise
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read as a plan of runs ({error}); delete it and ask for the"
                f" runs again"
            ) from None

    def add_to_plan(self, experiment: str, specs: Iterable[RunSpec]) -> None:
        """Record that runs were asked for, so that tables can say which are missing."""
        folder = self.runs / experiment
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{PLAN}.lock"):
            wanted = sorted({*self.plan(experiment), *specs})
            ids = [spec.name for spec in wanted]
            text = json.dumps({"format": PLAN_FORMAT, "runs": ids}, indent=1) + "\n"
            atomic.write_text(folder / PLAN, text)

    def add_to_plans(self, specs: Iterable[RunSpec]) -> None:
        """Record that runs were asked for, each in the plan of its experiment."""
        for experiment, own in groupby(sorted(specs), attrgetter("experiment")):
            self.add_to_plan(experiment, own)

    def load(self, specs: Iterable[RunSpec], on_run: Callable[[], None] = _nothing) -> pd.DataFrame:
        """Return one row per run: its result, its settings, and what it lacks.

        Every file is read at most once. Columns: `experiment, method, game, seed, problems` (list
        of str), `train, test` (mean of the final episodes; NaN where incomplete), `augmentation`
        (specification of a fixed one, else ""), `settings` (dict of what must agree between runs
        that are averaged; empty where unknown), `arms` (dict arm -> count of the last update; empty
        where incomplete), `record` (the `RunRecord`: all that was read), `folder`, `shown` (what
        the method is called among those of all these runs).

        Args:
            specs: which runs.
            on_run: called after each.
        """
        import pandas as pd  # which `status` does not need

        columns = ["experiment", "method", "game", "seed", "problems", *SPLITS]
        columns += ["augmentation", "settings", "arms", "record", "folder", "shown"]
        rows = []
        seen: dict[Any, dict[str, Any]] = {}  # runs of one sweep share their settings, and memory
        specs = list(specs)
        names = spellings.shown(spec.method for spec in specs)
        for spec, record in zip(specs, self.records(specs, on_run), strict=True):
            own = {"shown": names[spec.method], "settings": _shared(record, seen)}
            rows.append(self._row(spec, record) | own)
        # Objects all: whoever walks over the texts of a column of pandas' own type waits for it.
        texts = ("experiment", "method", "game", "shown", "augmentation")
        return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(texts, object))

    def _row(self, spec: RunSpec, record: RunRecord) -> dict[str, Any]:
        row = dict(vars(spec))
        row.update(problems=list(record.problems), augmentation="", arms={})
        row.update(record=record, folder=Path(f"{self.runs}/{spec.id}"))  # faster than `run_dir`
        if record.config is not None:
            row["augmentation"] = record.config.augmentation or ""
        if not row["problems"]:
            row.update(train=record.final.train, test=record.final.test)
            counts = (record.arms[name].tolist() for name in ("arm", "count"))
            row["arms"] = dict(zip(*counts, strict=True))
        return row


def _shared(record: RunRecord, seen: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """Return a run's `settings`, the same object for equal ones."""
    if record.config is None:
        return {}
    own = {**vars(record.config), "seed": 0, "build": str(record.meta.get("procgen_build"))}
    key = tuple(own.values())
    if key not in seen:
        found = settings(record.config, record.meta)
        seen[key] = seen.setdefault(repr(found), found)
    return seen[key]


def root_of(run_dir: Path) -> Path:
    """Return the root of the store that a run's folder is in, as `Store.run_dir` returned it."""
    return run_dir.parents[4]


def _folders(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _planned(experiment: str, run: Any) -> RunSpec:
    parts = run.split("/") if isinstance(run, str) else ()
    spec = spec_of(experiment, *parts) if len(parts) == 3 else None
    if spec is None:
        raise ValueError(f"{shown(run)} is no run")
    return spec


def spec_of(experiment: str, method: str, game: str, folder: str) -> RunSpec | None:
    """Return the run of a folder method/game/seedK; None if these are no plain names.

    Names may come with a store from elsewhere: ".." would leave it, and tables print them.
    """
    plain = run_folder.NAME.fullmatch(method) and run_folder.NAME.fullmatch(game)
    if not plain or not re.fullmatch("seed(0|[1-9][0-9]{0,9})", folder):
        return None
    return RunSpec(experiment, method, game, int(folder[4:]))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time in, while others wait: two sweeps may extend one plan."""
    with path.open("a") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file gives it free


_NO_MATTER = {"game", "method", "seed", "augmentation"} | {
    *("checkpoint_every", "disk_wait", "on_nan", "eval_every", "eval_envs", "micro_batch"),
    *("threads", "env_groups", "cuda_graphs"),
}
"""Fields that say which run it is, or do not change what its final scores measure."""


def settings(config: TrainConfig, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two runs must share before their scores may be averaged or compared.

    Options that its method does not have are no settings of a run, nor are those that were
    published for its game.
    """
    without = _NO_MATTER | methods.options_of_others(config.method)
    if methods.get(config.method).recurrent:  # which is no choice
        without |= {"recurrent"}
    if config.per_game == "published":  # which says it all, whatever the game
        without |= per_game.NAMES
    values = {name: value for name, value in config if name not in without}
    return {**values, "procgen_build": untrusted.text(meta.get("procgen_build")) or "unknown"}
