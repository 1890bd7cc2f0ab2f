"""The network of a run's checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from drac import hardware, methods
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.games import NUM_ACTIONS, OBS_SHAPE
from drac.networks import ActorCritic
from drac.runs import checkpoint


def of_method(config: TrainConfig) -> ActorCritic:
    """Return the network of a run's method for Procgen, on the CPU, with weights of no meaning."""
    make: Callable[..., ActorCritic] = methods.get(config.method).part("network")
    return make(config, NUM_ACTIONS, OBS_SHAPE, torch.Generator().manual_seed(0))


def load_agent(
    run_dir: Path | str, config: TrainConfig, device: str = "auto"
) -> tuple[ActorCritic, int]:
    """Return the network of a run's newest checkpoint, and how many steps it has learned from.

    It is the network of the run's method, in evaluation mode. If it was saved within an update, in
    an auxiliary phase, the update's steps count.

    Args:
        run_dir: the run's folder.
        config: of the run.
        device: where it is to play: "cpu", "cuda", or "auto", CUDA if there is one. The run's own
            device does not matter.

    Raises:
        ConfigError: if there is no checkpoint, it does not fit the config, or CUDA is absent.
    """
    device = hardware.resolve(config.model_copy(update={"device": device})).device
    path = checkpoint.newest(Path(run_dir))
    if path is None:
        raise ConfigError(f"{run_dir} has no checkpoint yet")
    network = of_method(config).to(device).eval()
    state = checkpoint.load(path, checkpoint.most_bytes(network.state_dict(), config))
    try:
        checkpoint.require_same_run(state, config)
        weights = state["training"]["network"]
        if not all(isinstance(tensor, torch.Tensor) for tensor in weights.values()):
            raise TypeError("its network has weights that are no tensors")
        network.load_state_dict(weights)
        updates = int(state["training"]["update"]) + (state["training"].get("begun") is not None)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ConfigError(f"{path} does not fit {run_dir}/config.json: {error}") from None
    return network, updates * config.rollout_size
