"""What must be said beside numbers: what is missing, mixed or contradictory, how short runs are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from augmentations.specs import short, slug
from benchmark.analysis import plausible
from benchmark.analysis.comparable import (
    DEVICE,
    PROTOCOL,
    counted,
    differing,
    distinct_settings,
    setting_text,
    unequal_seeds,
    values_of,
    variants,
)
from benchmark.analysis.published_options import apart_from_published
from benchmark.store.run_record import RunRecord
from drac.config.quantities import number_of, shortened
from drac.errors import shown
from drac.runs import foreign_code
from drac.runs.logs import SPLITS


def why_each(runs: pd.DataFrame, reasons: Iterable[str]) -> str:
    """Name the first few runs, each with a reason: "ppo/maze/seed0 (not started)"."""
    which = zip(runs["shown"], runs["game"], runs["seed"], reasons, strict=True)
    return shortened(f"{method}/{game}/seed{seed} ({why})" for method, game, seed, why in which)


def missing(runs: pd.DataFrame) -> list[str]:
    """Say what is not in the table: incomplete runs, doubles, and unequal numbers of seeds."""
    if runs.empty:
        return ["No runs were found."]
    lacking = runs[runs["problems"].map(len) > 0]
    planned = number_of(len(runs), "planned run")
    note = f"All {planned} are complete." if len(runs) > 1 else "The planned run is complete."
    if len(lacking):
        verb = "is" if len(lacking) == 1 else "are"
        note = (
            f"Missing: {len(lacking)} of {planned} {verb} not complete and not counted:"
            f" {why_each(lacking, lacking['problems'].map('; '.join))}."
        )
    notes = [note]
    complete = counted(runs)
    if doubles := len(runs) - len(lacking) - len(complete):
        said = number_of(doubles, "run")
        notes.append(f"In several experiments and counted once: {said}.")
    return notes + contradictions(runs) + seeds_said(complete)


def contradictions(runs: pd.DataFrame) -> list[str]:
    """Warn of runs of the same settings and seed, in several experiments, that ended differently.

    They need not be mistakes (other hardware, another number of threads), but only one is counted.
    """
    complete = runs[runs["problems"].map(len) == 0]
    complete = complete.assign(label=variants(complete))
    which = ["label", "game", "seed"]
    doubles = complete[complete.duplicated(which, keep=False)]
    said = []
    for (label, game, seed), own in doubles.groupby(which, sort=False):
        if (own[["train", "test"]].nunique() > 1).any():
            said.append(f"{label}/{game}/seed{seed} (that of {own['experiment'].iloc[0]})")
    if not said:
        return []
    return [
        f"WARNING: different results in several experiments, one is counted: {shortened(said)}."
    ]


def seeds_said(complete: pd.DataFrame) -> list[str]:
    """Say how many seeds a cell of complete runs has."""
    cells = complete.groupby(["label", "game"]).size().reset_index(name="seeds")
    if cells.empty:
        return []
    most = cells["seeds"].max()
    if unequal_seeds(complete):
        fewer = cells[cells["seeds"] < most].to_dict("records")
        said = shortened(f"{cell['label']}/{cell['game']} has {cell['seeds']}" for cell in fewer)
        return [f"Seeds per cell differ, {cells['seeds'].min()} to {most}: {said}."]
    if most == 1:
        return ["One seed per cell: no spread can be shown."]
    return [f"{most} seeds per cell; ± is the sample standard deviation over seeds."]


def with_caveats(runs: pd.DataFrame, complete: pd.DataFrame, own: Iterable[str]) -> list[str]:
    """Put a table's own notes between what every table begins with and what it ends with.

    It begins with how the runs are unlike the published ones, and with doubts; it ends with
    missing runs and seeds, what is mixed, and the settings.

    Args:
        runs: as `Store.load` returns them.
        complete: as `counted` returns them.
        own: the table's notes.
    """
    settings = [common_settings(complete)] if len(complete) else []
    begin = [*apart_from_published(complete), *doubtful(complete)]
    return [*begin, *own, *missing(runs), *mixed(complete), *settings, *_in_full(runs)]


def _in_full(runs: pd.DataFrame) -> list[str]:
    """Say which augmentation stands behind a name that does not tell it, and in which folders."""
    known = runs[(runs["augmentation"] != "") & (runs["method"].map(short) != runs["method"])]
    rows = known.drop_duplicates("method")[["shown", "method", "augmentation"]].to_numpy()
    return [
        f"{name} is {method[: -len(slug(spec))]}{spec}, its folder {method}."
        for name, method, spec in rows
        if method.endswith(slug(spec))
    ]


def doubtful(complete: pd.DataFrame) -> list[str]:
    """Warn of what makes scores doubtful: code that was changed, copies, and impossible ones.

    Args:
        complete: complete runs with their `label`, each (label, game, seed) once.
    """
    groups = [(str(label), own) for label, own in complete.groupby("label", sort=False)]
    methods = [plausible.of_runs(label, own, SPLITS[::-1]) for label, own in groups]
    found = []
    for of_split in zip(*methods, strict=True):
        found += [f"WARNING: {said}" for said in plausible.cautions(of_split)]
    return [*changed_code(complete), *dict.fromkeys(found)]


def changed_code(complete: pd.DataFrame) -> list[str]:
    """Warn where the code of others is not the same in all runs, or was changed within one.

    Args:
        complete: as for `doubtful`.
    """
    noted = (foreign_code.CODE, foreign_code.CHANGES)
    if not any(name in record.meta for record in complete["record"] for name in noted):
        return []
    codes = complete["record"].map(lambda record: record.meta.get(foreign_code.CODE))
    recorded = codes.map(lambda code: isinstance(code, dict)).astype(bool)
    known = complete.assign(code=codes)[recorded]
    said = []
    for name in sorted({name for code in known["code"] for name in code}):
        users = {label for label, code in known[["label", "code"]].to_numpy() if name in code}
        own = known[known["label"].isin(users)]
        found = own["code"].map(lambda code: ascii(str(code.get(name, "none"))[:8]).strip("'"))  # noqa: B023
        counts = Counter(found)
        usual, number = counts.most_common(1)[0]
        if (unlike := found != usual).any():
            others = why_each(own[unlike], found[unlike])
            said.append(
                f"WARNING: the source of {shown(name)} is not the same in all runs, which are"
                f" averaged and compared even so: {number_of(number, 'run')}"
                f" with the source whose sum begins with {usual}, and {others}."
            )
    outdated = pd.Series(
        [", ".join(n) for n in foreign_code.outdated(r.meta for r in complete["record"])],
        index=complete.index,
    )
    if (before := outdated != "").any():
        runs = why_each(complete[before], outdated[before])
        said.append(f"WARNING: trained with another source of a plug-in than is here now: {runs}.")
    changes = complete["record"].map(_changes)
    if (within := changes != "").any():
        runs = why_each(complete[within], changes[within])
        said.append(f"WARNING: continued with changed code (--accept-changed-code): {runs}.")
    return said


def _changes(record: RunRecord) -> str:
    """Say which code was changed within a run, and when; "" if none was."""
    changes = record.meta.get(foreign_code.CHANGES)
    known = [one for one in changes if isinstance(one, dict)] if isinstance(changes, list) else []
    said = []
    for one in known:
        names = one.get("changed")
        which = " and ".join(map(shown, names)) if isinstance(names, list) else shown(names)
        said.append(f"{which} at step {shown(one.get('step'))}")
    return ", ".join(said)


def beside_protocol(runs: pd.DataFrame) -> list[str]:
    """Warn of settings apart from the protocol that methods which are compared do not share."""
    names = [name for name in differing(runs) if name not in PROTOCOL]
    if not names:
        return []
    return [f"WARNING: the methods compared were not all trained with the same {shortened(names)}."]


def mixed(complete: pd.DataFrame) -> list[str]:
    """Say in what the runs differ, and how many have which value; such runs stand apart."""
    said = [
        f"Mixed {name}: {_shares(complete, name)}; runs that differ in it are not averaged."
        for name in differing(complete)
    ]
    return said + mixed_devices(complete)


def mixed_devices(runs: pd.DataFrame) -> list[str]:
    """Say on which devices runs were trained that are averaged, if on several."""
    if len({own.get(DEVICE) for own in distinct_settings(runs)}) < 2:
        return []
    shares = _shares(runs, DEVICE)
    why = "averaged all the same, as rounding and random draws differ between seeds too"
    return [f"Mixed {DEVICE}: {shares}; {why}."]


def _shares(runs: pd.DataFrame, name: str) -> str:
    """Return how many runs have which value of a setting."""
    counts = Counter(setting_text(own[name]) for own in runs["settings"] if name in own)
    return shortened(f"{value} ({number_of(count, 'run')})" for value, count in counts.items())


def common_settings(complete: pd.DataFrame) -> str:
    """Describe the settings of the runs in one sentence; several values are listed."""
    names = ("fidelity", "mode", "levels", "precision", "device", "procgen_build", "eval_episodes")
    lengths = dict.fromkeys(map(_steps_text, distinct_settings(complete)))
    rest = (f"{name} {' / '.join(map(str, values_of(complete, name)))}" for name in names)
    return f"Settings: steps {' / '.join(lengths)}, {', '.join(rest)}."


def _steps_text(settings: Mapping[str, Any]) -> str:
    """Return the steps that a run was given, and those of its whole rollouts."""
    steps, rollout = settings["steps"], settings["num_envs"] * settings["num_steps"]
    trained = steps // rollout * rollout
    return f"{steps:,}" if trained == steps else f"{steps:,} ({trained:,} in whole rollouts)"
