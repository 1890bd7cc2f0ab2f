"""The command `drac evaluate`: parse, call, print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drac.commands import flags
from drac.config import TrainConfig, build
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import atomic, run_folder
from drac.runs import provenance

if TYPE_CHECKING:
    import pandas as pd

HELP = """Play episodes with the newest checkpoint of a run, or with a policy of drac export, print
their statistics and keep every episode in a CSV file. With --robustness, measure instead how much
policy, value and features change where only the background does (the paper's Table 2), on both
splits unless one is named.

examples:
  drac evaluate results/runs/default/ppo/coinrun/seed0 --split test --episodes 100
  drac evaluate results/runs/default/ppo/coinrun/seed0 --robustness
  drac evaluate policy.safetensors --split test"""

DEVICES = ("auto", "cpu", "cuda")
ROBUSTNESS = "robustness.csv"
"""Its name in a run's folder; where the numbers come from is in a .json beside it."""


@dataclass(kw_only=True)
class PlayFlags:
    """Flags of `drac evaluate` and of `drac watch`."""

    split: str = flags.option(
        "",
        "train (the run's own levels), test (the full distribution) or levels A-B; default: test",
        "SPLIT",
    )
    seed: str = flags.option("0", "decides levels and actions", "N")
    device: str = flags.option(
        "auto", "where the network runs; auto: CUDA if there is one", "{auto,cpu,cuda}"
    )


@dataclass(kw_only=True)
class EvaluateFlags(PlayFlags):
    """Flags of `drac evaluate`."""

    run: Path = flags.positional("a run's folder, or a .safetensors file of drac export")
    episodes: str = flags.option("100", "how many, shared out over the envs in advance", "N")
    num_envs: str = flags.option("64", "environments played side by side", "N")
    robustness: bool = flags.option(False, "measure what a changed background changes")
    out: Path | None = flags.option(
        None,
        "where the episodes go (default: RUN/evaluations/SPLIT-seedK-STEP.csv, RUN/robustness.csv)",
    )


def read_split(given: str, config: TrainConfig) -> Any:
    """Return the split that was named: "test" or a range of levels.

    Raises:
        ConfigError: if it is none.
    """
    if given == "train":
        return config.train_levels
    if given == "test":
        return "test"
    try:
        other = {**config.model_dump(), "levels": given}
        return build(other, recorded=True).train_levels
    except ConfigError as error:
        raise ConfigError(f"split must be train, test or levels A-B: {error}") from None


def evaluate_command(argv: Sequence[str]) -> int:
    """`drac evaluate`."""
    given: EvaluateFlags = flags.parse(EvaluateFlags, argv, "drac evaluate", HELP)
    counts = {
        name: flags.whole_number(name, getattr(given, name), at_least)
        for name, at_least in (("episodes", 1), ("num_envs", 1), ("seed", 0))
    }
    flags.require_known("device", given.device, DEVICES)
    from drac.policy.read import read_run  # torch is imported from here on

    config = read_run(given.run)
    if flags.peek(argv, "--split") == "":  # an unset variable of a script
        raise ConfigError("split is empty: give train, test or levels A-B")
    names = [given.split] if given.split else ["train", "test"] if given.robustness else ["test"]
    splits = {name: read_split(name, config) for name in names}
    if given.robustness:
        return _robustness(given, config, splits, **counts)
    return _evaluate(given, config, splits, **counts)


def require_free(out: Path, given: bool) -> None:
    """Check that a file can be written, and, if its name was given, that there is none.

    Raises:
        ConfigError: otherwise.
    """
    if given and out.exists():
        raise ConfigError(f"{out} exists; choose another --out")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder")
    run_folder.require_writable(out.parent)


def _evaluate(
    given: EvaluateFlags, config: TrainConfig, splits: dict[str, Any], **counts: int
) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from drac.evaluate import evaluate
    from drac.policy.read import kept_in, read_agent

    agent, step = read_agent(given.run, config, given.device, "drac evaluate")
    ((name, split),) = splits.items()
    default = kept_in(given.run, "evaluations") / f"{name}-seed{counts['seed']}-step{step}.csv"
    out = given.out or default
    require_free(out, given.out is not None)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{config.game}, {name} split", total=counts["episodes"])
        played = evaluate(
            agent,
            config.game,
            split,
            *(counts[name] for name in ("episodes", "num_envs", "seed")),
            mode=config.mode,
            precision=config.precision,
            on_episode=lambda: bar.advance(task),
        ).assign(split=name)
    played.insert(0, "step", step)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out, played.to_csv(index=False))
    returns, lengths = played["return"].astype(float), played["length"].astype(int)
    error = returns.std() / len(returns) ** 0.5
    print(
        f"{_title(config, step)}, {name} split\n"
        f"{number_of(len(played), 'episode')} on"
        f" {number_of(played['level_seed'].nunique(), 'level')}\n"
        f"return  mean {returns.mean():.3f} +- {error:.3f} (standard error)"
        f"  median {returns.median():.3f}  min {returns.min():g}  max {returns.max():g}\n"
        f"length  mean {lengths.mean():.1f}  min {lengths.min()}  max {lengths.max()}\n"
        f"every episode: {out}"
    )
    return 0


def _title(config: TrainConfig, step: int) -> str:
    return f"{config.method} on {config.game}, seed {config.seed}, step {step:,}"


def _robustness(
    given: EvaluateFlags, config: TrainConfig, splits: dict[str, Any], **counts: int
) -> int:
    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress

    from drac.evaluate import robustness
    from drac.policy.read import kept_in, read_agent

    agent, step = read_agent(given.run, config, given.device, "drac evaluate", exact=True)
    out = given.out or kept_in(given.run, ROBUSTNESS)
    if out.suffix != ".csv":
        raise ConfigError(f"out {str(out)!r} must end in .csv")
    for path in (out, out.with_suffix(".json")):
        require_free(path, given.out is not None)
    tables, identical = [], {}
    with Progress(console=Console(stderr=True)) as bar:
        for name, split in splits.items():
            task = bar.add_task(f"{config.game}, {name} split", total=counts["episodes"])
            measured, identical[name] = robustness.measure(
                agent,
                config.game,
                split,
                **counts,
                mode=config.mode,
                max_steps=robustness.MAX_STEPS,
                on_episode=partial(bar.advance, task),
            )
            tables.append(measured.assign(split=name))
    table = pd.concat(tables, ignore_index=True)
    record = _record(config, step, counts, identical, str(next(agent.parameters()).device))
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out, table.to_csv(index=False, na_rep="NaN"))
    atomic.write_text(out.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    print(_title(config, step))
    print(
        f"{number_of(counts['episodes'], 'episode')} a split, {robustness.MAX_STEPS} steps of each"
        f" at most"
    )
    print(_shown(table))
    for variant, reason in record["unavailable"].items():
        print(f"{variant}: not available: {reason}")
    print(f"the numbers: {out}, what they mean: {out.with_suffix('.json')}")
    return 0


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
    return str(wide[order].assign(pairs=pairs).reset_index().to_string(index=False))
