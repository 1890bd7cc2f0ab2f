"""In what runs are unlike the published ones: length, levels, options; and the mark for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.analysis.comparable import PROTOCOL, distinct_settings, setting_text, values_of
from drac.config.level_list import ALL
from drac.config.quantities import count_text, shortened
from drac.config.train_config import preset_defaults
from drac.games import RANGED_MODES

OPTIONS = "Options that the published runs do not have:"
"""Begins a note."""

_BESIDE_OPTIONS = {*PROTOCOL, "device", "compile", "per_game"}

STARRED = "Where a * stands, our runs have options that the published ones do not have (see above)."
"""Said below a table with marks of `star`."""

PUBLISHED_LEVELS = {"easy": "0-199", "hard": "0-499"}


def unpublished(settings: Mapping[str, Any]) -> list[str]:
    """Return the options, beside the protocol, that no published run has: "num_envs 16"."""
    usual = preset_defaults(settings.get("fidelity", "paper"))
    return [
        f"{name} {setting_text(value)}"
        for name, value in settings.items()
        if name in usual and name not in _BESIDE_OPTIONS and value != usual[name]
    ]


def star(settings: Mapping[str, Any]) -> str:
    """Return "*", for what stands beside a published number, if a run has `unpublished` options."""
    return "*" if unpublished(settings) else ""


def other_options(complete: pd.DataFrame) -> str:
    """Return the options, and whose, that are not those of the published runs; "" if none."""
    unlike: dict[str, dict[str, None]] = {}
    labels = complete["label"] if "label" in complete else range(len(complete))
    own = dict(zip(labels, complete["settings"], strict=True))  # runs of a label share them
    for label, settings in own.items():
        for said in unpublished(settings):
            unlike.setdefault(said, {})[str(label)] = None
    options = [
        said if len(of) == len(own) or "label" not in complete else f"{said} ({', '.join(of)})"
        for said, of in sorted(unlike.items(), key=lambda item: len(item[1]))
    ]
    return shortened(options)


def apart_from_published(complete: pd.DataFrame) -> list[str]:
    """Say in what the runs are not comparable with the published ones; nothing of no runs."""
    if complete.empty:
        return []
    notes = []
    steps, shortest = (end(values_of(complete, "steps")) for end in (max, min))
    full = 200_000_000 if values_of(complete, "mode") == ["hard"] else 25_000_000
    if steps * 100 <= full:
        many = f"{full // steps:,}" + (f" to {full // shortest:,}" if shortest < steps else "")
        notes.append(
            f"These runs are {many} times shorter than the published ones. They show"
            f" that everything works and prove nothing about any method or augmentation."
        )
    elif shortest < full:
        which = "These runs" if steps < full else "Some runs"
        notes.append(f"{which} are shorter than the published ones of {count_text(full)} steps.")
    levels = dict.fromkeys((own["levels"], own["mode"]) for own in distinct_settings(complete))
    other = sorted(f"{own} ({mode})" for own, mode in levels if own != PUBLISHED_LEVELS.get(mode))
    if other:
        notes.append(
            f"Trained on levels {', '.join(other)}; the published runs on"
            f" {' and '.join(f'{levels} ({mode})' for mode, levels in PUBLISHED_LEVELS.items())}."
        )
    if any(own == ALL for own, _ in levels):
        notes.append(
            "Where levels are all, training and test levels are of one distribution: the difference"
            " of the returns is no generalization gap."
        )
    if unranged := [m for m in values_of(complete, "mode") if m not in RANGED_MODES]:
        notes.append(
            f"No score ranges are published for {' and '.join(unranged)} mode: its returns are"
            f" never min-max-normalized, and no episode is called solved."
        )
    if options := other_options(complete):
        notes.append(f"{OPTIONS} {options}.")
    return notes
