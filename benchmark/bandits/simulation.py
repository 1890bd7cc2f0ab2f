"""How selectors do on return curves whose best arm is known: regret, and the arms they pull.

One pull stands for one update of a run: the arm is an augmentation, its reward the mean return of
the rollout that follows. Real runs show the reward of one arm at a time, and never the regret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from augmentations import PAPER_ARMS
from drac.seeding import seed_sequence, stream_seed
from ucb import (
    EXP3,
    ArmSelector,
    DiscountedUCB,
    FixedArm,
    SlidingWindowUCB,
    ThompsonSampling,
    UniformArm,
)

ARMS = PAPER_ARMS
PULLS = 1525  # updates of 16,384 steps in 25M
NOISE = 0.05  # std of a reward
GAP = 0.1  # by which the best arm is better than all others
EVERY = 25  # pulls between two points of a regret curve

Floats = NDArray[np.float64]
LOCKED = 0.95
"""A run is locked on to a wrong arm if an arm that is never the best gets this share of pulls."""


@dataclass(frozen=True)
class Curve:
    """How the mean return of the arms goes over a run.

    Attributes:
        summary: for the table.
        level: of the arms that are not the best, at each pull's share of the run in [0, 1).
        parts: the run's equal parts, each with another best arm.
    """

    summary: str
    level: Callable[[Floats], Floats]
    parts: int = 1

    def means(self, pulls: int, random: np.random.Generator) -> Floats:
        """Return the mean reward of every arm at every pull, (pulls, len(ARMS))."""
        share = np.arange(pulls) / pulls
        best = random.permutation(len(ARMS))[: self.parts]
        means = np.repeat(self.level(share)[:, None], len(ARMS), axis=1)
        means[np.arange(pulls), best[(share * self.parts).astype(int)]] += GAP
        return means


CURVES = {
    "constant": Curve("0.30 throughout", lambda share: np.full_like(share, 0.3)),
    # 3 (1 - exp(-5 s)): steep at first, as returns are, by about the gap while all arms are tried.
    "rising": Curve("from 0 to 3, fast at first", lambda share: -3 * np.expm1(-5 * share)),
    "switching": Curve("0.30; another best arm in each third", lambda s: np.full_like(s, 0.3), 3),
}


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed_sequence(seed, "selector"))


def _rl2(seed: int) -> ArmSelector:
    import torch

    from drac.arms.rl2 import RL2Selector

    torch.set_num_threads(1)  # matrices of 32 x 96
    return RL2Selector(ARMS, torch.Generator().manual_seed(stream_seed(seed, "selector")))


SELECTORS: dict[str, Callable[[int], ArmSelector]] = {
    "fixed": lambda seed: FixedArm(ARMS[0]),
    "uniform": lambda seed: UniformArm(ARMS, _random(seed)),
    "ucb": lambda seed: SlidingWindowUCB(ARMS),
    "ucb, each once": lambda seed: SlidingWindowUCB(ARMS, initial="try-each-once"),
    "ucb, standardized": lambda seed: SlidingWindowUCB(ARMS, reward="standardized"),
    "ucb, both": lambda seed: SlidingWindowUCB(
        ARMS, initial="try-each-once", reward="standardized"
    ),
    "thompson": lambda seed: ThompsonSampling(ARMS, _random(seed)),
    "discounted ucb": lambda seed: DiscountedUCB(ARMS),
    "exp3": lambda seed: EXP3(ARMS, _random(seed)),
    "rl2": _rl2,
}
"""By name: a function of the seed. Options are the defaults of the methods of that name."""


@dataclass(frozen=True)
class Run:
    """One selector on one curve with one seed.

    Attributes:
        curve: key of CURVES.
        selector: key of SELECTORS.
        seed: of curve, noise and selector.
        counts: pulls of each arm, in the order of ARMS.
        wrong: those of them on which another arm was the best.
        best_arms: indices of the arms that are ever the best, in that order.
        regret: sum of (best mean - mean of the pulled arm), after every EVERY pulls.
    """

    curve: str
    selector: str
    seed: int
    counts: tuple[int, ...]
    wrong: tuple[int, ...]
    best_arms: tuple[int, ...]
    regret: tuple[float, ...]

    @property
    def pulls(self) -> int:
        """How often an arm was pulled."""
        return sum(self.counts)

    @property
    def best(self) -> int:
        """How often the best arm of that time was pulled."""
        return self.pulls - sum(self.wrong)

    @property
    def locked(self) -> bool:
        """Whether the run is locked on to a wrong arm; see LOCKED."""
        most = int(np.argmax(self.counts))
        return most not in self.best_arms and self.counts[most] >= LOCKED * self.pulls


def simulate(curve: str, selector: str, seed: int, pulls: int = PULLS) -> Run:
    """Let a selector pull; it hears every reward before it selects again.

    All selectors of a seed meet the same means and, pull by pull, the same noise.
    """
    random = np.random.default_rng(seed_sequence(seed, "bandits", curve))
    means = CURVES[curve].means(pulls, random)
    noise = random.normal(0.0, NOISE, size=pulls)
    bandit = SELECTORS[selector](seed)
    pulled = np.empty(pulls, dtype=int)
    for t in range(pulls):
        arm = bandit.select()
        pulled[t] = ARMS.index(arm)
        bandit.update(arm, float(means[t, pulled[t]] + noise[t]))
    lost = means.max(axis=1) - means[np.arange(pulls), pulled]
    best = means.argmax(axis=1)
    ends = [*range(EVERY - 1, pulls - 1, EVERY), pulls - 1]
    return Run(
        curve=curve,
        selector=selector,
        seed=seed,
        counts=_counts(pulled),
        wrong=_counts(pulled[pulled != best]),
        best_arms=tuple(dict.fromkeys(best.tolist())),
        regret=tuple(np.cumsum(lost)[ends].round(6).tolist()),
    )


def _counts(pulled: NDArray[np.int_]) -> tuple[int, ...]:
    return tuple(np.bincount(pulled, minlength=len(ARMS)).tolist())


def simulate_all(
    curves: Sequence[str],
    selectors: Sequence[str],
    seeds: Sequence[int],
    pulls: int = PULLS,
    workers: int = 1,
) -> Iterator[Run]:
    """Simulate every selector on every curve with every seed, in any order.

    Args:
        curves: keys of CURVES.
        selectors: keys of SELECTORS.
        seeds: one run each.
        pulls: of a run.
        workers: processes; with 1 everything happens in this one.
    """
    # The slowest first, so that no worker is left with it at the end.
    ordered = sorted(selectors, key=lambda selector: selector != "rl2")
    jobs = [(curve, selector, seed) for selector in ordered for seed in seeds for curve in curves]
    if workers == 1:
        for job in jobs:
            yield simulate(*job, pulls)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(simulate, *job, pulls) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)
