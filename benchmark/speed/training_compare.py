"""Two files of `drac-bench speed`, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmark.speed.training import Cell, Report, Workers
from benchmark.tables.table import Table


def compare(first: Report, second: Report) -> Table:
    """Return the ratios of the cells that both reports have, second over first.

    What only one of them has, and what differs in machine and settings, is said in the notes.
    """
    ones, others = _by_key(first), _by_key(second)
    rows = [_row(ones[key], others[key]) for key in ones if key in others]
    notes = [
        *_differences("machine", asdict(first.machine), asdict(second.machine)),
        *_differences("settings", first.settings, second.settings),
        *(f"only in the first: {' '.join(key)}" for key in ones if key not in others),
        *(f"only in the second: {' '.join(key)}" for key in others if key not in ones),
    ]
    notes = notes or ["machine and settings are the same"]
    columns = ["method", "device", "precision", "engine", "steps/s", "ratio", "peak memory"]
    cells = pd.DataFrame(rows, columns=columns)
    return Table("comparison", "The second to the first", cells, cells, tuple(notes))


def _by_key(report: Report) -> dict[tuple[str, ...], Cell]:
    """Return every cell of a report by what it measures."""
    found: dict[tuple[str, ...], Cell] = {cell.key: cell for cell in report.cells}
    for row in report.workers:
        found |= {(*cell.key, f"({name})"): cell for name, cell in _cells_of(row)}
    return found


def _cells_of(row: Workers) -> list[tuple[str, Cell]]:
    together = [(f"worker {number}", cell) for number, cell in enumerate(row.together, start=1)]
    return [("alone", row.alone), *together, (f"{row.one.threads} threads", row.one)]


def _row(one: Cell, other: Cell) -> tuple[str, ...]:
    return (
        *one.key,
        f"{one.steps_per_s:,.0f} -> {other.steps_per_s:,.0f}",
        f"{other.steps_per_s / one.steps_per_s:.3f}",
        f"{other.peak_memory_mb / one.peak_memory_mb:.3f}",
    )


def _differences(kind: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [
        f"{kind} {name}: {one.get(name)!r} in the first, {other.get(name)!r} in the second"
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    ]
