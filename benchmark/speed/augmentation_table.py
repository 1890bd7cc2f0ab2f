"""The tables of `drac-bench speed`."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from benchmark.scores import published
from benchmark.speed.augmentations import Report, Row
from benchmark.tables.table import NOT_AVAILABLE, Table


def augmentations(report: Report) -> Table:
    """Return the table that is printed."""
    _, source = published.released_augmentation_speed()
    cells = pd.DataFrame([_cells(row) for row in report.rows])
    pieces = f"micro-batches of {report.micro_batch}"
    notes = (
        f"measured on {report.machine.text()}",
        (
            f"minibatches of {report.batch:,} frames of {report.game}, 3x64x64 float32; parameters"
            f" drawn once a minibatch, applied to channels_last {pieces}; medians of"
            f" {report.repeats} repeats"
        ),
        (
            f"of the update: the augmentation's part of a float32 DrAC update's time, whose network"
            f" handles {report.update_images_per_s:,.0f} images/s here"
        ),
        f"released code: recorded elsewhere ({source}), so that the ratio compares machines too",
        f"kornia: its own class on the same {pieces}, in turns with ours",
    )
    return Table(
        name="augmentation-speed",
        title="Speed of the augmentations",
        cells=cells,
        data=pd.DataFrame([asdict(row) for row in report.rows]),
        notes=notes,
    )


def _cells(row: Row) -> dict[str, str]:
    def ratio(other: float | None) -> str:
        return f"{row.images_per_s / other:.1f}x" if other else NOT_AVAILABLE

    def speed(other: float | None) -> str:
        return f"{other:,.0f}" if other else NOT_AVAILABLE

    return {
        "augmentation": row.spec,
        "images/s": speed(row.images_per_s),
        "of the update": f"{row.update_share:.1%}",
        "released code, images/s (recorded elsewhere)": speed(row.released_images_per_s),
        "ours / released": ratio(row.released_images_per_s),
        "kornia's class": row.kornia_class or NOT_AVAILABLE,
        "kornia, images/s": speed(row.kornia_images_per_s),
        "ours / kornia": ratio(row.kornia_images_per_s),
    }
