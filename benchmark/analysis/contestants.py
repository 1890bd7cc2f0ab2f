"""The methods that can be compared: those of the store and of imported scores, found by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from augmentations.specs import short
from benchmark.analysis import comparable
from benchmark.analysis.caveats import contradictions, mixed_devices
from benchmark.analysis.comparable import counted
from benchmark.scores import imported as imports
from benchmark.statistics.aggregate import Scores
from benchmark.store.store import Store
from benchmark.suites import RunSpec
from drac.config.quantities import number_of, shortened
from drac.errors import ConfigError
from drac.games import GAMES
from drac.methods import spellings


@dataclass(frozen=True)
class Contestant:
    """One method with the scores of its runs.

    Attributes:
        name: as shown, e.g. "ppo" or "ppo at 2,048 steps".
        source: where it is from: experiments, or an imported set.
        mode: "easy" or "hard".
        scores: `(runs, 16)`, float64, games as in `GAMES`; NaN where a run is missing.
        settings: what its runs share; empty for imported ones, whose settings nobody knows.
        cautions: what must be said beside its numbers.
        origin: file, checksum and date of imported scores; "" for runs of the store.
        method: the identifier of those of the store; "" if it was imported.
        runs: those of the store, as `counted` returns them; None if it was imported.
    """

    name: str
    source: str
    mode: str
    scores: Scores = field(repr=False)
    settings: Mapping[str, Any]
    cautions: tuple[str, ...] = ()
    origin: str = ""
    method: str = ""
    runs: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The name that is its alone: "source:name"."""
        return f"{self.source}:{self.name}"

    def names(self) -> tuple[str, ...]:
        """Return its name as shown and that of its folder, alone and with its source."""
        return self._with_source(self.name, self._named(self.method))

    def short_names(self) -> tuple[str, ...]:
        """Return the same with its method in short, which may be the name of others too."""
        return self._with_source(self._named(short(self.method)))

    def _named(self, method: str) -> str:
        return " ".join([method, *self.name.split(" ", 1)[1:]]) if method else self.name

    def _with_source(self, *names: str) -> tuple[str, ...]:
        return (*names, *(f"{self.source}:{name}" for name in names))


def stored(
    store: Store,
    split: str,
    group: Sequence[str],
    specs: Sequence[RunSpec],
    wanted: Collection[str],
    on_run: Callable[[], None],
) -> Iterator[Contestant]:
    """Yield the wanted methods of a group of experiments, one for each of their settings.

    Args:
        store: where the runs are.
        split: of the scores, "train" or "test".
        group: the experiments, whose runs count together.
        specs: their planned runs.
        wanted: identifiers of methods.
        on_run: called after each run that is read.
    """
    called = spellings.shown(spec.method for spec in specs)
    for method in dict.fromkeys(spec.method for spec in specs if spec.method in wanted):
        own = store.load((spec for spec in specs if spec.method == method), on_run)
        own["shown"] = called[method]
        complete = counted(own)
        lacking = own[own["problems"].map(len) > 0]
        for label, alike in complete.groupby("label", sort=False):
            yield Contestant(
                name=str(label),
                source="+".join(group),
                mode=alike["settings"].iloc[0]["mode"],
                scores=comparable.scores(alike, split, GAMES),
                settings=alike["settings"].iloc[0],
                cautions=(
                    *_incomplete(str(label), lacking),
                    *contradictions(own),
                    *(f"{label}: {said}" for said in mixed_devices(alike)),
                ),
                method=method,
                runs=alike,
            )


def _incomplete(label: str, lacking: pd.DataFrame) -> tuple[str, ...]:
    if lacking.empty:
        return ()
    said = shortened(
        f"{run['game']}/seed{run['seed']}: {'; '.join(run['problems'])}"
        for run in lacking.to_dict("records")
    )
    runs = "1 planned run is" if len(lacking) == 1 else f"{len(lacking)} planned runs are"
    return (f"{label}: {runs} not complete and not counted ({said}).",)


def imported(results: Path, split: str, damaged: list[str]) -> Iterator[Contestant]:
    """Yield every imported method; what is wrong with a set that is not read goes to `damaged`."""
    for name in imports.names(results):
        try:
            given = imports.load(results, name)
        except ConfigError as error:
            damaged.append(str(error))
            continue
        yield from of_set(given, split)


def of_set(given: imports.ScoreSet, split: str) -> Iterator[Contestant]:
    """Yield the methods that an imported set has on a split, one for each of their modes."""
    rows = given.rows[given.rows["split"] == split]
    modes = rows.groupby("method")["mode"].nunique().to_dict()
    for (method, mode), own in rows.groupby(["method", "mode"], sort=False):
        label = f"{method} [mode={mode}]" if modes[method] > 1 else str(method)
        yield Contestant(
            name=label,
            source=given.name,
            mode=str(mode),
            scores=comparable.scores(own, "score", GAMES, "run"),
            settings=_steps(own["steps"]),
            cautions=tuple(_cautions(label, given.source, own)),
            origin=f"{given.source} ({given.sha256[:8]}) on {given.imported[:10]}",
        )


def _steps(steps: pd.Series[float]) -> dict[str, Any]:
    """Return the known steps of imported runs as a setting: a number, or several as text."""
    known = [int(value) for value in sorted(steps.dropna().unique())]
    if not known:
        return {}
    return {"steps": known[0] if len(known) == 1 else " / ".join(f"{value:,}" for value in known)}


def _cautions(label: str, source: str, own: pd.DataFrame) -> Iterator[str]:
    """Yield what an imported file says of a method's scores, and unequal steps among them."""
    for caution, rows in own[own["caution"] != ""].groupby("caution", sort=False):
        then = "; ±, p-values and intervals take runs for independent and are then too sure"
        yield (
            f"{label}: {caution} ({len(rows)} of {number_of(len(own), 'score')}, as {source} says)"
            f"{then if 'duplicate' in str(caution) else ''}."
        )
    known = own["steps"].dropna()
    if known.nunique() > 1 or 0 < len(known) < len(own):
        steps = [f"{value:,.0f}" for value in sorted(known.unique())]
        steps += ["unknown"] if len(known) < len(own) else []
        yield f"{label}: its runs have unequal steps, {' / '.join(steps)}."
