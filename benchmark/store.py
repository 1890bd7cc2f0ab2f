"""The store of runs: where their files lie, what is in them, and whether they are complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.suites import RunSpec
from drac import files, logs
from drac.config import ConfigError, TrainConfig

SPLITS = ("train", "test")
LOG = "train.log"
PLAN = "plan.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: environment steps done.
        total: environment steps to do.
        sps: steps per second of the last update; None before the first.
        train_return: mean over the last 100 training episodes; None before the first.
        test_return: mean of the last test evaluation; None before the first.
        arm: current augmentation, "-" before the first update.
    """

    step: int
    total: int
    sps: float | None = None
    train_return: float | None = None
    test_return: float | None = None
    arm: str = "-"


def check_name(kind: str, name: str) -> str:
    """Check that an experiment's name is a plain folder name.

    Raises:
        ConfigError: otherwise; "..", "/" and the like would leave the store.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{kind} {name!r} must be letters, digits, '.', '_', '+' or '-', starting with a"
            f" letter or digit"
        )
    return name


def read_csv(path: Path) -> pd.DataFrame:
    """Read a run's CSV file; empty if it is absent or has no complete row yet."""
    try:
        table: pd.DataFrame = pd.read_csv(path, on_bad_lines="skip")
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame()
    return table


def final_evaluation(run_dir: Path) -> pd.DataFrame:
    """Return the episodes of a run's last evaluation: step, split, level_seed, return, length."""
    episodes = read_csv(run_dir / "eval.csv")
    if episodes.empty:
        return pd.DataFrame(columns=list(logs.EVAL_COLUMNS))
    last: pd.DataFrame = episodes[episodes["step"] == episodes["step"].max()]
    return last


def read_meta(run_dir: Path) -> dict[str, Any]:
    """Return a run's meta.json, empty if absent or damaged."""
    try:
        meta = json.loads((run_dir / logs.META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return meta if isinstance(meta, dict) else {}


def validate(run_dir: Path) -> list[str]:
    """Return what keeps a run from being complete; an empty list means that it is."""
    if not (run_dir / "config.json").exists():
        return ["not started"]
    try:
        config = TrainConfig.from_json(run_dir / "config.json")
    except ConfigError as error:
        return [str(error)]
    problems = []
    total = config.num_updates * config.rollout_size
    progress = read_csv(run_dir / "progress.csv")
    done = 0 if progress.empty else int(progress["step"].iloc[-1])
    if done < total:
        problems.append(f"trained {done:,} of {total:,} steps")
    episodes = final_evaluation(run_dir)
    for split in SPLITS:
        played = int(((episodes["split"] == split) & (episodes["step"] == total)).sum())
        if played < config.eval_episodes:
            problems.append(f"{played} of {config.eval_episodes} final {split} episodes")
    if not read_meta(run_dir):
        problems.append(f"no readable {logs.META}")
    return problems


def progress_of(run_dir: Path, config: TrainConfig) -> Progress:
    """Return how far a run is, from its files."""
    total = config.num_updates * config.rollout_size
    rows = read_csv(run_dir / "progress.csv")
    if rows.empty:
        return Progress(0, total)
    last = rows.iloc[-1]
    episodes = final_evaluation(run_dir)
    tested = episodes.loc[episodes["split"] == "test", "return"]
    return Progress(
        step=int(last["step"]),
        total=total,
        sps=float(last["charts/SPS"]),
        train_return=None if pd.isna(last["train_return"]) else float(last["train_return"]),
        test_return=float(tested.mean()) if len(tested) else None,
        arm=str(last["arm"]),
    )


class Store:
    """Runs below `root`/runs, tables in `root`/tables.

    Args:
        root: usually "results".
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.tables = root / "tables"

    def run_dir(self, spec: RunSpec) -> Path:
        """Return the folder of a run."""
        return self.runs / spec.id

    def experiments(self) -> list[str]:
        """Return the names of the experiments that have a plan or runs."""
        if not self.runs.is_dir():
            return []
        return sorted(path.name for path in self.runs.iterdir() if path.is_dir())

    def specs(self, experiment: str) -> list[RunSpec]:
        """Return the runs of an experiment that are planned or have a folder."""
        found = set(self.plan(experiment))
        for path in (self.runs / experiment).glob("*/*/seed*/config.json"):
            seed = path.parent.name.removeprefix("seed")
            if seed.isdecimal():
                method, game = path.parts[-4:-2]
                found.add(RunSpec(experiment, method, game, int(seed)))
        return sorted(found)

    def plan(self, experiment: str) -> list[RunSpec]:
        """Return the runs that were asked for, also those that have not begun."""
        try:
            ids = json.loads((self.runs / experiment / PLAN).read_text(encoding="utf-8"))["runs"]
            parts = [run.split("/") for run in ids]
            return [RunSpec(experiment, m, g, int(s.removeprefix("seed"))) for m, g, s in parts]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def add_to_plan(self, experiment: str, specs: Iterable[RunSpec]) -> None:
        """Record that runs were asked for, so that tables can say which are missing."""
        wanted = sorted({*self.plan(experiment), *specs})
        (self.runs / experiment).mkdir(parents=True, exist_ok=True)
        ids = [spec.id.partition("/")[2] for spec in wanted]
        text = json.dumps({"format": 1, "runs": ids}, indent=1) + "\n"
        files.write_text(self.runs / experiment / PLAN, text)

    def load(self, specs: Iterable[RunSpec]) -> pd.DataFrame:
        """Return one row per run: its result, its settings, and what it lacks.

        Columns: `experiment, method, game, seed, problems` (list of str), `train, test` (mean of
        the final episodes; NaN where incomplete), `settings` (dict of what must agree between
        runs that are averaged), `arms` (dict arm -> count of the last update).
        """
        return pd.DataFrame(
            [self._row(spec) for spec in specs],
            columns=[
                *("experiment", "method", "game", "seed", "problems"),
                *("train", "test", "settings", "arms"),
            ],
        )

    def _row(self, spec: RunSpec) -> dict[str, Any]:
        run_dir = self.run_dir(spec)
        row: dict[str, Any] = {
            "experiment": spec.experiment,
            "method": spec.method,
            "game": spec.game,
            "seed": spec.seed,
            "problems": validate(run_dir),
            "settings": {},
            "arms": {},
        }
        if row["problems"]:
            return row
        means = final_evaluation(run_dir).groupby("split")["return"].mean()
        row.update({split: float(means[split]) for split in SPLITS})
        row["settings"] = settings(
            TrainConfig.from_json(run_dir / "config.json"), read_meta(run_dir)
        )
        arms = read_csv(run_dir / "arms.csv")
        last = arms[arms["update"] == arms["update"].max()]
        row["arms"] = dict(zip(last["arm"], last["count"].astype(int), strict=True))
        return row


def settings(config: TrainConfig, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two runs must share before their scores may be averaged or compared."""
    own = {"game", "method", "seed", "augmentation", "checkpoint_every", "eval_every", "eval_envs"}
    values = {name: value for name, value in config if name not in own}
    return {**values, "procgen_build": meta.get("procgen_build", "unknown")}
