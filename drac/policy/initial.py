"""Trained weights to begin with (`init_from`): fine-tuning on other levels, or another game."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from drac import methods
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.networks import ActorCritic
from drac.policy import exported
from drac.policy.agent import load_agent, of_method
from drac.policy.read import is_policy, read_run

INITIAL = "init_from"
"""The key of meta.json: whose weights a run began with."""


def source_of(config: TrainConfig) -> Path | None:
    """Return the run or policy that a run begins with, {game}, {method} and {seed} filled in."""
    if config.init_from is None:
        return None
    text = config.init_from
    for name in ("game", "method", "seed"):
        text = text.replace(f"{{{name}}}", str(getattr(config, name)))
    return Path(text)


def initial_network(config: TrainConfig) -> tuple[ActorCritic, dict[str, Any]] | None:
    """Return the network that a run begins with, and what meta.json says of it; None: a new one.

    Its optimizer, reward normalization and all else begin anew.

    Raises:
        ConfigError: if there is none, or it is no network of the run's method.
    """
    if (source := source_of(config)) is None:
        return None
    try:
        of = read_run(source)
        _require_same_network(of, config)
        if is_policy(source):
            found = exported.load(source, "cpu")
            network, step = found.network, found.step
        else:
            network, step = load_agent(source, of, "cpu")
    except ConfigError as error:
        raise ConfigError(f"init_from {config.init_from!r}: {error}") from None
    facts = {name: getattr(of, name) for name in ("method", "game", "mode", "levels", "seed")}
    digest = _digest(network.state_dict())
    return network, {"source": str(source), **facts, "step": step, "weights_sha256": digest}


def _require_same_network(of: TrainConfig, config: TrainConfig) -> None:
    for name, theirs, ours in (
        ("network", methods.get(of.method).network, methods.get(config.method).network),
        *(
            (name, getattr(of, name), getattr(config, name))
            for name in ("hidden_size", "residual", "recurrent")
        ),
    ):
        if theirs != ours:
            raise ConfigError(
                f"its {name} is {theirs}, of method {of.method!r}; method {config.method!r} here"
                f" has {ours}"
            )
    theirs, ours = (
        {name: f"of shape {tuple(t.shape)}" for name, t in of_method(c).state_dict().items()}
        for c in (of, config)
    )
    for name in sorted(theirs | ours):
        if theirs.get(name) != ours.get(name):
            raise ConfigError(
                f"its weights {name} are {theirs.get(name, 'absent')}; of method"
                f" {config.method!r} with the options here they are {ours.get(name, 'absent')}"
            )


def _digest(weights: Mapping[str, Tensor]) -> str:
    """Return a hash of names and numbers, the same for a run and for what was exported of it."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode())
        total.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()
