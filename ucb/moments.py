"""Mean and standard deviation of a stream, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence


class RunningMoments:
    """Welford's running mean and population standard deviation.

        n <- n + 1,   m' = m + (x - m) / n,   S' = S + (x - m)(x - m'),   std = sqrt(S / n)

    Equal numbers leave S at exactly 0. Source: Welford, "Note on a method for calculating
    corrected sums of squares and products", Technometrics 4(3), 1962.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._sum_of_squares = 0.0

    def add(self, value: float) -> None:
        """Take one more finite number into account."""
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self._sum_of_squares += before * (value - self.mean)

    @property
    def std(self) -> float:
        """sqrt(S / n); 0.0 before any number."""
        return math.sqrt(self._sum_of_squares / self.count) if self.count else 0.0

    def to_list(self) -> list[float]:
        """`[n, mean, S]`, for a JSON file."""
        return [self.count, self.mean, self._sum_of_squares]

    @classmethod
    def from_list(cls, numbers: Sequence[float]) -> RunningMoments:
        """The inverse of `to_list`; ValueError for anything else."""
        if (
            len(numbers) != 3
            or not all(math.isfinite(number) for number in numbers)
            or numbers[0] != int(numbers[0])
            or numbers[0] < 0
            or numbers[2] < 0
        ):
            raise ValueError(f"moments must be [n >= 0, mean, S >= 0], all finite, got {numbers!r}")
        moments = cls()
        moments.count = int(numbers[0])
        moments.mean, moments._sum_of_squares = float(numbers[1]), float(numbers[2])
        return moments
