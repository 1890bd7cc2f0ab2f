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
    from augmentations.blur import RandomBlur
    from augmentations.color import ColorJitter, Grayscale
    from augmentations.compose import Compose, RandomChoice
    from augmentations.crop import RandomCrop
    from augmentations.cutout import Cutout, CutoutColor
    from augmentations.flip import RandomFlip
    from augmentations.identity import Identity
    from augmentations.noise import RandomNoise
    from augmentations.overlay import RandomOverlay
    from augmentations.patch import PatchShuffle
    from augmentations.random_conv import RandomConv
    from augmentations.rotate import RandomRotate
    from augmentations.tone import RandomPosterize, RandomSolarize
    from augmentations.translate import RandomTranslate

__all__ = [
    "PAPER_ARMS",
    "Augmentation",
    "ColorJitter",
    "Compose",
    "Cutout",
    "CutoutColor",
    "Grayscale",
    "Identity",
    "PatchShuffle",
    "RandomBlur",
    "RandomChoice",
    "RandomConv",
    "RandomCrop",
    "RandomFlip",
    "RandomNoise",
    "RandomOverlay",
    "RandomPosterize",
    "RandomRotate",
    "RandomSolarize",
    "RandomTranslate",
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
    "Compose": "augmentations.compose",
    "Cutout": "augmentations.cutout",
    "CutoutColor": "augmentations.cutout",
    "Grayscale": "augmentations.color",
    "Identity": "augmentations.identity",
    "PatchShuffle": "augmentations.patch",
    "RandomBlur": "augmentations.blur",
    "RandomChoice": "augmentations.compose",
    "RandomConv": "augmentations.random_conv",
    "RandomCrop": "augmentations.crop",
    "RandomFlip": "augmentations.flip",
    "RandomNoise": "augmentations.noise",
    "RandomOverlay": "augmentations.overlay",
    "RandomPosterize": "augmentations.tone",
    "RandomRotate": "augmentations.rotate",
    "RandomSolarize": "augmentations.tone",
    "RandomTranslate": "augmentations.translate",
    "as_float": "augmentations.base",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
