"""The conformance kit: does an augmentation keep the contract that training relies on?

    from augmentations.testing import check_augmentation

    def test_my_blur() -> None:
        check_augmentation(MyBlur(strength=0.5))

Every clause of the contract is a function in `CLAUSES`, whose docstring says what it asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from augmentations import global_state
from augmentations.base import Augmentation
from augmentations.guards import ATOL, Broken
from augmentations.testing.cases import Case
from augmentations.testing.clauses import CLAUSES

__all__ = ["CLAUSES", "AugmentationError", "check_augmentation"]


class AugmentationError(AssertionError):
    """An augmentation that breaks a clause of the contract.

    Attributes:
        clause: which one, as in `CLAUSES`.
    """

    def __init__(self, clause: str, message: str) -> None:
        super().__init__(f"{clause}: {message}")
        self.clause = clause


def check_augmentation(
    aug: Augmentation, sizes: Sequence[int] = (16, 64), atol: float = ATOL
) -> list[str]:
    """Check an augmentation against every clause of the contract, in the order of `CLAUSES`.

    The global generators of torch, numpy and Python are set to odd states meanwhile and put back,
    also if a clause is broken.

    Args:
        aug: the augmentation; its own generator is not advanced.
        sizes: heights of the square images it is tried on; from 16 up where it is defined.
        atol: by how much the value of a pixel may differ where two ways to the same image are
            compared, as sums may be taken in another order.

    Returns:
        The names of the clauses that it keeps: all, but for "device" without a CUDA device.

    Raises:
        AugmentationError: naming the first clause that it breaks.
        TypeError: for what is no Augmentation.
        ValueError: for no sizes.
    """
    if not isinstance(aug, Augmentation):
        raise TypeError(f"aug must be an Augmentation, such as make('crop'); got {aug!r}")
    if not sizes:
        raise ValueError("sizes are empty: name at least one height of images")
    passed = []
    with global_state.kept():
        global_state.disturb(0)
        for clause in CLAUSES:
            if clause == "device" and not torch.cuda.is_available():
                continue
            for size in sizes:
                _require(clause, Case(aug, size, atol))
            passed.append(clause)
    return passed


def _require(clause: str, case: Case) -> None:
    try:
        CLAUSES[clause](case)
    except Broken as error:
        raise AugmentationError(clause, str(error)) from None
    except Exception as error:  # whatever a user's class raises, it breaks the clause
        raise AugmentationError(
            clause,
            f"the augmentation {case.name!r} fails on images of {case.size}x{case.size} with"
            f" {type(error).__name__}: {error}",
        ) from error
