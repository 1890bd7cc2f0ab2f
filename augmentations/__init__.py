"""Images in, images out: the augmentations of DrAC, seeded, batched and free of host syncs.

    import augmentations

    crop = augmentations.make("crop")
    params = crop.sample(obs.shape, generator)   # what is random, one row an image
    augmented = crop.apply(obs, params)          # what is done with it, deterministic

Names and specifications are answered without importing torch; the classes load it when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from augmentations.registry import PAPER_ARMS, canonical, check, make, names, register, slug

if TYPE_CHECKING:
    from augmentations.base import Augmentation, as_float
    from augmentations.color import ColorJitter, Grayscale
    from augmentations.crop import RandomCrop
    from augmentations.cutout import Cutout, CutoutColor
    from augmentations.flip import RandomFlip
    from augmentations.identity import Identity
    from augmentations.random_conv import RandomConv
    from augmentations.rotate import RandomRotate

__all__ = [
    "PAPER_ARMS",
    "Augmentation",
    "ColorJitter",
    "Cutout",
    "CutoutColor",
    "Grayscale",
    "Identity",
    "RandomConv",
    "RandomCrop",
    "RandomFlip",
    "RandomRotate",
    "as_float",
    "canonical",
    "check",
    "make",
    "names",
    "register",
    "slug",
]

_LAZY = {
    "Augmentation": "augmentations.base",
    "ColorJitter": "augmentations.color",
    "Cutout": "augmentations.cutout",
    "CutoutColor": "augmentations.cutout",
    "Grayscale": "augmentations.color",
    "Identity": "augmentations.identity",
    "RandomConv": "augmentations.random_conv",
    "RandomCrop": "augmentations.crop",
    "RandomFlip": "augmentations.flip",
    "RandomRotate": "augmentations.rotate",
    "as_float": "augmentations.base",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
