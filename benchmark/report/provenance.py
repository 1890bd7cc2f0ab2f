"""Where every number comes from: runs with their commit, machine and versions; papers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.report.content import Content, spec
from benchmark.scores import published
from drac.config import TrainConfig
from drac.files import untrusted
from drac.runs.logs import SPLITS

UNKNOWN = "not recorded"

_SAID_ELSEWHERE = {
    "run_scores.csv": "Agarwal et al., rliable public Procgen scores, 2021 (ten runs a game; see"
    " README.md of the published numbers)"
}
"""The source of a file of published numbers that has no column for it."""

_HASH = re.compile(r"^([0-9a-f]{12})[0-9a-f]{28}")

_MADE_WITH = ("commit", "procgen build", "machine", "device", "precision", "threads")


def runs_table(content: Content) -> pd.DataFrame:
    """Return one row per planned run: its scores, what it lacks, and what it was made with.

    Columns: `run` (its id), `method` (as shown), `game, seed, state` ("complete", or what it
    lacks), `train, test` (mean return of the final episodes; NaN where incomplete), `steps`
    (likewise), and what meta.json says of the machine and the versions.
    """
    rows = []
    for row in content.runs.to_dict("records"):
        meta = row["record"].meta
        own = {"run": spec(row).id, "method": row["shown"]}
        own |= {name: row[name] for name in ("game", "seed")}
        own["state"] = "; ".join(row["problems"]) or "complete"
        own |= {split: row[split] for split in SPLITS}
        own["steps"] = float("nan") if row["problems"] else untrusted.number(meta.get("steps"))
        rows.append(own | _made_with(meta))
    columns = ["run", "method", "game", "seed", "state", *SPLITS, "steps", *_MADE_WITH]
    return pd.DataFrame(rows, columns=[*columns, "versions", "minutes", "command"])


def _made_with(meta: Mapping[str, Any]) -> dict[str, Any]:
    versions = meta.get("versions")
    known = versions if isinstance(versions, dict) else {}
    said = {name: untrusted.text(value) or UNKNOWN for name, value in meta.items()}
    machine = [said[name] for name in ("cpu", "platform") if said.get(name, UNKNOWN) != UNKNOWN]
    versions = [f"{untrusted.text(name)} {untrusted.text(known[name])}" for name in known]
    return {
        "commit": _HASH.sub(r"\1", said.get("commit", UNKNOWN)),
        "procgen build": said.get("procgen_build", UNKNOWN),
        "machine": ", ".join(machine) or UNKNOWN,
        "device": said.get("device", UNKNOWN),
        "precision": said.get("precision", UNKNOWN),
        "threads": said.get("threads", UNKNOWN),
        "versions": ", ".join(versions) or UNKNOWN,
        "minutes": round(untrusted.number(meta.get("wall_s")) / 60, 1),
        "command": said.get("command", UNKNOWN),
    }


def made_with(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the distinct commits, builds, machines and versions, and how many runs each made.

    Args:
        runs: as `runs_table` returns them; those that left no record are not counted.
    """
    columns = [*_MADE_WITH, "versions"]
    known = runs[(runs[columns] != UNKNOWN).any(axis=1)]
    counts = known.groupby(columns, sort=False).size().reset_index(name="runs")
    return counts[["commit", "runs", *columns[1:]]]


def published_sources() -> pd.DataFrame:
    """Return the sources of the published numbers: file, source, methods, splits and rows."""
    rows = []
    for path in sorted(published.FOLDER.glob("*.csv")):
        frame = pd.read_csv(path)
        if "source" not in frame:
            frame["source"] = _SAID_ELSEWHERE.get(path.name, UNKNOWN)
        for source, own in frame.groupby("source"):
            said = {
                name: ", ".join(map(str, dict.fromkeys(own[name].dropna())))
                for name in ("kind", "note")
                if name in own
            }
            rows.append({"file": path.name, "source": source, "rows": len(own), **said})
    frame = pd.DataFrame(rows, columns=["file", "source", "rows", "kind", "note"])
    return frame.fillna({"kind": "-", "note": "-"}).replace("", "-")


def configs(content: Content) -> pd.DataFrame:
    """Return every option (rows) of every method (columns), as the runs' config.json have them.

    Options in which runs of a method differ list all their values; "-" where no run of a method
    has begun, or an earlier version knew no such option.
    """
    names = [name for name in TrainConfig.model_fields if name not in {"game", "method", "seed"}]
    values: dict[str, dict[str, list[str]]] = {}
    for row in content.runs.to_dict("records"):
        own = values.setdefault(row["method"], {name: [] for name in names})
        config = dict(row["record"].config or {})
        for name in names:
            if name in config and (text := _text(config[name])) not in own[name]:
                own[name].append(text)
    columns = {
        content.shown[method]: [" / ".join(sorted(values[method][name])) or "-" for name in names]
        for method in content.methods
    }
    return pd.DataFrame({"option": names, **columns})


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
