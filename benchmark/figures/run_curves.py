"""Pictures of runs, drawn from their files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.store.run_files import PROGRESS_COLUMNS, read_csv
from drac.config import TrainConfig
from drac.files import atomic
from drac.runs import logs
from drac.runs.logs import SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = {"train": "o", "test": "s"}
_STYLES = (("C0", "-"), ("C1", "--"), ("C2", "-."), ("C3", ":"), ("C4", "-"), ("C5", "--"))
"""Colour and dashes of a setting, which also differ in grey."""

_TOLD = {"method", "game", "seed", "augmentation"}
"""Fields that a label, or the number of lines, tells already."""


@dataclass(frozen=True)
class _Run:
    """What is drawn of a run: (step, train_return) rows, and episodes of evaluations."""

    label: str
    progress: pd.DataFrame
    episodes: pd.DataFrame


def learning_curves(run_dirs: Sequence[Path], out: Path) -> None:
    """Draw the training return of runs over their steps, and every evaluation.

    A thin line is a run's mean raw return of its last 100 training episodes. Runs that differ in
    the seed alone share a colour, and a thick line is their mean, as far as all of them go. Each
    evaluation is a marker with the standard error over its episodes: a filled circle for the
    training levels, an open square for the full distribution.

    Args:
        run_dirs: folders that hold config.json and progress.csv; eval.csv is optional.
        out: the picture; its ending (png, pdf, svg) decides the format.

    Raises:
        ConfigError: if a folder's config cannot be read.
        DamagedError: if a CSV file is damaged.
    """
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    from benchmark.figures.canvas import count

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    runs = _read(run_dirs)
    labels = list(dict.fromkeys(run.label for run in runs))
    for number, label in enumerate(labels):
        _curves(axes, [run for run in runs if run.label == label], _STYLES[number % len(_STYLES)])
    _explain_markers(axes, runs)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("episode return")
    axes.xaxis.set_major_formatter(count)
    axes.grid(alpha=0.3)
    axes.margins(x=0.02)
    axes.legend(fontsize="small", frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    picture = BytesIO()
    figure.savefig(picture, format=out.suffix.removeprefix(".") or "png", dpi=150)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(out) as file:
        file.write(picture.getvalue())


def _read(run_dirs: Sequence[Path]) -> list[_Run]:
    configs = [TrainConfig.from_json(run_dir / "config.json") for run_dir in run_dirs]
    fields = [name for name in TrainConfig.model_fields if name not in _TOLD]
    differing = [name for name in fields if len({repr(getattr(c, name)) for c in configs}) > 1]
    runs = []
    for run_dir, config in zip(run_dirs, configs, strict=True):
        more = "".join(f", {name} {getattr(config, name)}" for name in differing)
        runs.append(
            _Run(
                f"{config.method} on {config.game}{more}",
                read_csv(run_dir / "progress.csv", PROGRESS_COLUMNS),
                read_csv(run_dir / "eval.csv", logs.EVAL_COLUMNS),
            )
        )
    return runs


def _curves(axes: Axes, runs: Sequence[_Run], style: tuple[str, str]) -> None:
    """Draw runs that differ in the seed alone."""
    from benchmark.figures.canvas import curve

    color, dashes = style
    look: dict[str, Any] = {"color": color, "linestyle": dashes}
    seeds = "" if len(runs) == 1 else f": mean of {len(runs)} seeds"
    returns, shares = (
        pd.concat([run.progress.set_index("step")[name] for run in runs], axis=1)
        for name in ("train_return", "envs_ended")
    )
    mean = returns.dropna().mean(axis=1)
    early = int((shares.loc[mean.index] < 1).any(axis=1).sum())
    if len(runs) > 1:
        for run in runs:
            own, thin = run.progress, {"alpha": 0.45, "linewidth": 0.8}
            begin = int((own["envs_ended"] < 1).sum())
            curve(axes, own["step"], own["train_return"], begin, **look, **thin)
    curve(axes, mean.index, mean, early, **look, linewidth=2, label=f"{runs[0].label}{seeds}")
    for run in runs:
        for split in SPLITS:
            played = run.episodes[run.episodes["split"] == split].groupby("step")["return"]
            summary = pd.DataFrame({"mean": played.mean(), "error": played.sem()}).fillna(0)
            axes.errorbar(
                summary.index,
                summary["mean"],
                summary["error"],
                fmt=_MARKERS[split],
                color=color,
                markerfacecolor=color if split == "train" else "white",
                capsize=3,
                clip_on=False,
                zorder=3,
            )


def _explain_markers(axes: Axes, runs: Sequence[_Run]) -> None:
    """Add to the legend what lines and markers stand for, where there are any."""
    from benchmark.figures.canvas import EARLY, LIGHTER

    axes.plot([], [], color="0.4", linewidth=0.8, label="line: last 100 training episodes")
    if any((run.progress["envs_ended"] < 1).any() for run in runs):
        axes.plot([], [], color="0.4", alpha=LIGHTER, label=EARLY)
    for split in SPLITS:
        played = pd.concat([run.episodes for run in runs])
        played = played[played["split"] == split]
        if played.empty:
            continue
        face = "0.4" if split == "train" else "white"
        axes.plot(
            [],
            [],
            _MARKERS[split],
            color="0.4",
            markerfacecolor=face,
            label=f"evaluation on the {split} split, with standard error",
        )
