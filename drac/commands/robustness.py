"""`drac evaluate --robustness`: how much an agent heeds the background."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drac.commands.output import columns, fitted, progress
from drac.commands.playing import require_free, title
from drac.config import TrainConfig
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import atomic
from drac.runs import provenance

if TYPE_CHECKING:
    import pandas as pd

ROBUSTNESS = "robustness.csv"
"""Its name in a run's folder; where the numbers come from is in a .json beside it."""


def robustness_of(
    run: Path,
    config: TrainConfig,
    splits: dict[str, Any],
    counts: dict[str, int],
    device: str,
    out: Path | None,
) -> pd.DataFrame:
    """Measure a run's robustness on some splits, write both files, print and return the table."""
    import pandas as pd

    from drac.evaluate import robustness
    from drac.policy.read import kept_in, read_agent

    agent, step = read_agent(run, config, device, "drac evaluate", exact=True)
    given, out = out is not None, out or kept_in(run, ROBUSTNESS)
    if out.suffix != ".csv":
        raise ConfigError(f"out {str(out)!r} must end in .csv")
    for path in (out, out.with_suffix(".json")):
        require_free(path, given)
    tables, identical = [], {}
    for name, split in splits.items():
        what = f"{config.game}, {name} split, episodes"
        with progress(what, counts["episodes"]) as on_episode:
            measured, identical[name] = robustness.measure(
                agent,
                config.game,
                split,
                **counts,
                mode=config.mode,
                max_steps=robustness.MAX_STEPS,
                on_episode=on_episode,
            )
        tables.append(measured.assign(split=name))
    table = pd.concat(tables, ignore_index=True)
    record = _record(config, step, counts, identical, str(next(agent.parameters()).device))
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out, table.to_csv(index=False, na_rep="NaN"))
    atomic.write_text(out.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    print(title(config, step))
    print(
        f"{number_of(counts['episodes'], 'episode')} a split, {robustness.MAX_STEPS} steps of each"
        f" at most"
    )
    print(_shown(table))
    for variant, reason in record["unavailable"].items():
        print(fitted(f"{variant}: not available: {reason}"))
    print(fitted(f"the numbers: {out}, what they mean: {out.with_suffix('.json')}"))
    return table.assign(step=step)


def _record(
    config: TrainConfig, step: int, counts: dict[str, int], identical: dict[str, Any], device: str
) -> dict[str, Any]:
    """Return what is to be known about a robustness.csv: what was measured, how, and on what."""
    from drac.envs.procgen_env import procgen_build
    from drac.evaluate import robustness

    how = {"device": "cuda" if "cuda" in device else "cpu", "precision": "float32"}
    return {
        "format": 1,
        **{name: getattr(config, name) for name in ("method", "game", "seed", "mode", "levels")},
        "step": step,
        "evaluation": {**counts, "max_steps": robustness.MAX_STEPS},
        "metrics": robustness.METRICS,
        "variants": robustness.VARIANTS,
        "unavailable": robustness.unavailable(config.game),
        "identical_pictures": identical,
        "sources": robustness.SOURCES,
        **provenance.describe(config.model_copy(update=how), procgen_build()),
    }


def _shown(table: pd.DataFrame) -> str:
    """Return a robustness table for the terminal: a line a split and variant, NaN where missing."""
    shown = table.assign(
        cell=[
            f"{value:.3f} +- {error:.3f}"
            for value, error in zip(table["value"], table["standard_error"], strict=True)
        ]
    )
    wide = shown.pivot(index=["split", "variant"], columns="metric", values="cell")
    order = list(dict.fromkeys(table["metric"]))
    pairs = table[table["metric"] == order[0]].set_index(["split", "variant"])["pairs"]
    return columns(wide[order].assign(pairs=pairs).reset_index(), 2)
