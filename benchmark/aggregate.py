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

    def text(self, show_n: bool = False) -> str:
        """Format as "1.23 ± 0.45", or "1.23" for one seed, which has no spread; "" for none.

        Args:
            show_n: append "(n=3)".
        """
        if self.n == 0:
            return ""
        mean = f"{self.mean:.2f}" if self.n == 1 else f"{self.mean:.2f} ± {self.std:.2f}"
        return f"{mean} (n={self.n})" if show_n else mean


def summarize(scores: ArrayLike) -> Summary:
    """Summarize the scores (num_seeds,) of one method on one game.

    Raises:
        ValueError: if a score is NaN or infinite: missing runs must be left out knowingly.
    """
    values = np.asarray(scores, float)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ValueError(f"{bad} of {len(values)} scores are missing (NaN) or infinite")
    if len(values) == 0:
        return Summary(float("nan"), float("nan"), 0)
    std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Summary(float(values.mean()), std, len(values))
