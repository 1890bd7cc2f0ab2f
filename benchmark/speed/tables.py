"""The tables of `drac-bench speed`, and of two of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import median
from typing import Any

import pandas as pd

from benchmark.scores import published
from benchmark.speed.plan import DISTURBED
from benchmark.speed.records import (
    RUN_STEPS,
    AugmentationReport,
    AugmentationSpeed,
    Cell,
    Record,
    Report,
    Workers,
    threads_text,
)
from benchmark.tables.table import NOT_AVAILABLE, Table
from drac.config.quantities import number_of
from drac.methods import spellings
from drac.timing import PHASES

_PIECES = (
    "on CPU a rollout and one epoch of gradient steps are timed, after a step to warm up, and the"
    " epoch's time is scaled to an update's (--full times whole updates)"
)
_AUXILIARY = "auxiliary phase"
_WHOLE = "whole updates are timed"
_CUDA = (
    "on CUDA the phases are timed apart, with a wait after each, so that their sum exceeds an"
    " update's time, in which they overlap"
)


def _table(
    name: str, title: str, rows: Any, records: Sequence[Record], notes: Sequence[str], keys: int = 1
) -> Table:
    data = pd.DataFrame([record.model_dump() for record in records])
    return Table(name, title, pd.DataFrame(rows), data, tuple(notes), keys=keys)


def _shortly(*reports: Report) -> list[Report]:
    """Return reports in which methods are called as in all tables: see `spellings.shown`."""

    def of(report: Report) -> list[Cell]:
        rows = ((row.alone, *row.together, row.one) for row in report.workers)
        return [*report.cells, *chain.from_iterable(rows)]

    called = spellings.shown(cell.method for report in reports for cell in of(report))

    def cell(own: Cell) -> Cell:
        return own.model_copy(update={"method": called[own.method]})

    def workers(row: Workers) -> Workers:
        together = tuple(map(cell, row.together))
        return Workers(alone=cell(row.alone), together=together, one=cell(row.one))

    def short(report: Report) -> Report:
        own = {"cells": tuple(map(cell, report.cells))}
        beside = {"workers": tuple(map(workers, report.workers))}
        return report.model_copy(update={**own, **beside})

    return [*map(short, reports)]


def cells(report: Report) -> Table:
    """Return the table of all cells."""
    (report,) = _shortly(report)
    plain = {cell.method: cell for cell in report.cells if cell.engine == "reference"}
    notes = (
        f"measured on {report.machine.text()}",
        f"{_settings(report)}; {_WHOLE if report.settings['whole_updates'] else _PIECES}",
        "ucb-drac: every augmentation has its turn, so that the figures are means over all",
        "steps/s: without evaluations and checkpoints; hours of 25M steps: with them",
        (
            "of the matrix-product peak: operations that the method needs of the network, over"
            " those of the best 2048 x 2048 products in the same process, threads and precision"
        ),
        *_disturbed(report.cells),
    )
    rows = [_cell(cell, plain.get(cell.method)) for cell in report.cells]
    return _table("training-speed", "Speed of training", rows, report.cells, notes, keys=4)


def _cell(cell: Cell, plain: Cell | None) -> dict[str, str]:
    row = {
        "method": cell.method,
        "engine": cell.engine,
        "device": cell.device,
        "precision": cell.precision,
        "threads": str(cell.threads),
        "steps/s": _speed(cell.steps_per_s),
        "to the reference": _ratio(cell.steps_per_s, plain.steps_per_s if plain else None, 2),
        f"{RUN_STEPS // 10**6}M steps, hours": _hours(cell.run_hours),
        "inside the network": f"{cell.network_share:.1%}",
        "of the matrix-product peak": f"{cell.peak_share:.0%}",
        "peak memory, MB": f"{cell.peak_memory_mb:,.0f}",
    }
    if len(cell.attempts) > 1:
        spread = (min(cell.attempts), median(cell.attempts), max(cell.attempts))
        row["least, median, most of the attempts"] = ", ".join(map(_speed, spread))
    if cell.graphs is not None:
        row["graphs"] = "yes" if cell.graphs else "no"
    if cell.peak_device_mb is not None:
        row["peak on the GPU, MB"] = f"{cell.peak_device_mb:,.0f}"
    return row


def phases(report: Report) -> Table:
    """Return the table of what an update's time is spent on."""
    (report,) = _shortly(report)
    names = [
        name
        for name in (*PHASES, "other")
        if any(cell.phases.get(name) for cell in report.cells) or name != _AUXILIARY
    ]
    text: dict[str, list[str]] = {"seconds of an update": [*names, "all"]}
    for cell in report.cells:
        total = sum(cell.phases.values())
        seconds = [*(cell.phases.get(name, 0.0) for name in names), total]
        text[cell.name] = [f"{value:.3f} ({value / total:.1%})" for value in seconds]
    evaluated = [
        f"{cell.name} {cell.evaluate_s:.1f} s and {cell.checkpoint_s:.2f} s"
        f" ({cell.checkpoint_mb:.1f} MB)"
        for cell in report.cells
        if cell.evaluate_s is not None
    ]
    notes = [_CUDA] if any(cell.device == "cuda" for cell in report.cells) else []
    if _AUXILIARY in names:
        notes.append(
            "auxiliary phase: what falls to an update, timed in a phase on one rollout; the peak"
            " memory is without the frames of the others"
        )
    if evaluated:
        notes.append(
            f"evaluate, checkpoint: an update's share at the intervals of a run. One evaluation"
            f" ({number_of(report.settings['eval_episodes'], 'episode')} on each split, policy"
            f" untrained) and one checkpoint took: {'; '.join(evaluated)}"
        )
    return _table("phases", "Where the time goes", text, report.cells, notes)


def workers(report: Report) -> Table:
    """Return the table of runs side by side."""
    (report,) = _shortly(report)
    alone = [row.alone for row in report.workers]
    threads = threads_text(alone[0].threads)
    notes = (
        f"measured on {report.machine.text()}",
        f"{_settings(report)}; every worker has {threads}; all begin at the same moment",
        *_disturbed(report.workers),
    )
    rows = [_workers(row, len(row.together)) for row in report.workers]
    return _table("workers", "Runs side by side", rows, alone, notes, keys=2)


def _workers(row: Workers, number: int) -> dict[str, str]:
    each = ", ".join(_speed(cell.steps_per_s) for cell in row.together)
    return {
        "method": row.alone.method,
        "precision": row.alone.precision,
        "one worker, steps/s": _speed(row.alone.steps_per_s),
        f"{number_of(number, 'worker')}, steps/s": f"{_speed(row.steps_per_s)} ({each})",
        f"speed-up of {number_of(number, 'worker')}": f"{row.speed_up:.2f}",
        f"of {number_of(number, 'matrix product')}": f"{row.matmul_speed_up:.2f}",
        "the one over the other": f"{row.efficiency:.1%}",
        f"one worker, {threads_text(row.one.threads)}, steps/s": _speed(row.one.steps_per_s),
    }


def calibration(report: Report) -> Table:
    """Return the table of what `--calibrate` has tried."""
    (report,) = _shortly(report)
    rows = [
        {
            "method": cell.method,
            "precision": cell.precision,
            "threads": str(cell.threads),
            "micro-batch": str(cell.micro_batch),
            "env groups": str(cell.env_groups),
            "steps/s": _speed(cell.steps_per_s),
        }
        for cell in report.cells
    ]
    notes = (
        f"measured on {report.machine.text()}",
        "short measurements, for a choice; drac-bench speed measures for the record",
        *_disturbed(report.cells),
    )
    return _table("calibration", "What was tried", rows, report.cells, notes, keys=5)


def augmentations(report: AugmentationReport) -> Table:
    """Return the table of the augmentations."""
    _, source = published.released_augmentation_speed()
    pieces = f"micro-batches of {report.micro_batch}"
    notes = (
        f"measured on {report.machine.text()}",
        (
            f"minibatches of {report.batch:,} frames of {report.game}, 3x64x64 float32; parameters"
            f" drawn once a minibatch, applied to channels_last {pieces}; medians of"
            f" {number_of(report.repeats, 'repeat')}"
        ),
        (
            f"of the update: the augmentation's part of a float32 DrAC update's time, whose network"
            f" handles {report.update_images_per_s:,.0f} images/s here"
        ),
        f"released code: recorded elsewhere ({source}), so that the ratio compares machines too",
        f"kornia: its own class on the same {pieces}, in turns with ours",
    )
    rows = [_augmentation(row) for row in report.rows]
    title = "Speed of the augmentations"
    return _table("augmentation-speed", title, rows, report.rows, notes)


def _augmentation(row: AugmentationSpeed) -> dict[str, str]:
    return {
        "augmentation": row.spec,
        "images/s": _speed(row.images_per_s),
        "of the update": f"{row.update_share:.1%}",
        "released code, images/s (recorded elsewhere)": _speed(row.released_images_per_s),
        "ours / released": _ratio(row.images_per_s, row.released_images_per_s),
        "kornia's class": row.kornia_class or NOT_AVAILABLE,
        "kornia, images/s": _speed(row.kornia_images_per_s),
        "ours / kornia": _ratio(row.images_per_s, row.kornia_images_per_s),
    }


def comparison(first: Report, second: Report) -> Table:
    """Return the ratios of the cells that both reports have, second over first.

    What only one of them has, and what differs in machine and settings, is said in the notes.
    """
    ones, others = map(_by_key, _shortly(first, second))
    both = [(key, one, others[key]) for key, one in ones.items() if key in others]
    rows = [
        (
            *key[:4],
            f"{_speed(one.steps_per_s)} -> {_speed(other.steps_per_s)}",
            f"{other.steps_per_s / one.steps_per_s:.3f}",
            f"{other.peak_memory_mb / one.peak_memory_mb:.3f}",
        )
        for key, one, other in both
    ]
    notes = [
        *_differences("machine", first.machine.model_dump(), second.machine.model_dump()),
        *_differences("settings", first.settings, second.settings),
        *(f"only in the first: {' '.join(key)}" for key in ones if key not in others),
        *(f"only in the second: {' '.join(key)}" for key in others if key not in ones),
    ]
    notes = notes or ["machine and settings are the same"]
    columns = ["method", "device", "precision", "engine", "steps/s", "ratio", "peak memory"]
    text = pd.DataFrame(rows, columns=columns)
    second_cells = [other for _, _, other in both]
    title = "The second to the first"
    return _table("comparison", title, text, second_cells, notes, keys=4)


def _by_key(report: Report) -> dict[tuple[str, ...], Cell]:
    """Return every cell of a report by what it measures."""
    found = [("", cell) for cell in report.cells]
    for row in report.workers:
        together = ((f"(worker {n})", cell) for n, cell in enumerate(row.together, start=1))
        found += [
            ("(alone)", row.alone),
            *together,
            (f"({threads_text(row.one.threads)})", row.one),
        ]
    return {
        (cell.method, cell.device, cell.precision, cell.engine, *filter(None, [role])): cell
        for role, cell in found
    }


def _differences(kind: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [
        f"{kind} {name}: {one.get(name)!r} in the first, {other.get(name)!r} in the second"
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    ]


def _disturbed(measured: Sequence[Cell | Workers]) -> list[str]:
    """Return a warning where other processes took part of the machine."""
    found = [
        f"{part.name}: {part.others_cores:.2f}"
        for part in measured
        if part.others_cores > DISTURBED
    ]
    said = "DISTURBED: other processes kept cores busy meanwhile, measure again; how many: "
    return [said + ", ".join(found)] if found else []


def _settings(report: Report) -> str:
    return "{game}, {num_envs} envs x {num_steps} steps".format(**report.settings)


def _speed(per_s: float | None) -> str:
    return f"{per_s:,.0f}" if per_s else NOT_AVAILABLE


def _ratio(ours: float, other: float | None, digits: int = 1) -> str:
    return f"{ours / other:.{digits}f}x" if other else NOT_AVAILABLE


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 1 else f"{hours:.2f}"
