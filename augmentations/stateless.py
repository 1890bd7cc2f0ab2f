"""Any function of images as an Augmentation: of torchvision, of a torch Module, of one's own.

    aug = Stateless(torchvision.transforms.v2.RandomPerspective(0.5))

Such a function draws from the global generators. Here they are seeded by the draw, for each image
or, where that is declared, once a batch, and put back afterwards, so that a draw can be repeated
and cut into micro-batches. A call for each image takes its time; so does waiting for the seeds on
CUDA.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augmentations import global_state
from augmentations.arguments import check_accepted
from augmentations.base import (
    Augmentation,
    as_float,
    check_shape,
    integers,
    match_format,
    parameter,
)
from augmentations.guards import check_shape_kept

_LARGEST_SEED = 2**32 - 1  # numpy's


class Stateless(Augmentation):
    """A function of images, called with seeded global generators; its output may leave [0, 1].

    Args:
        function: maps images (B, 3, H, W), floating point in [0, 1], to images of that shape, and
            keeps no state that matters. Torch Modules are used in the mode in which they are.
        name: for messages and tables; by default the function's own.
        batch_wide: whether it draws once for all images of a batch, as torchvision's do, and is
            given whole batches; else it is called for each image by itself.
    """

    output_range = None

    def __init__(
        self, function: Callable[[Tensor], Tensor], name: str = "", batch_wide: bool = False
    ) -> None:
        super().__init__()
        given: Any = function
        if not callable(given) or inspect.isclass(given):
            raise ValueError(f"function must be a function of images; got {function!r}")
        if not isinstance(batch_wide, bool):
            raise ValueError(f"batch_wide must be True or False; got {batch_wide!r}")
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.batch_wide = ("seed",) if batch_wide else ()
        own = function if hasattr(function, "__name__") else type(function)
        self.origin = own.__module__
        """The module that holds its source."""

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw `seed`, of the global generators, for each image."""
        batch, _, _ = check_shape(shape)
        number = (1,) if self.batch_wide else (batch,)
        return {"seed": integers(0, _LARGEST_SEED, number, generator).expand(batch)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Call the function. Shape: (B, 3, H, W) -> (B, 3, H, W)."""
        obs = as_float(obs)
        seeds = parameter(params, "seed", obs).tolist()
        if not seeds:
            return obs
        if isinstance(self.function, nn.Module):
            self.function.to(obs.device)
        # A copy, which it may write into; and many functions know no smaller type than float32.
        images = obs.to(torch.promote_types(obs.dtype, torch.float32)).clone(
            memory_format=torch.contiguous_format
        )
        groups = (images,) if self.batch_wide else images.split(1)
        with global_state.kept(), torch.no_grad():
            parts = [self._called(*one) for one in zip(groups, seeds, strict=False)]
        return match_format(torch.cat(parts).to(obs.dtype), obs)

    def _called(self, images: Tensor, seed: int) -> Tensor:
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        output = self.function(images)
        check_shape_kept(images, output, self.name)
        return output


def wrap(
    name: str, target: Any, positional: Sequence[Any], arguments: Mapping[str, Any]
) -> Stateless:
    """Make a `Stateless` of what a module holds: a function, or a class whose objects are called.

    Args:
        name: for messages.
        target: a class is called with the arguments, its random weights drawn from seed 0;
            anything else is the function, which takes the arguments after the images.
        positional: as they were given, without names.
        arguments: by name; `batch_wide` is that of `Stateless`.

    Raises:
        ValueError: if the target cannot be called, or takes other arguments.
    """
    own = dict(arguments)
    batch_wide = own.pop("batch_wide", False)
    if not callable(target):
        raise ValueError(
            f"the augmentation {name!r} must be a subclass of Augmentation, a torch Module or a"
            f" function of images, not of type {type(target).__name__}"
        )
    images = () if inspect.isclass(target) else (None,)
    check_accepted(name, target, (*images, *positional), own)
    if inspect.isclass(target):
        with global_state.kept():
            torch.manual_seed(0)
            function = target(*positional, **own)
        if not callable(function):
            raise ValueError(f"the augmentation {name!r}: objects of this class cannot be called")
    elif positional or own:

        def function(images: Tensor) -> Any:
            return target(images, *positional, **own)

    else:
        function = target
    made = Stateless(function, name, batch_wide)
    made.origin = getattr(target, "__module__", None) or type(target).__module__
    return made
