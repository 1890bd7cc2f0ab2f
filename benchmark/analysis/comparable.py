"""Which runs may be averaged or compared: complete, alike in every setting, each seed once."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drac.config import TrainConfig
from drac.config.fidelity import PRESETS
from drac.config.quantities import count_text
from drac.files import untrusted

PROTOCOL = ("steps", "fidelity", "mode", "levels", "precision", "procgen_build", "eval_episodes")
"""Settings in which runs of different methods must agree before one is said to be better."""

DEVICE = "device"
"""A setting that is told but sets no runs apart: what another device changes, rounding and random
draws, differs from seed to seed too."""

_LABEL = re.compile(r"(.*?)( \[.*| at [\d,.]+[kM]? steps)?", re.DOTALL)

BASELINE = "ppo"
"""The method by whose return the paper's Table 1 divides."""


def scores(
    runs: pd.DataFrame, column: str, games: Sequence[str], run: str = "seed"
) -> NDArray[np.float64]:
    """Return the scores of one method as `(runs, games)`; NaN where a game lacks a run.

    Args:
        runs: rows with `game`, `column` and `run`, each game and run at most once.
        column: that of the scores, e.g. "test".
        games: the order of the second axis.
        run: the column that says which run it is.
    """
    places = {game: place for place, game in enumerate(games)}
    rows, which = np.unique(runs[run].to_numpy(), return_inverse=True)
    table = np.full((len(rows), len(places) + 1), np.nan)  # the last is of other games
    where = np.array([places.get(game, -1) for game in runs["game"]], dtype=np.intp)
    table[which, where] = runs[column].to_numpy(np.float64)
    return table[:, :-1]


def protocol(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a run's values of `PROTOCOL`."""
    return tuple(settings.get(name) for name in PROTOCOL)


def distinct_settings(runs: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return the settings of runs, each object once: see `Store.load`."""
    every = runs["settings"].tolist()
    return list(dict(zip(map(id, every), every, strict=True)).values())


def values_of(runs: pd.DataFrame, name: str) -> list[Any]:
    """Return the values that a setting has in runs, each once."""
    return list(dict.fromkeys(values[name] for values in distinct_settings(runs)))


def differing(runs: pd.DataFrame) -> list[str]:
    """Return the settings, but for the device, in which runs that have them do not agree."""
    values: dict[str, set[str]] = {}
    for settings in distinct_settings(runs):
        for name, value in settings.items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, found in values.items() if len(found) > 1 and name != DEVICE]


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per planned run, for a CSV file: scores, settings, and what it lacks."""
    unique = distinct_settings(runs)
    places = {id(own): place for place, own in enumerate(unique)}
    which = [places[id(own)] for own in runs["settings"]]
    settings = pd.DataFrame(unique).take(which).set_axis(runs.index)
    problems = runs["problems"].map("; ".join)
    own = ["experiment", "method", "game", "seed", "train", "test"]
    return pd.concat([runs[own], problems, settings], axis="columns")


def variants(runs: pd.DataFrame) -> pd.Series[str]:
    """Name each run's method as it is shown, with whatever setting not all runs share.

    Runs of one method whose settings differ stand in separate columns, e.g. "ppo at 2,048 steps"
    and "ppo [steps=25M, levels=0-9]": they are never averaged together. What `fidelity` sets is
    named only where a run departs from its preset, and an option only where it is not its default.
    """
    unlike = differing(runs)
    labels: dict[tuple[str, int], str] = {}  # runs share their settings: see `Store.load`
    for method, settings in zip(runs["shown"], runs["settings"], strict=True):
        if (method, id(settings)) not in labels:
            labels[method, id(settings)] = _label(method, settings, unlike)
    own = [labels[key] for key in zip(runs["shown"], map(id, runs["settings"]), strict=True)]
    return pd.Series(own, index=runs.index, dtype="object")


def _label(method: str, settings: Mapping[str, Any], unlike: Iterable[str]) -> str:
    usual = _defaults() | PRESETS.get(settings.get("fidelity", ""), {})
    said = [name for name in unlike if name in settings]
    said = [name for name in said if name not in usual or usual[name] != settings[name]]
    if said == ["steps"]:
        steps = count_text(settings["steps"])
        return f"{method} at {f'{int(steps):,}' if steps.isdigit() else steps} steps"
    texts = [f"{name}={setting_text(settings[name])}" for name in said]
    return f"{method} [{', '.join(texts)}]" if texts else method


@functools.cache
def _defaults() -> dict[str, Any]:
    """Return the defaults of the options that are no part of the protocol."""
    fields = TrainConfig.model_fields.items()
    return {name: field.get_default() for name, field in fields if name not in PROTOCOL}


def split_label(label: str) -> tuple[str, str]:
    """Return the method of a label, as `variants` names it, and the settings said there or ""."""
    found = _LABEL.fullmatch(label)
    assert found is not None  # it matches any text
    return found[1], found[2] or ""


def setting_text(value: Any) -> str:
    """Return a setting's value as labels and notes write it."""
    if type(value) is int:
        return count_text(value)
    return untrusted.text(" ".join(value) if isinstance(value, tuple) else str(value))


def counted(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the complete runs, each (variant, game, seed) once, with their `label`."""
    complete = runs[runs["problems"].map(len) == 0].copy()
    complete["label"] = variants(complete)
    return complete.drop_duplicates(["label", "game", "seed"])


def baseline(complete: pd.DataFrame, settings: Mapping[str, Any], method: str) -> pd.DataFrame:
    """Return the runs of a method that scores of a run with these settings may be compared with.

    They were had by the same protocol; of several variants, by the same options too.

    Args:
        complete: as `counted` returns them.
        settings: of the run.
        method: e.g. "ppo".

    Returns:
        Rows of `complete`; none if there is no such variant of the method, or no single one.
    """
    runs = complete[complete["method"] == method]
    for names in (PROTOCOL, [name for name in settings if name != DEVICE]):
        agree = {
            id(own): all(own[n] == settings[n] for n in names if n in own)
            for own in distinct_settings(runs)
        }
        chosen = runs[np.array([agree[id(own)] for own in runs["settings"]], dtype=bool)]
        if chosen["label"].nunique() == 1:
            return chosen
    return complete[:0]


def unequal_seeds(complete: pd.DataFrame) -> bool:
    """Whether the cells of `counted` runs have different numbers of seeds."""
    return bool(complete.groupby(["label", "game"]).size().nunique() > 1)
