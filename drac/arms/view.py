"""What the agent is shown while it plays: Procgen's frames, or augmented ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from augmentations import Augmentation, as_float
from drac.arms.build import Augment, guarded


class Clean:
    """Frames as they are, which is what most methods play on.

    Args:
        augmentations: of the run, by the name of their arm.
        shape: of the images of all envs, (N, 3, H, W).
        generator: draws what is random in a view.
    """

    def __init__(
        self,
        augmentations: Mapping[str, Augmentation | None],
        shape: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        self._augmentations, self._shape, self._generator = augmentations, shape, generator

    def begin(self) -> None:
        """Is called as a rollout begins."""

    def __call__(self, frames: Tensor, envs: slice) -> Tensor:
        """Return what is shown of the frames of some envs.

        Shape:
            frames, and what is returned: (n, H, W, 3) uint8.
        """
        return frames

    def in_update(self, augmentation: Augmentation | None) -> Augmentation | None:
        """Return what the gradient steps are to augment with, of the rollout's arm."""
        return augmentation


class Augmented(Clean):
    """Frames augmented while playing, with parameters that an env keeps for a whole rollout.

    The agent acts on, stores and learns from the same image: values are rounded to whole ones and
    cut to 0..255 before it sees them, so that its first ratios are 1. Gradient steps augment no
    more.
    """

    _augment: Augment | None = None

    def begin(self) -> None:
        """Draw an env's parameters; the first time, the augmentation is held to its contract.

        Raises:
            ConfigError: by later calls, if it breaks it.
        """
        ((name, augmentation),) = self._augmentations.items()
        assert augmentation is not None
        params = augmentation.sample(self._shape, self._generator)

        def augment(obs: Tensor, envs: slice) -> Tensor:
            return augmentation.apply(obs, {key: value[envs] for key, value in params.items()})

        first = self._augment is None
        self._augment = guarded(augment, name, params, self._shape[0]) if first else augment

    def __call__(self, frames: Tensor, envs: slice) -> Tensor:
        """Return the augmented frames; see `Clean`."""
        assert self._augment is not None, "no rollout has begun"
        images = self._augment(as_float(frames.permute(0, 3, 1, 2)), envs)
        return (images * 255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

    def in_update(self, augmentation: Augmentation | None) -> None:
        """Return None: the frames are augmented already."""
