"""The conformance kit: whether a class keeps what an augmentation promises."""

from augmentations.testing.check import AugmentationError, check_augmentation
from augmentations.testing.clauses import CLAUSES

__all__ = ["CLAUSES", "AugmentationError", "check_augmentation"]
