"""Pictures of runs, drawn from their files alone."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.run_files import PROGRESS_COLUMNS, read_csv
from drac import files, logs
from drac.config import TrainConfig
from drac.logs import SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = {"train": "o", "test": "s"}


def learning_curves(run_dirs: Sequence[Path], out: Path) -> None:
    """Draw the training return of runs over their steps, and every evaluation.

    The line is the mean raw return of the last 100 training episodes. Each evaluation is a marker
    with the standard error over its episodes: a filled circle for the training levels, an open
    square for the full distribution.

    Args:
        run_dirs: folders that hold config.json and progress.csv; eval.csv is optional.
        out: the picture; its ending (png, pdf, svg) decides the format.

    Raises:
        ConfigError: if a folder's config cannot be read.
        DamagedError: if a CSV file is damaged.
    """
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, run_dir in enumerate(run_dirs):
        _curve(axes, run_dir, f"C{number}")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("episode return")
    axes.xaxis.set_major_formatter(_steps_text)
    axes.grid(alpha=0.3)
    axes.margins(x=0.02)
    axes.legend(fontsize="small", frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    picture = BytesIO()
    figure.savefig(picture, format=out.suffix.removeprefix(".") or "png", dpi=150)
    out.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(out) as file:
        file.write(picture.getvalue())


def _curve(axes: Axes, run_dir: Path, color: str) -> None:
    config = TrainConfig.from_json(run_dir / "config.json")
    label = f"{config.method} on {config.game}, seed {config.seed}"
    progress = read_csv(run_dir / "progress.csv", PROGRESS_COLUMNS)
    axes.plot(
        progress["step"],
        progress["train_return"],
        color=color,
        label=f"{label}: last 100 training episodes",
    )
    episodes = read_csv(run_dir / "eval.csv", logs.EVAL_COLUMNS)
    for split in SPLITS:
        returns = episodes[episodes["split"] == split].groupby("step")["return"]
        summary = pd.DataFrame({"mean": returns.mean(), "error": returns.sem().fillna(0)})
        if summary.empty:
            continue
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
            label=f"{label}: {split} evaluation, {returns.size().iloc[-1]} episodes",
        )


def _steps_text(value: float, position: float = 0) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"
