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
    from augmentations.stateless import Stateless
    from augmentations.transforms.blur import RandomBlur
    from augmentations.transforms.color import ColorJitter, Grayscale
    from augmentations.transforms.compose import Compose, RandomChoice
    from augmentations.transforms.crop import RandomCrop
    from augmentations.transforms.cutout import Cutout, CutoutColor
    from augmentations.transforms.flip import RandomFlip
    from augmentations.transforms.identity import Identity
    from augmentations.transforms.noise import RandomNoise
    from augmentations.transforms.overlay import RandomOverlay
    from augmentations.transforms.patch import PatchShuffle
    from augmentations.transforms.random_conv import RandomConv
    from augmentations.transforms.rotate import RandomRotate
    from augmentations.transforms.tone import RandomPosterize, RandomSolarize
    from augmentations.transforms.translate import RandomTranslate

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
    "Stateless",
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
    "ColorJitter": "augmentations.transforms.color",
    "Compose": "augmentations.transforms.compose",
    "Cutout": "augmentations.transforms.cutout",
    "CutoutColor": "augmentations.transforms.cutout",
    "Grayscale": "augmentations.transforms.color",
    "Identity": "augmentations.transforms.identity",
    "PatchShuffle": "augmentations.transforms.patch",
    "RandomBlur": "augmentations.transforms.blur",
    "RandomChoice": "augmentations.transforms.compose",
    "RandomConv": "augmentations.transforms.random_conv",
    "RandomCrop": "augmentations.transforms.crop",
    "RandomFlip": "augmentations.transforms.flip",
    "RandomNoise": "augmentations.transforms.noise",
    "RandomOverlay": "augmentations.transforms.overlay",
    "RandomPosterize": "augmentations.transforms.tone",
    "RandomRotate": "augmentations.transforms.rotate",
    "RandomSolarize": "augmentations.transforms.tone",
    "RandomTranslate": "augmentations.transforms.translate",
    "Stateless": "augmentations.stateless",
    "as_float": "augmentations.base",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
