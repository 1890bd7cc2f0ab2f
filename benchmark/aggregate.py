"""Statistics over seeds and games. Pure numpy; NaN means missing and is never dropped silently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation over `n` seeds; `std` is NaN for one seed."""

    mean: float
    std: float
    n: int

    def text(self) -> str:
        """Format as "1.23 +- 0.45 (n=3)"; one seed has no spread to show."""
        if self.n == 0:
            return ""
        return f"{self.mean:.2f}" if self.n == 1 else f"{self.mean:.2f} ± {self.std:.2f}"


def summarize(scores: ArrayLike) -> Summary:
    """Summarize the scores (num_seeds,) of one method on one game.

    Raises:
        ValueError: if a score is NaN: missing runs must be left out knowingly.
    """
    values = np.asarray(scores, float)
    if np.isnan(values).any():
        raise ValueError(f"{int(np.isnan(values).sum())} of {len(values)} scores are missing (NaN)")
    if len(values) == 0:
        return Summary(float("nan"), float("nan"), 0)
    std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Summary(float(values.mean()), std, len(values))
