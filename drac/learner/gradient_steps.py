"""The gradient steps of one update: their figures, and what becomes of one that is not finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drac.config.quantities import number_of
from drac.errors import NonFinite
from drac.rollout import Minibatch
from drac.stats import UpdateStats

FIGURES = tuple(UpdateStats.__dataclass_fields__)
_WATCHED = slice(FIGURES.index("approx_kl"), FIGURES.index("clip_fraction") + 1)
"""Figures from which nothing is learned: they may be infinite."""


MAX_IMAGES = 2048
"""Of a minibatch that are kept for inspection: 25 MB, before they are compressed."""


class GradientSteps:
    """Collects the figures of an update's gradient steps, and holds them to be finite.

    Args:
        number: how many there will be, for messages.
        where: what the messages say of the update, such as "in the value network".
        skip: whether steps that are not finite are counted, where the optimizer left them out, in
            place of an error.
        at_once: whether figures are looked at when they come. On CUDA that would mean waiting for
            the device: there it is done at the end.
        again: yields the minibatches once more, for steps that are looked at in the end.
    """

    def __init__(
        self,
        number: int,
        where: str,
        *,
        skip: bool = False,
        at_once: bool = True,
        again: Iterator[Minibatch] | None = None,
    ) -> None:
        self._number, self._where, self._skip = number, where, skip
        self._at_once, self._again = at_once, again
        self._figures: list[Tensor] = []
        self._bad: set[int] = set()

    @property
    def skipped(self) -> int:
        """How many steps were not finite; known after `means` at the latest."""
        return len(self._bad)

    def add(self, figures: Tensor, minibatch: Minibatch | None = None) -> None:
        """Take note of a step: the figures of `UpdateStats`, in order, and what it learned from.

        Raises:
            NonFinite: if it is looked at now, is not finite, and may not be skipped.
        """
        self._figures.append(figures)
        if self._at_once:
            self._check(len(self._figures) - 1, figures.tolist(), minibatch)

    def means(self) -> list[float]:
        """Return the means of the figures over the steps that were taken.

        Raises:
            NonFinite: see `add`; or if all steps were skipped, as the next ones would be.
        """
        if not self._at_once:
            for step, figures in enumerate(torch.stack(self._figures).tolist()):
                self._check(step, figures, None)
        taken = [f for step, f in enumerate(self._figures) if step not in self._bad]
        if not taken:
            raise NonFinite(
                f"none of {number_of(len(self._bad), 'gradient step')} was finite {self._where}, so"
                f" that skipping them leads nowhere"
            )
        totals = torch.zeros_like(taken[0], dtype=torch.float64)
        for figures in taken:
            totals += figures.double()
        means: list[float] = (totals / len(taken)).tolist()
        return means

    def _check(self, step: int, figures: list[float], minibatch: Minibatch | None) -> None:
        what = UpdateStats(*figures).not_finite()
        if not what:
            return
        if self._skip:
            self._bad.add(step)
            return
        if minibatch is None and self._again is not None:
            minibatch = next(islice(self._again, step, None))
        which = f"{self._where}, in gradient step {step + 1} of {self._number}"
        raise NonFinite(f"{what} {which}", evidence(step + 1, figures, minibatch))


def evidence(
    step: int, figures: list[float], minibatch: Minibatch | None
) -> Mapping[str, NDArray[Any]]:
    """Return what is known of a gradient step, as arrays by name: see `NonFinite`."""
    arrays: dict[str, NDArray[Any]] = {
        "gradient_step": np.array(step),
        "loss_names": np.array(FIGURES[: len(figures)]),
        "losses": np.array(figures),
    }
    if minibatch is not None:
        for name, value in minibatch.tensors().items():
            arrays[name] = value[:MAX_IMAGES].detach().cpu().numpy()
    return arrays


def on_device(figures: Tensor) -> Tensor:
    """Return, without waiting for the device, 1.0 if a step must be left out, else 0.0: ()."""
    # Slices: a list of indices would have to be copied to the device, which no recording may.
    learned = torch.cat([figures[: _WATCHED.start], figures[_WATCHED.stop :]])
    return (~learned.isfinite().all()).float()
