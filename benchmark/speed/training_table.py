"""The tables of `drac-bench speed`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmark.speed.training import DISTURBED, RUN_STEPS, Cell, Report, Workers
from benchmark.tables.table import NOT_AVAILABLE, Table
from drac.timing import PHASES

_PIECES = (
    "on CPU a rollout and one epoch of gradient steps are timed, after a step to warm up, and the"
    " epoch's time is scaled to an update's (--full times whole updates)"
)
_WHOLE = "whole updates are timed"
_CUDA = (
    "on CUDA the phases are timed apart, with a wait after each, so that their sum exceeds an"
    " update's time, in which they overlap"
)


def cells(report: Report) -> Table:
    """Return the table of all cells."""
    text = pd.DataFrame([_row(cell, report.cells) for cell in report.cells])
    measured = _WHOLE if report.settings["whole_updates"] else _PIECES
    return Table(
        name="training-speed",
        title="Speed of training",
        cells=text,
        data=_data(report.cells),
        notes=(
            f"measured on {report.machine.text()}",
            f"{_settings(report.settings)}; {measured}",
            "ucb-drac: every augmentation has its turn, so that the figures are means over all",
            "steps/s: without evaluations and checkpoints; hours of 25M steps: with them",
            (
                "of the matrix-product peak: operations that the method needs of the network, over"
                " those of the best 2048 x 2048 products in the same process, threads and precision"
            ),
            *_disturbed(report.cells),
        ),
    )


def _disturbed(measured: Sequence[Cell | Workers]) -> list[str]:
    """Return a warning where other processes took part of the machine."""
    found = [
        f"{_title(part if isinstance(part, Cell) else part.alone)}: {part.others_cores:.2f}"
        for part in measured
        if part.others_cores > DISTURBED
    ]
    said = "DISTURBED: other processes kept cores busy meanwhile, measure again; how many: "
    return [said + ", ".join(found)] if found else []


def _row(cell: Cell, every: Sequence[Cell]) -> dict[str, str]:
    plain = [
        other for other in every if other.engine == "reference" and other.method == cell.method
    ]
    ratio = f"{cell.steps_per_s / plain[0].steps_per_s:.2f}x" if plain else NOT_AVAILABLE
    row = {
        "method": cell.method,
        "engine": cell.engine,
        "device": cell.device,
        "precision": cell.precision,
        "threads": str(cell.threads),
        "steps/s": f"{cell.steps_per_s:,.0f}",
        "to the reference": ratio,
        f"{RUN_STEPS // 10**6}M steps, hours": f"{cell.run_hours:,.1f}",
        "inside the network": f"{cell.network_share:.1%}",
        "of the matrix-product peak": f"{cell.peak_share:.0%}",
        "peak memory, MB": f"{cell.peak_memory_mb:,.0f}",
    }
    if cell.peak_device_mb is not None:
        row["peak on the GPU, MB"] = f"{cell.peak_device_mb:,.0f}"
    return row


def phases(report: Report) -> Table:
    """Return the table of what an update's time is spent on."""
    names = (*PHASES, "other")
    text: dict[str, list[str]] = {"seconds of an update": [*names, "all"]}
    for cell in report.cells:
        total = sum(cell.phases.values())
        seconds = [*(cell.phases[name] for name in names), total]
        text[_title(cell)] = [f"{value:.3f} ({value / total:.1%})" for value in seconds]
    evaluated = [cell for cell in report.cells if cell.evaluate_s is not None]
    notes = [_CUDA] if any(cell.device == "cuda" for cell in report.cells) else []
    if evaluated:
        told = "; ".join(
            f"{_title(cell)} {cell.evaluate_s:.1f} s and {cell.checkpoint_s:.2f} s"
            f" ({cell.checkpoint_mb:.1f} MB)"
            for cell in evaluated
        )
        notes.append(
            f"evaluate, checkpoint: an update's share at the intervals of a run. One evaluation"
            f" ({report.settings['eval_episodes']} episodes on each split, policy untrained) and"
            f" one checkpoint took: {told}"
        )
    return Table(
        "phases", "Where the time goes", pd.DataFrame(text), _data(report.cells), (*notes,)
    )


def workers(report: Report) -> Table:
    """Return the table of runs side by side."""
    rows: list[dict[str, str]] = []
    for row in report.workers:
        number, one = len(row.together), row.one
        each = ", ".join(f"{cell.steps_per_s:,.0f}" for cell in row.together)
        total = sum(cell.steps_per_s for cell in row.together)
        rows.append(
            {
                "method": row.alone.method,
                "precision": row.alone.precision,
                "one worker, steps/s": f"{row.alone.steps_per_s:,.0f}",
                f"{number} workers, steps/s": f"{total:,.0f} ({each})",
                f"speed-up of {number} workers": f"{row.speed_up:.2f}",
                f"of {number} matrix products": f"{row.matmul_speed_up:.2f}",
                "the one over the other": f"{row.efficiency:.1%}",
                f"one worker, {one.threads} threads, steps/s": f"{one.steps_per_s:,.0f}",
            }
        )
    threads = report.workers[0].alone.threads
    data = pd.DataFrame([dataclasses.asdict(row.alone) for row in report.workers])
    said = f"every worker has {threads} thread{'s' * (threads != 1)}; all begin at the same moment"
    notes = (
        f"measured on {report.machine.text()}",
        f"{_settings(report.settings)}; {said}",
        *_disturbed(report.workers),
    )
    return Table("workers", "Runs side by side", pd.DataFrame(rows), data, notes)


def calibration(report: Report) -> Table:
    """Return the table of what `--calibrate` has tried."""
    rows = [
        {
            "method": cell.method,
            "precision": cell.precision,
            "threads": str(cell.threads),
            "micro-batch": str(cell.micro_batch),
            "env groups": str(cell.env_groups),
            "steps/s": f"{cell.steps_per_s:,.0f}",
        }
        for cell in report.cells
    ]
    notes = (
        f"measured on {report.machine.text()}",
        "short measurements, for a choice; drac-bench speed measures for the record",
        *_disturbed(report.cells),
    )
    return Table("calibration", "What was tried", pd.DataFrame(rows), _data(report.cells), notes)


def _title(cell: Cell) -> str:
    return f"{cell.method}, {'reference' if cell.engine == 'reference' else cell.precision}"


def _settings(settings: dict[str, Any]) -> str:
    return "{game}, {num_envs} envs x {num_steps} steps".format(**settings)


def _data(measured: Sequence[Cell]) -> pd.DataFrame:
    return pd.DataFrame([dataclasses.asdict(cell) for cell in measured])
