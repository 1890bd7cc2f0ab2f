"""The augmentations that a run selects from: made from their specifications, and tried before it.

The classes may be a user's and raise anything; whatever it is becomes a ConfigError of one
sentence, which names the augmentation as the user wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

import augmentations
from augmentations import Augmentation, guards
from augmentations.errors import told
from drac import methods
from drac.config import TrainConfig
from drac.errors import ConfigError

Augment = Callable[[Tensor, slice], Tensor]
"""Maps clean images (b, 3, H, W) and their rows in the minibatch to augmented images."""

NO_AUGMENTATION = "none"
"""PPO's only arm."""


def make(spec: str, **preset: Any) -> Augmentation:
    """Make one augmentation; `preset` has arguments for which the specification may give others.

    Raises:
        ConfigError: for whatever `augmentations.make` or the constructor raises.
    """
    try:
        if preset:
            given = augmentations.registry.arguments_of(spec)
            preset = {key: value for key, value in preset.items() if key not in given}
        return augmentations.make(spec, **preset)
    except (Exception, SystemExit) as error:  # a user's class may raise anything; the cause is kept
        if isinstance(error, ValueError) and str(error):  # a sentence already
            raise ConfigError(str(error)) from error.__cause__
        raise ConfigError(f"the augmentation {spec!r} cannot be made: {told(error)}") from error


def build_augmentations(config: TrainConfig) -> dict[str, Augmentation | None]:
    """Make the augmentations a run selects from, by the name of their arm.

    Raises:
        ConfigError: for arguments that an augmentation does not have, or impossible ones.
    """
    method = methods.get(config.method)
    if method.learned:
        augmentation: Augmentation = method.part("learned")(config)
        return {augmentation.name: augmentation}
    preset: dict[str, dict[str, Any]] = {
        "flip": {"axis": config.flip_axis},
        "cutout-color": {"color_scale": config.cutout_color_scale},
    }
    made: dict[str, Augmentation | None] = {}
    for spec in config.augmentation_specs:
        made[spec] = make(spec, **preset.get(augmentations.registry.parse(spec).name, {}))
    return made or {NO_AUGMENTATION: None}


def guarded(augment: Augment, name: str, params: Mapping[str, Tensor], size: int) -> Augment:
    """Return `augment` with its contract checked: for the first minibatch of each augmentation.

    Later ones are not checked, as that would wait for the device. The function returned raises
    a ConfigError that names the augmentation.
    """

    def checked(obs: Tensor, rows: slice) -> Tensor:
        try:
            guards.check_params(params, size, name)
            guards.check_input(obs, name)
            output = augment(obs, rows)
            guards.check_output(obs, output, name)
        except guards.Broken as error:
            raise ConfigError(str(error)) from None
        return output

    return checked
