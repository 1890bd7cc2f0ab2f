"""Which classes of `kornia.augmentation` can be wrapped, and making them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from kornia import augmentation as library
from torch import Tensor, nn

from augmentations.arguments import hint, unknown

DOCS = "https://kornia.readthedocs.io/en/stable/augmentation.module.html"
_BASES = (
    library.AugmentationBase2D,
    library.RigidAffineAugmentationBase2D,
    library.GeometricAugmentationBase2D,
    library.IntensityAugmentationBase2D,
)
# Needs a diffusion model, which kornia 0.8 offers to install by asking on the terminal.
_LATE = ("RandomDissolving",)


class Refused(ValueError):
    """A class or an argument that cannot be used; the message is a sentence of its own."""


def usable() -> list[str]:
    """Return the names of the classes that may be wrapped."""
    return [
        name
        for name, value in vars(library).items()
        if inspect.isclass(value)
        and issubclass(value, library.AugmentationBase2D)
        and value not in _BASES
        and name not in _LATE
    ]


def find(class_name: str) -> type[nn.Module]:
    """Return a class of kornia that transforms images one by one.

    Raises:
        ValueError: if there is none of that name, or it is of another kind.
    """
    if class_name in usable():
        found: type[nn.Module] = getattr(library, class_name)
        return found
    other = getattr(library, class_name, None) or getattr(library.auto, class_name, None)
    if class_name in _LATE:
        reason = "it draws random numbers while it is applied, so that its draws cannot be replayed"
    elif not inspect.isclass(other):
        near = hint(class_name, usable())
        raise Refused(
            f"unknown class {class_name!r} of kornia.augmentation{near}; its 2D augmentations are"
            f" listed at {DOCS}"
        )
    elif issubclass(other, library.MixAugmentationBaseV2):
        reason = "it mixes the images of a batch, and their labels with them"
    elif issubclass(other, library.AugmentationBase3D):
        reason = "it transforms volumes, not images"
    elif other in _BASES or not issubclass(other, nn.Module):
        reason = "it is no augmentation by itself"
    else:
        reason = "it is a policy or a container, whose parameters cannot be replayed in slices"
    raise Refused(f"kornia:{class_name} cannot be used: {reason}; 2D augmentations: {DOCS}")


def construct(name: str, cls: type[nn.Module], arguments: Mapping[str, Any]) -> Any:
    """Return the kornia module; any error of its constructor passes."""
    allowed = inspect.signature(cls).parameters
    variadic = any(option.kind is option.VAR_KEYWORD for option in allowed.values())
    for key in arguments:
        if key not in allowed and not variadic:
            raise Refused(unknown(f"argument of {name}", key, allowed))
    missing = [
        key
        for key, option in allowed.items()
        if option.default is option.empty
        and option.kind in (option.POSITIONAL_OR_KEYWORD, option.KEYWORD_ONLY)
        and key not in arguments
    ]
    if missing:
        raise Refused(
            f"{name} needs the argument{'s' * (len(missing) > 1)} {' and '.join(missing)}"
        )
    given = {
        key: torch.tensor(value) if allowed[key].annotation in (Tensor, "Tensor") else value
        for key, value in arguments.items()
    }
    return cls(**given)
