"""`drac evaluate` and `drac export`: parse, call, print. Torch is imported when there is work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from drac import files, flags, provenance
from drac.config import ConfigError, TrainConfig, build

if TYPE_CHECKING:
    from drac.networks import ActorCritic

EVALUATE_HELP = """Play episodes with the newest checkpoint of a run, or with a policy that drac
export wrote, print their statistics and keep every episode in a CSV file.

example: drac evaluate results/runs/default/ppo/coinrun/seed0 --split test --episodes 100
a policy: drac evaluate policy.safetensors --split test"""

EXPORT_HELP = """Write the policy of a run's newest checkpoint to a file of its own, for others:
weights in safetensors, and a card of game, method, settings, scores and versions in its header, in
a .json and in a .md file beside it. Nothing in it can be executed.

example: drac export results/runs/default/ucb-drac/bigfish/seed0 --out policy.safetensors"""


@dataclass
class EvaluateFlags:
    """Flags of `drac evaluate`."""

    run: tyro.conf.Positional[Path]
    """a run's folder, or a .safetensors file of drac export"""
    split: str = "test"
    """train (the run's own levels), test (the full distribution) or levels A-B"""
    episodes: Annotated[str, tyro.conf.arg(metavar="N")] = "100"
    """how many, shared out over the envs in advance"""
    num_envs: Annotated[str, tyro.conf.arg(metavar="N")] = "64"
    """environments played side by side"""
    seed: Annotated[str, tyro.conf.arg(metavar="N")] = "0"
    """decides levels and actions"""
    out: Path | None = None
    """where the episodes go (default: SPLIT-seedK-stepN.csv in RUN/evaluations)"""


@dataclass
class _Agent:
    network: ActorCritic
    config: TrainConfig
    step: int
    evaluations: Path
    """The folder in which evaluations are kept unless the user names a file."""


def evaluate_command(argv: Sequence[str]) -> int:
    """`drac evaluate`."""
    given: EvaluateFlags = flags.parse(EvaluateFlags, argv, "drac evaluate", EVALUATE_HELP)
    is_run = given.run.is_dir()
    if not is_run and not given.run.is_file():
        raise ConfigError(f"{given.run} is no run: there is no such folder, nor a policy file")
    counts = {
        name: flags.whole_number(name, getattr(given, name), at_least)
        for name, at_least in (("episodes", 1), ("num_envs", 1), ("seed", 0))
    }
    agent = _of_run(given) if is_run else _of_policy(given)
    split = _levels(given.split, agent.config)
    name = f"{given.split}-seed{counts['seed']}-step{agent.step}.csv"
    out = given.out or agent.evaluations / name
    if given.out and out.exists():
        raise ConfigError(f"{out} exists; choose another --out")
    files.require_writable(out.parent)
    if sentence := provenance.missing(agent.config, given.run):
        print(f"drac evaluate: note: {sentence}; playing does not need it", file=sys.stderr)
    return _play(given.split, agent, split, out, **counts)


def _of_run(given: EvaluateFlags) -> _Agent:
    run_dir = given.run
    files.require_own(run_dir)
    if not (run_dir / "config.json").is_file():
        raise ConfigError(f"{run_dir} is no run: it holds no config.json")
    config = TrainConfig.from_json(run_dir / "config.json")
    _levels(given.split, config)  # before torch is imported

    from drac.session import load_agent

    network, step = load_agent(run_dir, config)
    return _Agent(network, config, step, run_dir / "evaluations")


def _of_policy(given: EvaluateFlags) -> _Agent:
    from drac import policy

    found = policy.load(given.run)
    folder = given.run.with_name(f"{given.run.stem}-evaluations")
    return _Agent(found.network, found.config, found.step, folder)


def _levels(split: str, config: TrainConfig) -> Any:
    """Return the levels that a split stands for, as `drac.evaluate.evaluate` takes them."""
    if split == "train":
        return config.train_levels
    if split == "test":
        return split
    try:
        other = {**config.model_dump(), "levels": split}
        return build(other, recorded=True).train_levels
    except ConfigError as error:
        raise ConfigError(f"split must be train, test or levels A-B: {error}") from None


def _play(
    name: str, agent: _Agent, split: Any, out: Path, episodes: int, num_envs: int, seed: int
) -> int:
    """Play, write every episode to `out`, print statistics; `name` is what the split is called."""
    from rich.console import Console
    from rich.progress import Progress

    from drac.evaluate import evaluate

    config = agent.config
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{config.game}, {name} split", total=episodes)
        played = evaluate(
            agent.network,
            config.game,
            split,
            episodes,
            num_envs,
            seed,
            mode=config.mode,
            precision=config.precision,
            on_episode=lambda: bar.advance(task),
        ).assign(split=name)
    played.insert(0, "step", agent.step)
    out.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(out, played.to_csv(index=False))
    returns, lengths = played["return"].astype(float), played["length"].astype(int)
    error = returns.std() / len(returns) ** 0.5
    print(
        f"{config.method} on {config.game}, seed {config.seed}, step {agent.step:,},"
        f" {name} split\n"
        f"{len(played)} episodes on {played['level_seed'].nunique()} levels\n"
        f"return  mean {returns.mean():.3f} +- {error:.3f} (standard error)"
        f"  median {returns.median():.3f}  min {returns.min():g}  max {returns.max():g}\n"
        f"length  mean {lengths.mean():.1f}  min {lengths.min()}  max {lengths.max()}\n"
        f"every episode: {out}"
    )
    return 0


@dataclass
class ExportFlags:
    """Flags of `drac export`."""

    run: tyro.conf.Positional[Path]
    """a run's folder"""
    out: Path | None = None
    """the file to write, ending in .safetensors (default: RUN/policy.safetensors)"""


def export_command(argv: Sequence[str]) -> int:
    """`drac export`."""
    given: ExportFlags = flags.parse(ExportFlags, argv, "drac export", EXPORT_HELP)
    from drac import policy

    out = given.out or given.run / "policy.safetensors"
    exported = policy.export(given.run, out)
    config, scores = exported.config, exported.card["scores"]
    said = ", ".join(
        f"{split} {score['mean']:.2f} ({score['episodes']} episodes)"
        for split, score in scores.items()
    )
    print(
        f"{config.method} on {config.game}, seed {config.seed}, step {exported.step:,}:"
        f" {said or 'not evaluated at this step'}\n"
        f"{out} ({out.stat().st_size:,} bytes), its card in {out.with_suffix('.json').name}"
        f" and {out.with_suffix('.md').name}\n"
        f"next: drac evaluate {out} --split test"
    )
    return 0
