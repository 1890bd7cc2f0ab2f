"""The table of `drac-bench bandits`, and its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmark.bandits.simulation import ARMS, CURVES, GAP, LOCKED, NOISE, SELECTORS, Run
from benchmark.tables.table import Table


def frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a run: curve, selector, seed, regret, shares, and pulls of each arm.

    Rows are in the order of CURVES, SELECTORS and seeds, however the runs came.
    """
    order = {name: number for number, name in enumerate([*CURVES, *SELECTORS])}
    ordered = sorted(runs, key=lambda run: (order[run.curve], order[run.selector], run.seed))
    return pd.DataFrame(
        {
            "curve": run.curve,
            "selector": run.selector,
            "seed": run.seed,
            "pulls": run.pulls,
            "regret": run.regret[-1],
            "best_share": run.best / run.pulls,
            "most_pulled_share": max(run.counts) / run.pulls,
            "first_share": run.counts[0] / run.pulls,
            "locked": int(run.locked),
            **dict(zip(ARMS, run.counts, strict=True)),
        }
        for run in ordered
    )


def table(runs: Sequence[Run]) -> Table:
    """Return the table that is printed: means over the seeds."""
    rows = frame(runs)
    cells, data = [], []
    for (curve, selector), group in rows.groupby(["curve", "selector"], sort=False):
        regrets = group["regret"].to_numpy(float)
        error = regrets.std(ddof=1) / len(regrets) ** 0.5 if len(regrets) > 1 else 0.0
        numbers = group[["regret", "best_share", "most_pulled_share", "first_share"]].mean()
        data.append({"curve": curve, "selector": selector, "runs": len(group), **numbers})
        cells.append(
            {
                "curve": str(curve),
                "selector": str(selector),
                "regret": f"{numbers['regret']:.1f} ± {error:.1f}",
                "best arm": f"{numbers['best_share']:.0%}",
                "most pulled arm": f"{numbers['most_pulled_share']:.0%}",
                f"{ARMS[0]}": f"{numbers['first_share']:.0%}",
                "locked on to a wrong arm": f"{group['locked'].sum()} of {len(group)}",
            }
        )
    pulls, seeds = rows["pulls"].max(), rows["seed"].nunique()
    return Table(
        name="bandits",
        title="Selectors on simulated return curves",
        cells=pd.DataFrame(cells),
        data=pd.DataFrame(data),
        notes=(
            (
                f"{pulls:,} pulls of {len(ARMS)} arms, {seeds} seeds; rewards have a standard"
                f" deviation of {NOISE}, and the best arm pays {GAP} more than the others"
            ),
            "; ".join(f"{name}: mean return {curve.summary}" for name, curve in CURVES.items()),
            f"regret: mean ± standard error over seeds; uniform play loses {GAP} on 7 pulls of 8",
            f"locked: an arm that is never the best got {LOCKED:.0%} of the pulls or more",
            "ucb is the paper's, with its constants; the other rows have our defaults",
        ),
    )


def as_json(runs: Sequence[Run]) -> str:
    """Return all runs as JSON, with their regret curves."""
    order = {name: number for number, name in enumerate([*CURVES, *SELECTORS])}
    ordered = sorted(runs, key=lambda run: (order[run.curve], order[run.selector], run.seed))
    lines = ",\n".join(f"    {json.dumps(asdict(run))}" for run in ordered)
    head = json.dumps({"arms": list(ARMS), "noise": NOISE, "gap": GAP})
    return f'{{\n  "settings": {head},\n  "runs": [\n{lines}\n  ]\n}}\n'


def from_json(text: str) -> list[Run]:
    """Return the runs of `as_json`."""
    runs = []
    for run in json.loads(text)["runs"]:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in run.items()
        }
        runs.append(Run(**fields))
    return runs
