"""How alike two policies, values or representations are: the measures of the paper's Table 2.

Numpy only. Raileanu et al. 2021, section 4.4 and table 2, who take the cycle-consistency from Aytar
et al. 2018 ("Playing hard exploration games by watching YouTube", section 3.3) and Lee et al. 2020
("Network Randomization", section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Return the Jensen-Shannon divergence of pairs of distributions, in nats.

        JSD(p, q) = KL(p || m) / 2 + KL(q || m) / 2,  m = (p + q) / 2

    It is symmetric, 0 where p = q, and at most ln 2 = 0.693 (where no event has both). The paper
    names no base; in bits it would be 1.44 times as much.

    Args:
        p: (B, A), each row sums to 1.
        q: likewise.

    Returns:
        (B,).
    """
    from scipy.special import rel_entr

    middle = (p + q) / 2
    both = rel_entr(p, middle) + rel_entr(q, middle)
    divergence: Floats = np.maximum(both.sum(axis=1) / 2, 0.0)  # rounding: -1e-17 for p = q
    return divergence


def nearest(points: Floats, others: Floats) -> NDArray[np.intp]:
    """Return for each point (T, D) the index of the nearest of the others (S, D), Euclidean.

    Of several that are equally near it is the first.
    """
    from scipy.spatial.distance import cdist

    index: NDArray[np.intp] = cdist(points, others).argmin(axis=1)
    return index


def cycle_consistent(path: Sequence[Floats]) -> Bools:
    """Tell which observations of a trajectory come back to themselves on a path of trajectories.

    From v_i of the first trajectory V to its nearest neighbour u_j in the second, from there to the
    nearest neighbour of u_j in the next, and so on, and from the last one back to v_k in V. The
    observation is cycle-consistent if |i - k| <= 1.

    Args:
        path: V, then the others, as representations (T, D): two for the 2-way measure.

    Returns:
        (T,) of V.
    """
    start, *others = path
    at = np.arange(len(start))
    for here, there in zip(path, [*others, start], strict=True):
        at = nearest(here, there)[at]
    consistent: Bools = np.abs(np.arange(len(start)) - at) <= 1
    return consistent


def two_way(v: Floats, u: Floats) -> Bools:
    """Return which observations of V are cycle-consistent along V -> U -> V."""
    return cycle_consistent((v, u))


def three_way(v: Floats, u: Floats, j: Floats) -> Bools:
    """Return which are cycle-consistent along both V -> U -> J -> V and V -> J -> U -> V."""
    return cycle_consistent((v, u, j)) & cycle_consistent((v, j, u))


def mean_and_error(values: Sequence[NDArray[np.generic]]) -> tuple[int, float, float]:
    """Return number, mean and standard error of observations that come in trajectories.

    The mean is over all observations. Those of one trajectory are alike, so its standard error is
    that of a ratio of sums over the N trajectories, of means m_i and lengths T_i:

        sqrt(N / (N - 1) sum_i T_i^2 (m_i - m)^2) / sum_i T_i

    (Cochran 1977, Sampling Techniques, section 6.3.)

    Args:
        values: of each trajectory, (T_i,); those without any count for nothing.

    Returns:
        The error is NaN for a single trajectory, both are NaN for none.
    """
    counted = [np.asarray(each, np.float64) for each in values if len(each)]
    if not counted:
        return 0, float("nan"), float("nan")
    lengths = np.array([len(each) for each in counted])
    sums = np.array([each.sum() for each in counted])
    total, number = int(lengths.sum()), len(counted)
    mean = float(sums.sum() / total)
    if number == 1:
        return total, mean, float("nan")
    squares = ((sums - mean * lengths) ** 2).sum()
    return total, mean, float(np.sqrt(number / (number - 1) * squares) / total)
