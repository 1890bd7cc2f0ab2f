"""The conformance kit: it passes what keeps the contract, and names the clause that is broken."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from broken.draws import BROKEN_DRAWS, Broken, Good, OneDrawForAll
from broken.transforms import BROKEN_TRANSFORMS, RequiresGrad, SizeSixteenOnly
from broken.values import BROKEN_VALUES, OutOfRange

from augmentations import Augmentation
from augmentations.testing import CLAUSES, AugmentationError, check_augmentation

BROKEN = BROKEN_DRAWS + BROKEN_TRANSFORMS + BROKEN_VALUES
CUDA = torch.cuda.is_available()
HERE = [clause for clause in CLAUSES if clause != "device" or CUDA]


def global_state() -> tuple[object, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    numpy = (name, keys.tolist(), *rest)
    cuda = [state.tolist() for state in torch.cuda.get_rng_state_all()] if CUDA else []
    return torch.get_rng_state().tolist(), random.getstate(), numpy, cuda


def test_a_good_one_passes_and_the_global_generators_are_put_back() -> None:
    before = global_state()
    assert check_augmentation(Good()) == HERE
    assert global_state() == before
    assert all(clause.__doc__ for clause in CLAUSES.values())  # what it asks for


@pytest.mark.parametrize(
    "broken", BROKEN, ids=[f"{clause}-{cls.__name__}" for cls, clause, _ in BROKEN]
)
def test_what_is_broken_is_named(broken: Broken) -> None:
    cls, clause, message = broken
    if clause not in HERE:
        pytest.skip("there is no CUDA device")
    torch.manual_seed(0)  # as a test of the user may, and as some of the broken do
    before = global_state()
    with pytest.raises(AugmentationError, match=f"^{clause}: .*{message}") as caught:
        check_augmentation(cls(), sizes=(16,))
    assert caught.value.clause == clause
    assert isinstance(caught.value, AssertionError)
    assert "'good'" in str(caught.value)
    assert global_state() == before


@pytest.mark.parametrize("clause", HERE)
def test_no_other_clause_does_the_work_of(clause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the clause, one of the classes that break it breaks nothing."""
    monkeypatch.setitem(CLAUSES, clause, lambda case: None)
    assert any(passes(cls) for cls, breaks, _ in BROKEN if breaks == clause)


def passes(cls: type[Augmentation]) -> bool:
    try:
        return check_augmentation(cls(), sizes=(16,)) == HERE
    except AugmentationError:
        return False


def test_a_declared_draw_for_the_whole_batch_is_allowed() -> None:
    class Declared(OneDrawForAll):
        batch_wide = ("by",)

    assert check_augmentation(Declared(), sizes=(16,)) == HERE


def test_no_declared_range_allows_any() -> None:
    class Unbounded(OutOfRange):
        output_range = None

    assert check_augmentation(Unbounded(), sizes=(16,)) == HERE


def test_what_is_trained_may_require_a_gradient() -> None:
    class Trained(RequiresGrad):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(self.weight.detach())

    assert check_augmentation(Trained(), sizes=(16,)) == HERE
    with torch.no_grad(), pytest.raises(AugmentationError, match="^gradient"):
        check_augmentation(RequiresGrad(), sizes=(16,))


def test_rounding_is_allowed_and_more_on_request() -> None:
    class Rounds(Good):
        off = 1e-6

        def apply(self, obs, params):
            return super().apply(obs, params) * (1 - len(obs) * self.off)

    class RoundsMore(Rounds):
        off = 1e-5

    assert check_augmentation(Rounds(), sizes=(16,)) == HERE
    with pytest.raises(AugmentationError, match="^slices"):
        check_augmentation(Rounds(), sizes=(16,), atol=1e-6)
    with pytest.raises(AugmentationError, match="^slices"):
        check_augmentation(RoundsMore(), sizes=(16,))
    assert check_augmentation(RoundsMore(), sizes=(16,), atol=1e-3) == HERE


def test_sizes_are_chosen_by_the_caller() -> None:
    assert check_augmentation(SizeSixteenOnly(), sizes=(16,)) == HERE
    message = "^shape: the augmentation 'good' fails on images of 64x64 with RuntimeError"
    with pytest.raises(AugmentationError, match=message):
        check_augmentation(SizeSixteenOnly())


def test_misuse_is_one_sentence() -> None:
    with pytest.raises(
        TypeError, match=r"must be an Augmentation, such as make.'crop'.; got 'crop'"
    ):
        check_augmentation("crop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sizes are empty"):
        check_augmentation(Good(), sizes=())
