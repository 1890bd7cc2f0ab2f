"""The command `drac evaluate`: parse, call, print."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drac.commands import flags
from drac.commands.evaluation_plan import (
    EvaluateFlags,
    Plan,
    counts_of,
    find_runs,
    plans_of,
)
from drac.commands.output import columns, fitted, only_json, print_json, progress, tell
from drac.commands.playing import importing_torch, require_free, title
from drac.commands.robustness import robustness_of
from drac.config import TrainConfig
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import atomic
from drac.methods import spellings

if TYPE_CHECKING:
    import pandas as pd

HELP = """Play episodes with the newest checkpoint of a run, or with a policy of drac export, print
their statistics and keep every episode in a CSV file. With --levels, every level that is listed is
played equally often. Several runs end in a table with a row for each; where one fails the others
are still evaluated, and the exit status is not 0. With --robustness, measure instead how much
policy, value and features change where only the background does (the paper's Table 2), on both
splits unless one is named.

examples:
  drac evaluate results/runs/default/ppo/maze/seed0 --split test --episodes 100
  drac evaluate results/runs/default/ppo/maze/seed0 --levels 5,9,30-40 --each 4
  drac evaluate results/runs/default/*/*/seed* --split train --out table.csv
  drac evaluate results/runs/default/ppo/maze/seed0 --robustness
  drac evaluate policy.safetensors --split test"""

FORMAT = 1
"""Of the JSON: see `drac.commands.output.print_json`."""

LISTED = 40
"""So many levels are printed one by one; the file has all."""


def evaluate_command(argv: Sequence[str]) -> int:
    """`drac evaluate`."""
    given: EvaluateFlags = flags.parse(EvaluateFlags, argv, "drac evaluate", HELP)
    counts = counts_of(given, argv)
    runs = find_runs(given.run)
    importing_torch("drac evaluate")
    from drac.policy.read import read_run

    configs = {run: read_run(run) for run in runs}
    plans = {run: _plans(given, run, config) for run, config in configs.items()}
    status = 0
    with only_json(given.json):
        if len(runs) > 1:
            status, rows = _several(given, argv, configs, plans, counts)
        else:
            rows = _one(given, runs[0], configs[runs[0]], plans[runs[0]], counts, given.out)
    if given.json:
        print_json(FORMAT, rows=rows)
    return status


def _plans(given: EvaluateFlags, run: Path, config: TrainConfig) -> list[Plan]:
    try:
        return plans_of(given, config)
    except ConfigError as error:
        raise ConfigError(_of(run, error)) from None


def _one(
    given: EvaluateFlags,
    run: Path,
    config: TrainConfig,
    plans: Sequence[Plan],
    counts: dict[str, int],
    out: Path | None,
) -> list[dict[str, Any]]:
    """Evaluate a run, print what came of it and return it as rows of the table of runs."""
    if given.robustness:
        splits = {plan.name: plan.split for plan in plans}
        table = robustness_of(run, config, splits, counts, given.device, out)
        rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
        return [{**_about(run, config), **row} for row in rows]
    (plan,) = plans
    return [_play(given, run, config, plan, counts, out)]


def _play(
    given: EvaluateFlags,
    run: Path,
    config: TrainConfig,
    plan: Plan,
    counts: dict[str, int],
    out: Path | None,
) -> dict[str, Any]:
    from drac.evaluate import evaluate, evaluate_each
    from drac.policy.read import kept_in, read_agent

    agent, step = read_agent(run, config, given.device, "drac evaluate")
    file = kept_in(run, "evaluations") / plan.csv_name(counts["seed"], step)
    given_out, out = out is not None, out or file
    require_free(out, given_out)
    seed, num_envs = counts["seed"], counts["num_envs"]
    total = len(plan.levels) * plan.each * config.trial or counts["episodes"]
    with progress(f"{config.game}, {plan.where}, episodes", total) as on_episode:
        how: Any = {"mode": config.mode, "precision": config.precision}
        how |= {"on_episode": on_episode, "episodes_per_trial": config.trial}
        if plan.levels:
            played = evaluate_each(
                agent, config.game, plan.levels, plan.each, num_envs, seed, **how
            )
            played.insert(0, "split", plan.name)
        else:
            many = counts["episodes"]
            played = evaluate(agent, config.game, plan.split, many, num_envs, seed, **how)
            played = played.assign(split=plan.name)
    played.insert(0, "step", step)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out, played.to_csv(index=False))
    print("\n".join([fitted(f"{title(config, step)}, {plan.where}"), *_statistics(played)]))
    if plan.levels:
        print("\n".join(_by_level(played)))
    print(f"every episode: {out}")
    return _row(run, config, step, plan, played)


def _statistics(played: pd.DataFrame) -> list[str]:
    returns, lengths = played["return"].astype(float), played["length"].astype(int)
    error = returns.std() / len(returns) ** 0.5
    return [
        (
            f"{number_of(len(played), 'episode')} on"
            f" {number_of(played['level_seed'].nunique(), 'level')}"
        ),
        (
            f"return  mean {returns.mean():.3f} +- {error:.3f} (standard error)"
            f"  median {returns.median():.3f}  min {returns.min():g}  max {returns.max():g}"
        ),
        f"length  mean {lengths.mean():.1f}  min {lengths.min()}  max {lengths.max()}",
    ]


def _by_level(played: pd.DataFrame) -> list[str]:
    """Return a line a level, of many only those that cannot be solved; and the mean of the rest."""
    cannot = played["note"] != ""
    said = []
    if played["level_seed"].nunique() <= LISTED:
        by_level = played.groupby("level_seed", sort=False)
        table = by_level.agg({"return": "mean", "length": "mean", "note": "first"}).reset_index()
        table = table.rename(columns={"level_seed": "level", "return": "mean return"})
        table["length"] = table["length"].round(1)
        said = table.rename(columns={"length": "mean length"}).to_string(index=False).split("\n")
        said = [line.rstrip() for line in said]
    if cannot.any():
        named = ", ".join(map(str, played.loc[cannot, "level_seed"].unique()))
        rest = played.loc[~cannot, "return"]
        without = f"; mean return without them {rest.mean():.3f}" if len(rest) else ""
        said.append(fitted(f"cannot be solved, whatever is done: levels {named}{without}"))
    return said


def _of(run: Path, error: BaseException) -> str:
    """Return an error's sentence, which names the run."""
    sentence = str(error).replace("\n", " ")
    return sentence if sentence.startswith(str(run)) else f"{run}: {sentence}"


def _about(run: Path, config: TrainConfig) -> dict[str, Any]:
    names = ("method", "game", "mode", "seed")
    return {"run": str(run), **{name: getattr(config, name) for name in names}}


def _row(
    run: Path, config: TrainConfig, step: int, plan: Plan, played: pd.DataFrame
) -> dict[str, Any]:
    returns = played["return"].astype(float)
    return {
        **_about(run, config),
        "step": step,
        "split": plan.name,
        "levels": played["level_seed"].nunique(),
        "episodes": len(played),
        "mean": returns.mean(),
        "standard_error": returns.std() / len(returns) ** 0.5,
        "median": returns.median(),
    }


def _shown(table: pd.DataFrame) -> str:
    """Return the table of runs without what is rarely looked for: the file has all of it."""
    by = ["method", "game", "seed"]
    table = table.assign(method=table["method"].map(spellings.shown(table["method"])))
    names = by if not table.duplicated(by).any() else ["run"]
    shown = table[[*names, "step", "split", "episodes", "mean", "standard_error", "median"]]
    return columns(shown.rename(columns={"standard_error": "+-"}), len(names))


def _several(
    given: EvaluateFlags,
    argv: Sequence[str],
    configs: dict[Path, TrainConfig],
    plans: dict[Path, list[Plan]],
    counts: dict[str, int],
) -> tuple[int, list[dict[str, Any]]]:
    """Evaluate runs one after the other, whichever of them fail, and print a table of the others.

    Returns:
        The exit status and the rows of that table. The status is 0; 2 if something that was given,
        or a run, is at fault, and 1 if the machine is.
    """
    import pandas as pd

    if given.out is not None:
        if given.robustness:
            raise ConfigError("out is of one run: leave --out out, or give one run")
        require_free(given.out, True)
    rows: list[dict[str, Any]] = []
    failed, status = [], 0
    for run, config in configs.items():
        try:
            rows += _one(given, run, config, plans[run], counts, None)
        except (ConfigError, OSError, MemoryError) as error:
            tell(f"drac evaluate: error: {_of(run, error)}")
            failed.append(run)
            status = max(status, 2 if isinstance(error, ConfigError) else 1)
        print()
    if rows and not given.robustness:
        table = pd.DataFrame(rows)
        print(_shown(table))
        if given.out is not None:
            given.out.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(given.out, table.to_csv(index=False))
            print(f"the table: {given.out}")
    if failed:
        print(f"{len(configs) - len(failed)} of {len(configs)} runs were evaluated")
        same = [word for word in argv if Path(word) not in given.run]
        again = shlex.join(["drac", "evaluate", *map(str, failed), *same])
        print(f"next, once that is mended: {again}")
    return status, rows
