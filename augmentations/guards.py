"""What every augmentation must keep to, checked: one clear sentence that names the augmentation.

The trainer checks each arm before a run and once at its first minibatch; the conformance kit
(`augmentations.testing`) checks these and more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from augmentations.base import Augmentation, as_float

# By how much a pixel may differ between two ways to the same image, a 400th of a level of 8 bits:
# in another order, sums of float32 are rounded differently (kornia's elastic transform: 3e-6).
ATOL = 1e-5


class Broken(ValueError):
    """An augmentation that breaks its contract; the message is a sentence that names it."""


def title(aug: Augmentation) -> str:
    """Return what an augmentation is called in messages: its name, or that of its class."""
    return aug.name or type(aug).__name__


def check_input(obs: Tensor, what: str) -> None:
    """Raise Broken unless floating-point images lie in [0, 1]; uint8 ones always do.

    Args:
        obs: the images an augmentation is given.
        what: the name of the augmentation, for the message.

    Shape:
        - obs: (B, 3, H, W), B may be 0
    """
    if not obs.is_floating_point() or obs.numel() == 0:
        return
    low, high = (float(bound) for bound in torch.aminmax(obs.detach()))
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise Broken(
            f"the augmentation {what!r} was given images with values in [{low:g}, {high:g}];"
            f" they must lie in [0, 1]"
        )


def check_params(params: Any, batch: int, what: str) -> None:
    """Raise Broken unless every parameter is a tensor with one row for each image."""
    if not isinstance(params, Mapping):
        raise Broken(f"the augmentation {what!r}: sample must return a dict, not {params!r}")
    for name, value in params.items():
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise Broken(
                f"the augmentation {what!r}: the parameter {name!r} must be a tensor, not a {kind}"
            )
        if value.shape[:1] != (batch,):
            raise Broken(
                f"the augmentation {what!r}: the parameter {name!r} must have one row for each of"
                f" the {batch} images, so that it can be sliced; its shape is {tuple(value.shape)}"
            )


def check_shape_kept(obs: Tensor, output: Any, what: str) -> None:
    """Raise Broken unless the output has the shape of the images."""
    if not isinstance(output, Tensor):
        kind = type(output).__name__
        raise Broken(f"the augmentation {what!r}: apply must return a tensor, not a {kind}")
    if output.shape != obs.shape:
        raise Broken(
            f"the augmentation {what!r} changes the shape of images from {tuple(obs.shape)} to"
            f" {tuple(output.shape)}; it must stay"
        )


def check_dtype(obs: Tensor, output: Tensor, what: str) -> None:
    """Raise Broken unless the output has the floating-point dtype of `as_float(obs)`."""
    expected = as_float(obs[:0]).dtype
    if output.dtype != expected:
        raise Broken(
            f"the augmentation {what!r} returns {output.dtype} for images of {obs.dtype};"
            f" it must be {expected}"
        )


def check_finite(output: Tensor, what: str) -> None:
    """Raise Broken if a value is NaN or infinite."""
    if not bool(output.isfinite().all()):
        raise Broken(f"the augmentation {what!r} returns values that are NaN or infinite")


def check_output(obs: Tensor, output: Tensor, what: str) -> None:
    """Raise Broken unless the output has the images' shape, is floating point and finite.

    Values outside [0, 1] are allowed: a random convolution leaves that range by definition.

    Shape:
        - obs, output: (B, 3, H, W)
    """
    check_shape_kept(obs, output, what)
    check_dtype(obs, output, what)
    check_finite(output, what)
