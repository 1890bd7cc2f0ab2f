"""The command `drac`: parse, call, print."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from drac import files, flags, provenance
from drac.augmentations_cli import augmentations_command
from drac.config import ConfigError, TrainConfig, build, preset_defaults
from drac.method_list import listing

USAGE = """
usage: drac COMMAND [OPTIONS]

Train and evaluate agents on Procgen games.

commands:
  train           train one agent, or continue where it stopped
  evaluate        play episodes with a trained agent
  augmentations   list the augmentations, or draw them on frames of a game

examples:
  drac train --game bigfish --method ucb-drac --seed 0 --steps 25M
  drac train --method help
  drac evaluate results/runs/default/ucb-drac/bigfish/seed0 --split test --episodes 100
  drac augmentations show --game coinrun --out gallery.png

`drac COMMAND --help` lists the options. Many runs at once: `drac-bench --help`.
"""

TRAIN_HELP = """Train one agent on the training levels of a game, then evaluate it on them and on
unseen ones. The same command continues a run that was stopped; a larger --steps prolongs it.

example: drac train --game bigfish --method ucb-drac --seed 0 --steps 1M
all methods: drac train --method help"""

EVALUATE_HELP = """Play episodes with the newest checkpoint of a run, print their statistics and
keep every episode in a CSV file.

example: drac evaluate results/runs/default/ppo/coinrun/seed0 --split test --episodes 100"""


def run_id(config: TrainConfig, experiment: str) -> str:
    """Return a run's identifier, its path below results/runs: experiment/method/game/seed."""
    return f"{experiment}/{config.method}/{config.game}/seed{config.seed}"


def train_command(argv: Sequence[str]) -> int:
    """`drac train`."""
    if flags.peek(argv, "--method") == "help":
        print(listing())
        return 0
    flags_type = make_dataclass(
        "TrainFlags",
        [
            *flags.config_fields(preset_defaults(flags.peek(argv, "--fidelity") or "paper")),
            ("run_dir", Annotated[Path | None, tyro.conf.arg(help=_RUN_DIR_HELP)], None),
            ("experiment", Annotated[str, tyro.conf.arg(help=_EXPERIMENT_HELP)], "default"),
            ("results", Annotated[Path, tyro.conf.arg(help=_RESULTS_HELP)], Path("results")),
        ],
    )
    values = vars(flags.parse(flags_type, argv, "drac train", TRAIN_HELP))
    run_dir, experiment, results = (values.pop(k) for k in ("run_dir", "experiment", "results"))

    def folder(config: TrainConfig) -> Path:
        if run_dir is not None:
            return Path(run_dir)
        files.check_name("experiment", experiment)
        return Path(results) / "runs" / run_id(config, experiment)

    try:
        config = build(values)
    except ConfigError as error:
        raise ConfigError(_without_plugin(values, folder) or str(error)) from None
    if flags.peek(argv, "--run-dir") == "":  # an unset variable of a script: not this folder
        raise ConfigError("run_dir is empty; give a folder, or leave --run-dir out")
    return _train(config, folder(config))


def _without_plugin(values: dict[str, Any], folder: Callable[[TrainConfig], Path]) -> str:
    """Say which plug-in is missing, if that is why a run that was begun has no valid values."""
    with contextlib.suppress(ConfigError):  # there is no such run, or other values are bad too
        run_dir = folder(build(values, recorded=True))
        return provenance.missing(TrainConfig.from_json(run_dir / "config.json"), run_dir)
    return ""


_RUN_DIR_HELP = "the run's folder, else RESULTS/runs/EXPERIMENT/METHOD/GAME/seedK"
_EXPERIMENT_HELP = "groups runs that belong together"
_RESULTS_HELP = "root of all results"


def _train(config: TrainConfig, run_dir: Path) -> int:
    from drac.display import watching  # torch is imported from here on
    from drac.signals import EXIT_CODE, Interrupted
    from drac.train import prepare, train

    prepare(config, run_dir)
    with watching() as watcher:
        try:
            result = train(config, run_dir, watcher)
        except Interrupted as stop:
            watcher.message(str(stop))
            return EXIT_CODE
        watcher.message(
            f"done: {result.steps:,} steps, train {result.train_return:.2f},"
            f" test {result.test_return:.2f}; files in {run_dir}"
        )
    return 0


@dataclass
class EvaluateFlags:
    """Flags of `drac evaluate`."""

    run: tyro.conf.Positional[Path]
    """a run's folder"""
    split: str = "test"
    """train (the run's own levels), test (the full distribution) or levels A-B"""
    episodes: Annotated[str, tyro.conf.arg(metavar="N")] = "100"
    """how many, shared out over the envs in advance"""
    num_envs: Annotated[str, tyro.conf.arg(metavar="N")] = "64"
    """environments played side by side"""
    seed: Annotated[str, tyro.conf.arg(metavar="N")] = "0"
    """decides levels and actions"""
    out: Path | None = None
    """where the episodes go (default: RUN/evaluations/SPLIT-seedK-STEP.csv)"""


def evaluate_command(argv: Sequence[str]) -> int:
    """`drac evaluate`."""
    given: EvaluateFlags = flags.parse(EvaluateFlags, argv, "drac evaluate", EVALUATE_HELP)
    if not (given.run / "config.json").is_file():
        raise ConfigError(f"{given.run} is no run: it holds no config.json")
    counts = {
        name: flags.whole_number(name, getattr(given, name), at_least)
        for name, at_least in (("episodes", 1), ("num_envs", 1), ("seed", 0))
    }
    config = TrainConfig.from_json(given.run / "config.json")
    if given.split == "train":
        split: Any = config.train_levels
    elif given.split == "test":
        split = "test"
    else:
        try:
            other = {**config.model_dump(), "levels": given.split}
            split = build(other, recorded=True).train_levels
        except ConfigError as error:
            raise ConfigError(f"split must be train, test or levels A-B: {error}") from None
    return _evaluate(given, config, split, **counts)


def _evaluate(
    given: EvaluateFlags, config: TrainConfig, split: Any, episodes: int, num_envs: int, seed: int
) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from drac.evaluate import evaluate
    from drac.session import load_agent

    agent, step = load_agent(given.run, config)
    name = f"{given.split}-seed{seed}-step{step}.csv"
    out = given.out or given.run / "evaluations" / name
    if given.out and out.exists():
        raise ConfigError(f"{out} exists; choose another --out")
    files.require_writable(out.parent)
    if sentence := provenance.missing(config, given.run):
        print(f"drac evaluate: note: {sentence}; playing does not need it", file=sys.stderr)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{config.game}, {given.split} split", total=episodes)
        played = evaluate(
            agent,
            config.game,
            split,
            episodes,
            num_envs,
            seed,
            mode=config.mode,
            precision=config.precision,
            on_episode=lambda: bar.advance(task),
        ).assign(split=given.split)
    played.insert(0, "step", step)
    out.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(out, played.to_csv(index=False))
    returns, lengths = played["return"].astype(float), played["length"].astype(int)
    error = returns.std() / len(returns) ** 0.5
    print(
        f"{config.method} on {config.game}, seed {config.seed}, step {step:,},"
        f" {given.split} split\n"
        f"{len(played)} episodes on {played['level_seed'].nunique()} levels\n"
        f"return  mean {returns.mean():.3f} +- {error:.3f} (standard error)"
        f"  median {returns.median():.3f}  min {returns.min():g}  max {returns.max():g}\n"
        f"length  mean {lengths.mean():.1f}  min {lengths.min()}  max {lengths.max()}\n"
        f"every episode: {out}"
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `drac`; returns the exit status."""
    commands = {
        "train": train_command,
        "evaluate": evaluate_command,
        "augmentations": augmentations_command,
    }
    return flags.run_command("drac", USAGE, commands, argv)


if __name__ == "__main__":
    sys.exit(main())
