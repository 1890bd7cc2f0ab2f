"""The pieces of work that `benchmark.speed.augmentations` measures: what the trainer would do.

A minibatch of real frames, its parameters drawn once, then applied to the micro-batches that the
network is given; kornia's own class, where one does the same, is called on the same micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augmentations import registry
from drac.config import TrainConfig

if TYPE_CHECKING:
    import torch

    from augmentations import Augmentation

Work = Callable[[], None]
"""One piece, done once."""

KORNIA: dict[str, tuple[str, dict[str, Any]]] = {
    "crop": ("RandomCrop", {"size": (64, 64), "padding": 12, "padding_mode": "replicate"}),
    "flip": ("RandomHorizontalFlip", {"p": 0.5}),
    "rotate": ("RandomRotation90", {"times": (0, 3), "p": 1.0}),
    "cutout": ("RandomErasing", {"p": 1.0}),
    "grayscale": ("RandomGrayscale", {"p": 1.0}),
    "color-jitter": (
        "ColorJitter",
        {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.5, "p": 1.0},
    ),
    "translate": ("RandomCrop", {"size": (64, 64), "padding": 4, "padding_mode": "replicate"}),
    "blur": ("RandomGaussianBlur", {"kernel_size": (7, 7), "sigma": (0.1, 2.0), "p": 1.0}),
    "noise": ("RandomGaussianNoise", {"std": 0.1, "p": 1.0}),
    "posterize": ("RandomPosterize", {"bits": (2, 4), "p": 1.0}),
    "solarize": ("RandomSolarize", {"thresholds": (0.0, 1.0), "additions": (0.0, 0.0), "p": 1.0}),
    "patch-shuffle": ("RandomJigsaw", {"grid": (4, 4), "p": 1.0}),
}
"""Our name -> the class of kornia.augmentation that does the same or nearly so, and its options."""


def kornia_beside(spec: str) -> tuple[str, dict[str, Any]] | None:
    """Return the kornia class that does what an augmentation does, and its options."""
    name, arguments = registry.parse(spec)
    if name.startswith("kornia:"):
        return name.removeprefix("kornia:"), arguments
    return None if arguments else KORNIA.get(name)


def micro_batch(config: TrainConfig, batch: int) -> int:
    """Return how many images are augmented at a time, as `drac.learner.Learner` has it."""
    return min(config.micro_batch, batch) if config.device == "cpu" else batch


def _pieces(obs: torch.Tensor, config: TrainConfig) -> list[slice]:
    step = micro_batch(config, len(obs))
    return [slice(start, start + step) for start in range(0, len(obs), step)]


def real_frames(config: TrainConfig, number: int) -> torch.Tensor:
    """Return frames of random play: (number, 3, 64, 64) float32 in [0, 1], channels_last."""
    import numpy as np
    import torch

    from augmentations import as_float
    from drac.envs.random_play import random_play

    num_envs = min(config.num_envs, number)
    played = random_play(
        config.game,
        num_envs,
        config.train_levels,
        steps=-(-number // num_envs) - 1,
        env_seed=0,
        random=np.random.default_rng(0),
    )
    obs = np.concatenate([frames for frames, _ in played])[:number]
    return as_float(torch.from_numpy(obs).to(config.device).permute(0, 3, 1, 2))


def ours(spec: str, augmentation: Augmentation, obs: torch.Tensor, config: TrainConfig) -> Work:
    """Return an augmentation's work on a minibatch.

    Raises:
        ConfigError: if it fails, changes the shape of the images or returns NaN.
    """
    import torch

    from drac.arms.trial import applied

    generator = torch.Generator(obs.device).manual_seed(0)
    pieces = _pieces(obs, config)
    applied(spec, augmentation, obs[:2], generator, "frames")

    def run() -> None:
        params = augmentation.sample(obs.shape, generator)
        for rows in pieces:
            augmentation.apply(obs[rows], {key: value[rows] for key, value in params.items()})

    return run


def theirs(
    kornia_class: tuple[str, dict[str, Any]], obs: torch.Tensor, config: TrainConfig
) -> Work:
    """Return the work on the same minibatch of a class of kornia with its options."""
    import kornia.augmentation

    name, options = kornia_class
    module = getattr(kornia.augmentation, name)(**options)
    pieces = _pieces(obs, config)
    try:
        module(obs[pieces[0]])
    except RuntimeError:  # filters of kornia 0.8 cannot view channels_last images
        obs = obs.contiguous()

    def run() -> None:
        for rows in pieces:
            module(obs[rows])

    return run


def update(config: TrainConfig, obs: torch.Tensor) -> Work:
    """Return one gradient step of DrAC whose augmentation does nothing."""
    import torch

    from drac.games import NUM_ACTIONS
    from drac.learner import Learner
    from drac.networks import ActorCritic
    from drac.rollout import Minibatch

    network = ActorCritic(NUM_ACTIONS, hidden_size=config.hidden_size).to(obs.device)
    learner = Learner(network, config)
    number = torch.zeros(len(obs), device=obs.device)
    minibatch = Minibatch(obs, number.long(), number - 2.7, number, number + 1, number + 1)

    def run() -> None:
        learner.step(minibatch, lambda images, rows: images)

    return run
