"""A try of every augmentation before the run that needs it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from augmentations import Augmentation, as_float, guards
from augmentations.errors import told
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.seeding import seed_sequence, stream_seed

_TRIAL_ENVS = 8


_TRIAL_STEPS = 64  # long enough for episodes to end, and for enemies to come into view


_TRIAL_EVERY = 8  # of their frames, one in so many is tried


def try_augmentations(made: Mapping[str, Augmentation | None], config: TrainConfig) -> None:
    """Apply each augmentation to images of every kind, so that a broken one is refused.

    Generators, images and envs are private: nothing of a run is touched. Augmentations with a
    state of their own advance it: give this function copies.

    Args:
        made: by specification.
        config: whose game's frames are among the images; with device resolved.

    Raises:
        ConfigError: see `applied`.
    """
    augmenting = {spec: augmentation for spec, augmentation in made.items() if augmentation}
    if not augmenting:
        return
    generator = torch.Generator(config.device).manual_seed(0)
    for what, pixels in _trial_images(config).items():
        obs = as_float(pixels.to(config.device).permute(0, 3, 1, 2))
        for spec, augmentation in augmenting.items():
            applied(spec, augmentation, obs, generator, what)


def _trial_images(config: TrainConfig) -> dict[str, Tensor]:
    """Return images as a rollout holds them, (B, 64, 64, 3) uint8, by what they are called."""
    from drac.envs.random_play import random_play  # here: a list of augmentations needs no Procgen

    played = random_play(
        config.game,
        _TRIAL_ENVS,
        config.train_levels,
        _TRIAL_STEPS,
        env_seed=stream_seed(config.seed, "trial", "env"),
        random=np.random.default_rng(seed_sequence(config.seed, "trial", "actions")),
        mode=config.mode,
    )
    frames = np.concatenate([obs for obs, _ in played][::_TRIAL_EVERY])
    shape = (_TRIAL_ENVS, *frames.shape[1:])
    generator = torch.Generator().manual_seed(0)
    return {
        "random images": torch.randint(256, shape, generator=generator, dtype=torch.uint8),
        "black images": torch.zeros(shape, dtype=torch.uint8),
        "white images": torch.full(shape, 255, dtype=torch.uint8),
        f"frames of {config.game}": torch.from_numpy(frames),
    }


def applied(
    spec: str, augmentation: Augmentation, obs: Tensor, generator: torch.Generator, what: str
) -> Tensor:
    """Draw, apply, and hold both to the contract.

    Args:
        spec: the augmentation, for messages.
        augmentation: is given the images.
        obs: (B, 3, H, W), floating point in [0, 1].
        generator: on the device of `obs`.
        what: the images are called in messages.

    Returns:
        The augmented images, (B, 3, H, W).

    Raises:
        ConfigError: naming the augmentation, if it fails, its parameters have not one row for each
            image, or its output has another shape, is not floating point, or is not finite.
    """
    try:
        params = augmentation.sample(obs.shape, generator)
        guards.check_params(params, len(obs), spec)
        output = augmentation.apply(obs, params)
        guards.check_output(obs, output, spec)
    except guards.Broken as error:
        raise ConfigError(f"{error} (tried on {what})") from None
    except Exception as error:  # a user's class may raise anything; the cause is kept
        raise ConfigError(
            f"the augmentation {spec!r} fails on {what} of the shape {tuple(obs.shape)}:"
            f" {told(error)}"
        ) from error
    return output
