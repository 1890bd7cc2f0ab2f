"""A try of every augmentation before the run that needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from augmentations import Augmentation, Identity, Stateless, as_float, guards
from augmentations.errors import told
from augmentations.testing import AugmentationError, check_augmentation
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.seeding import seed_sequence, stream_seed

_TRIAL_ENVS = 8
_TRIAL_STEPS = 64  # long enough for episodes to end, and for enemies to come into view
_TRIAL_EVERY = 8  # of their frames, one in so many is tried
_DRAWS = 8
_UNSEEN = 1 / 512
"""Half a step between two of a pixel's 256 values: rounding, by way of HSV and back."""

_FAR = 10.0
"""Pixels beyond this size were meant for other images than those in [0, 1]."""


def try_augmentations(made: Mapping[str, Augmentation | None], config: TrainConfig) -> list[str]:
    """Apply each augmentation to images of every kind, so that a broken one is refused.

    What would train, but not as its name says, is told in a sentence: see `doubts`.

    Generators, images and envs are private: nothing of a run is touched. Augmentations with a
    state of their own advance it: give this function copies.

    Args:
        made: by specification.
        config: whose game's frames are among the images; with device resolved.

    Returns:
        Warnings, none if there is nothing to say.

    Raises:
        ConfigError: see `applied`.
    """
    augmenting = {spec: augmentation for spec, augmentation in made.items() if augmentation}
    if not augmenting:
        return []
    generator = torch.Generator(config.device).manual_seed(0)
    images = {
        what: as_float(pixels.to(config.device).permute(0, 3, 1, 2))
        for what, pixels in _trial_images(config).items()
    }
    for what, obs in images.items():
        for spec, augmentation in augmenting.items():
            applied(spec, augmentation, obs, generator, what)
    some = torch.cat([obs[:: len(obs) // _TRIAL_ENVS] for obs in images.values()])
    return [text for spec, aug in augmenting.items() for text in _doubts(spec, aug, some)]


def try_without_playing(made: Mapping[str, Augmentation | None]) -> None:
    """Do the same on images that need no game, on the CPU, in a moment.

    Raises:
        ConfigError: see `applied`.
    """
    generator = torch.Generator().manual_seed(0)
    for what, pixels in _plain_images().items():
        for spec, augmentation in made.items():
            if augmentation:
                applied(spec, augmentation, as_float(pixels.permute(0, 3, 1, 2)), generator, what)


def verdicts(made: Mapping[str, Augmentation | None]) -> list[str]:
    """Hold the functions of others to the contract that nobody wrote them for; say what came out.

    Args:
        made: by specification; only what has a `Stateless` in it is checked.
    """
    said = []
    for spec, augmentation in made.items():
        if augmentation and any(isinstance(part, Stateless) for part in augmentation.modules()):
            try:
                kept = check_augmentation(augmentation, sizes=(64,))
                said.append(f"the augmentation {spec!r} keeps the contract ({len(kept)} clauses)")
            except AugmentationError as error:
                said.append(f"warning: the augmentation {spec!r} breaks the contract: {error}")
    return said


def _doubts(spec: str, augmentation: Augmentation, obs: Tensor) -> list[str]:
    try:
        return list(doubts(spec, augmentation, obs))
    except Exception as error:  # a user's class may fail at a later call only
        raise ConfigError(f"the augmentation {spec!r} fails: {told(error)}") from error


def doubts(spec: str, augmentation: Augmentation, obs: Tensor) -> Iterator[str]:
    """Say, in a sentence each, why a run with this augmentation may not be what it is called.

    It changes no image (`identity` is meant to), returns pixels far from [0, 1], or draws without
    the generator that it is given, so that the run cannot be repeated.

    Args:
        spec: the augmentation, for messages.
        augmentation: draws and is applied some times.
        obs: (B, 3, H, W), floating point in [0, 1], of several kinds.
    """
    start = f"the augmentation {spec!r}"

    def drawn(seed: int, number: int) -> list[dict[str, Tensor]]:
        generator = torch.Generator(obs.device).manual_seed(seed)
        return [augmentation.sample(obs.shape, generator) for _ in range(number)]

    draws = drawn(0, _DRAWS)
    outputs = [augmentation.apply(obs, params) for params in draws]
    changes = max(float((output - obs).abs().max()) for output in outputs)
    if changes < _UNSEEN and not isinstance(augmentation, Identity):
        yield f"{start} changes no image in {_DRAWS} draws: it trains as if there were none"
    low, high = (
        float(end(torch.stack([end(o) for o in outputs]))) for end in (torch.min, torch.max)
    )
    if max(-low, high) > _FAR:
        yield f"{start} returns pixels from {low:g} to {high:g}, where images have 0 to 1"
    again, elsewhere = drawn(0, _DRAWS), drawn(1, _DRAWS)
    if not all(map(_same, draws, again)):
        yield f"{start} draws otherwise from the same seed: a run with it cannot be repeated"
    elif _rows_differ(draws[0]) and all(_same(draws[0], other) for other in draws + elsewhere):
        yield f"{start} draws the same every time: it ignores the generator that it is given"


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _rows_differ(params: Mapping[str, Tensor]) -> bool:
    """Whether parameters look drawn: constants, and the numbers of the images, do not."""
    for value in params.values():
        number = torch.arange(len(value), device=value.device).view(-1, *[1] * (value.dim() - 1))
        constant = torch.equal(value, value[:1].expand_as(value)) or bool((value == number).all())
        if not constant:
            return True
    return False


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
    return {**_plain_images(), f"frames of {config.game}": torch.from_numpy(frames)}


def _plain_images() -> dict[str, Tensor]:
    shape = (_TRIAL_ENVS, 64, 64, 3)
    generator = torch.Generator().manual_seed(0)
    return {
        "random images": torch.randint(256, shape, generator=generator, dtype=torch.uint8),
        "black images": torch.zeros(shape, dtype=torch.uint8),
        "white images": torch.full(shape, 255, dtype=torch.uint8),
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
