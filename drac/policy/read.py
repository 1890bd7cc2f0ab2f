"""An agent from what the command line names: a run folder or an exported file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from drac.config import TrainConfig
from drac.files import run_folder
from drac.runs import provenance


def is_policy(run: Path) -> bool:
    """Whether what was named as a run is a file of `drac export`."""
    return run.suffix == ".safetensors" and not run.is_dir()


def kept_in(run: Path, name: str) -> Path:
    """Return what is kept of an agent unless the user names a file: RUN/name, POLICY-name."""
    return run.with_name(f"{run.stem}-{name}") if is_policy(run) else run / name


def read_run(run: Path) -> TrainConfig:
    """Return the config of a run, or of the run that an exported policy is of.

    Raises:
        ConfigError: if it is neither.
    """
    if is_policy(run):
        from drac import policy

        return policy.load(run, "cpu").config
    run_folder.require_plain(run)
    run_folder.require_run(run)
    return TrainConfig.from_json(run / "config.json")


def read_agent(
    run: Path, config: TrainConfig, device: str, prog: str, *, exact: bool = False
) -> tuple[Any, int]:
    """Set the process up, and return an agent's network and step: a run's newest.

    What it computes with is what the run is trained with, on this machine's threads. It is told if
    a plug-in of the run is missing.

    Args:
        run: a run's folder, or an exported file.
        config: of the run.
        device: "cpu", "cuda" or "auto".
        prog: the command, for the message.
        exact: multiply in float32 without TF32, whatever the run does.
    """
    from drac import hardware, policy  # torch is imported from here on

    here: dict[str, Any] = {"device": device, "threads": "auto"}
    if exact:
        here["tf32"] = False
    ours = hardware.resolve(config.model_copy(update=here))
    hardware.use(ours)
    if is_policy(run):
        found = policy.load(run, ours.device)
        return found.network, found.step
    from drac.policy.agent import load_agent

    agent, step = load_agent(run, config, device)
    if sentence := provenance.missing(config, run):
        print(f"{prog}: note: {sentence}; playing does not need it", file=sys.stderr)
    return agent, step
