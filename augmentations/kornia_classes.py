"""Which classes of `kornia.augmentation` can be wrapped, and making them."""

from __future__ import annotations

import inspect
import re
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
        key: _tensor(value) if _wants_tensor(allowed.get(key), value) else value
        for key, value in arguments.items()
    }
    for key in _PER_CHANNEL.get(cls.__name__, ()):
        if isinstance(value := given.get(key), Tensor) and value.dim() == 1:
            given[key] = value[:, None, None]
    return cls(**given)


_PER_CHANNEL = {"RandomInvert": ("max_val",)}
"""Arguments of which kornia takes a number for each channel only as a tensor (3, 1, 1)."""


def _wants_tensor(option: inspect.Parameter | None, value: Any) -> bool:
    """Whether kornia takes a tensor for an argument, and no literal of the value's kind."""
    kinds = {int: "float|int", float: "float|int", tuple: "tuple|list", list: "tuple|list"}
    allowed, own = str(option.annotation) if option else "", kinds.get(type(value))
    return own is not None and "Tensor" in allowed and not re.search(own, allowed.lower())


def _tensor(numbers: Any) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)


def taken(cls: type[nn.Module], arguments: Mapping[str, Any]) -> str:
    """Say what kornia takes for each of these arguments: "sigma: Tuple[float, float] or Tensor"."""
    allowed = inspect.signature(cls).parameters
    said = []
    for key in arguments:
        if key in allowed and allowed[key].annotation is not inspect.Parameter.empty:
            kind = re.sub(r"\w+\.|<class '|'>", "", str(allowed[key].annotation))
            said.append(f"{key}: {kind}")
    return f"; kornia takes {', '.join(said)}" if said else ""
