"""The table of `drac-bench bandits`, and its files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmark.bandits.simulation import ARMS, CURVES, GAP, LOCKED, NOISE, SELECTORS, Run
from benchmark.tables.table import Table
from drac.config.quantities import number_of


def _ordered(runs: Sequence[Run]) -> list[Run]:
    order = {name: number for number, name in enumerate([*CURVES, *SELECTORS])}
    return sorted(runs, key=lambda run: (order[run.curve], order[run.selector], run.seed))


def frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a run: curve, selector, seed, regret, shares, and pulls of each arm.

    Rows are in the order of CURVES, SELECTORS and seeds, however the runs came.
    """
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
        for run in _ordered(runs)
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
                f"{pulls:,} pulls of {len(ARMS)} arms, {number_of(seeds, 'seed')}; rewards have a"
                f" standard deviation of {NOISE}, and the best arm pays {GAP} more than the others"
            ),
            "; ".join(f"{name}: mean return {curve.summary}" for name, curve in CURVES.items()),
            f"regret: mean ± standard error over seeds; uniform play loses {GAP} on 7 pulls of 8",
            f"locked: an arm that is never the best got {LOCKED:.0%} of the pulls or more",
            "ucb is the paper's, with its constants; the other rows have our defaults",
        ),
        keys=2,
    )


def as_json(runs: Sequence[Run]) -> str:
    """Return all runs as JSON, with their regret curves."""
    settings = {"arms": list(ARMS), "noise": NOISE, "gap": GAP}
    return json_lines(settings, "runs", map(asdict, _ordered(runs)))


def json_lines(settings: Mapping[str, Any], kind: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Return settings and a list of rows as JSON, one line a row."""
    lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    return f'{{\n  "settings": {json.dumps(settings)},\n  "{kind}": [\n{lines}\n  ]\n}}\n'


def from_json(text: str) -> list[Run]:
    """Return the runs of `as_json`."""

    def frozen(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    rows = json.loads(text)["runs"]
    return [Run(**{name: frozen(value) for name, value in row.items()}) for row in rows]
