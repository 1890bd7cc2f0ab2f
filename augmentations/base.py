"""The contract of an augmentation: draw the random parameters, then apply them.

The two halves are apart so that a draw can be repeated, recorded, and cut into micro-batches.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

CHANNELS = 3

# Module.apply(function), which visits submodules, gives way to the `apply` of images below. Python
# does not mind; a type checker would, in every subclass, so that it is not told the base class.
_Module: Any = nn.Module


class Augmentation(_Module, abc.ABC):  # type: ignore[misc]
    """A random transformation of a batch of images, one independent draw an image.

    A subclass sets `name` and writes the two methods `sample` and `apply`; `as_float`,
    `parameter` and `match_format` of this module do the bookkeeping of `apply`. It is a torch
    Module for its buffers and state_dict, but keep it out of a network: `apply` is not Module's.

    Attributes:
        name: what the augmentation is called in tables and specifications, e.g. "crop".
        output_range: the lowest and the highest value that `apply` returns for images in [0, 1];
            None if there is no such bound. `augmentations.testing` checks it.
        batch_wide: the parameters that are drawn once a batch and repeated; all others are drawn
            independently for each image.
    """

    name: str = ""
    output_range: tuple[float, float] | None = (0.0, 1.0)
    batch_wide: tuple[str, ...] = ()

    if TYPE_CHECKING:

        def __call__(self, obs: Tensor, generator: torch.Generator | None = None) -> Tensor:
            """As `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self._seed = 0
        self._generator: torch.Generator | None = None

    @abc.abstractmethod
    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the parameters for a batch.

        Args:
            shape: obs.shape, (B, 3, H, W).
            generator: the only source of randomness; the tensors are made on its device.

        Returns:
            Tensors whose first dimension is B, so that the parameters can be sliced like the
            images; what is drawn once a batch is repeated B times. Empty if nothing is random.
            Every draw has the same keys.

        Raises:
            ValueError: if the shape is not (B, 3, H, W).
        """

    @abc.abstractmethod
    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Transform a batch with given parameters; deterministic, without a host sync on CUDA.

        Args:
            obs: images, floating point in [0, 1] or uint8; never changed.
            params: what `sample` returned, or rows of it; moved to the device of `obs`.

        Returns:
            Images of the dtype of `as_float(obs)`, channels_last if `obs` is. Where nothing is to
            be done this may be `obs` itself: do not write into it. They require no gradient,
            unless a parameter of the module or `obs` does.

        Raises:
            ValueError: for images of another shape or dtype, or parameters that do not fit them.

        Shape:
            - obs: (B, 3, H, W), B may be 0
            - output: (B, 3, H, W)
        """

    def forward(self, obs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Sample and apply.

        Args:
            obs: images, floating point in [0, 1] or uint8.
            generator: source of randomness, preferably on the device of `obs`; None: the
                module's own (see `seed`). The global generator is never used.

        Shape:
            - obs: (B, 3, H, W)
            - output: (B, 3, H, W)
        """
        generator = generator or self._own_generator(obs.device)
        return self.apply(obs, self.sample(obs.shape, generator))

    def seed(self, seed: int) -> None:
        """Start the module's own generator, which serves calls without one, anew (at first: 0)."""
        self._seed, self._generator = seed, None

    def _own_generator(self, device: torch.device) -> torch.Generator:
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self._seed)
        return self._generator


def check_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return (B, H, W) of an image batch's shape.

    Raises:
        ValueError: unless the shape is (B, 3, H, W) with H and W at least 1.
    """
    if len(shape) != 4 or shape[1] != CHANNELS or shape[2] < 1 or shape[3] < 1:
        raise ValueError(f"images must have the shape (B, 3, H, W); got {tuple(shape)}")
    return shape[0], shape[2], shape[3]


def as_float(obs: Tensor) -> Tensor:
    """Return images as floating point: uint8 in 0..255 becomes float32 in [0, 1].

    Floating-point images are returned as they are, without a copy.

    Raises:
        ValueError: for another shape than (B, 3, H, W), or a dtype neither floating nor uint8.

    Shape:
        - obs: (B, 3, H, W)
        - output: (B, 3, H, W), in the memory format of `obs`
    """
    check_shape(obs.shape)
    if obs.dtype == torch.uint8:
        return obs.to(torch.float32).div_(255)
    if not obs.is_floating_point():
        raise ValueError(f"images must be uint8 or floating point; got {obs.dtype}")
    return obs


def parameter(params: Mapping[str, Tensor], name: str, obs: Tensor) -> Tensor:
    """Return one parameter on the device of `obs`; a floating one in the dtype of `obs`.

    Raises:
        ValueError: if it is missing, or has not one row for each image.
    """
    if name not in params:
        given = ", ".join(params) or "none"
        raise ValueError(f"the parameter {name!r} is missing; given: {given}")
    value = params[name]
    if value.shape[:1] != obs.shape[:1]:
        raise ValueError(
            f"the parameter {name!r} must have one row for each of the {obs.shape[0]} images;"
            f" got the shape {tuple(value.shape)}"
        )
    return value.to(obs.device, obs.dtype if value.is_floating_point() else value.dtype)


def per_pixel(value: Tensor) -> Tensor:
    """Append two dimensions, so that (B, C) broadcasts over (B, C, H, W)."""
    return value[..., None, None]


def match_format(images: Tensor, obs: Tensor) -> Tensor:
    """Return `images` in the memory format of `obs`: channels_last or contiguous.

    The network runs channels_last: a planar image in between would be converted twice.
    """
    channels_last = not obs.is_contiguous() and obs.is_contiguous(memory_format=torch.channels_last)
    return images.contiguous(
        memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )


def uniform(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` float32 numbers uniformly from [low, high), on the generator's device."""
    unit = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * unit


def integers(low: int, high: int, size: Any, generator: torch.Generator) -> Tensor:
    """Draw int64 numbers uniformly from low..high, both included, on the generator's device."""
    return torch.randint(low, high + 1, size, generator=generator, device=generator.device)
