"""What every bandit here can do, the bookkeeping they share, and the two that never learn.

A new bandit is one file with one subclass of `BaseSelector`, which asks for six short methods:
`_choose`, `_credit`, `means`, `scores`, and `_learned` / `_load_learned` for what it must remember.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ucb import generators
from ucb.moments import RunningMoments


@runtime_checkable
class ArmSelector(Protocol):
    """Chooses one of a fixed set of named arms, and hears afterwards what the choice was worth.

    The caller alternates `select` with `update` of an arm selected before; an update may come late
    or never (the first PPO update credits nothing).
    """

    @property
    def arms(self) -> tuple[str, ...]:
        """The names, in the order in which ties are broken."""
        ...

    def select(self) -> str:
        """The arm to use next. Counts as a selection: call it once per use."""
        ...

    def update(self, arm: str, reward: float) -> None:
        """Credit `reward` to `arm`. ValueError for an unknown arm or a non-finite reward."""
        ...

    def counts(self) -> dict[str, int]:
        """How often `select` returned each arm; all 0 at the start."""
        ...

    def means(self) -> dict[str, float]:
        """Each arm's mean reward as the selector sees it; 0.0 before the arm's first credit."""
        ...

    def scores(self) -> dict[str, float]:
        """What the next `select` would compare, or for a random choice the probabilities."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to continue identically, fit for `json.dumps`."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`. ValueError if it belongs to other arms or other settings."""
        ...


class BaseSelector(ABC):
    """The bookkeeping of an `ArmSelector`: names, selection counts, checks and saved state.

    Args:
        arms: distinct, non-empty names; their order breaks ties.

    Raises:
        ValueError: for no arms, a repeated one, or one that is not a non-empty string.
    """

    def __init__(self, arms: Sequence[str]) -> None:
        self.arms: tuple[str, ...] = _checked_arms(arms)
        self._counts = dict.fromkeys(self.arms, 0)

    @abstractmethod
    def _choose(self) -> str:
        """The arm to select; the base class counts it."""

    @abstractmethod
    def _credit(self, arm: str, reward: float) -> None:
        """Learn from a known arm and a finite reward."""

    @abstractmethod
    def means(self) -> dict[str, float]:
        """Each arm's mean reward; 0.0 before the arm's first credit."""

    @abstractmethod
    def scores(self) -> dict[str, float]:
        """What the next `select` would compare, or for a random choice the probabilities."""

    @abstractmethod
    def _learned(self) -> dict[str, Any]:
        """JSON-able: what the credits and draws so far have left behind."""

    @abstractmethod
    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        """The inverse of `_learned`. Checks everything before it changes anything."""

    def _settings(self) -> dict[str, Any]:
        """JSON-able: the constructor's options. A saved state only fits equal ones."""
        return {}

    def select(self) -> str:
        """The arm to use next; advances its count."""
        arm = self._choose()
        self._counts[arm] += 1
        return arm

    def update(self, arm: str, reward: float) -> None:
        """Credit `reward`, a finite number, to `arm`, one of `arms`; else ValueError."""
        if arm not in self.arms:
            raise ValueError(f"unknown arm {arm!r}; allowed: {list(self.arms)}")
        reward = float(reward)
        if not math.isfinite(reward):
            raise ValueError(f"the reward of arm {arm!r} must be a finite number, got {reward}")
        self._credit(arm, reward)

    def counts(self) -> dict[str, int]:
        """How often `select` returned each arm; all 0 at the start."""
        return dict(self._counts)

    def state_dict(self) -> dict[str, Any]:
        """JSON-able: the selector's name, arms and settings, and all it has counted and learned.

        Lists that hold one entry per arm are in the order of `arms`.
        """
        return {
            "selector": type(self).__name__,
            "arms": list(self.arms),
            "settings": self._settings(),
            "counts": list(self._counts.values()),
            "learned": self._learned(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`; a ValueError leaves the selector as it was."""
        expected = self.state_dict()
        _check_keys("state", state, expected)
        for key in ("selector", "arms", "settings"):
            if state[key] != expected[key]:
                raise ValueError(f"state has {key} {state[key]!r}, this one {expected[key]!r}")
        counts = state["counts"]
        if len(counts) != len(self.arms) or not all(type(n) is int and n >= 0 for n in counts):
            raise ValueError(f"state needs {len(self.arms)} counts, integers >= 0, got {counts!r}")
        learned = state["learned"]
        _check_keys("state['learned']", learned, expected["learned"])
        self._load_learned(learned)
        self._counts = dict(zip(self.arms, counts, strict=True))


class _Unteachable(BaseSelector):
    """Records rewards over the whole run without looking at them; every arm is equally likely."""

    def __init__(self, arms: Sequence[str]) -> None:
        super().__init__(arms)
        self._moments = {arm: RunningMoments() for arm in self.arms}

    def _credit(self, arm: str, reward: float) -> None:
        self._moments[arm].add(reward)

    def means(self) -> dict[str, float]:
        """Each arm's mean over all rewards credited to it; 0.0 before the first."""
        return {arm: moments.mean for arm, moments in self._moments.items()}

    def scores(self) -> dict[str, float]:
        """The probability of each arm, 1 / len(arms)."""
        return dict.fromkeys(self.arms, 1.0 / len(self.arms))

    def _learned(self) -> dict[str, Any]:
        return {"moments": [moments.to_list() for moments in self._moments.values()]}

    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        moments = [RunningMoments.from_list(numbers) for numbers in learned["moments"]]
        if len(moments) != len(self.arms):
            raise ValueError(f"state needs {len(self.arms)} moments, got {len(moments)}")
        self._moments = dict(zip(self.arms, moments, strict=True))


class FixedArm(_Unteachable):
    """Always the same arm: a fixed augmentation, with a bandit's record of counts and means."""

    def __init__(self, arm: str) -> None:
        super().__init__((arm,))

    def _choose(self) -> str:
        return self.arms[0]


class UniformArm(_Unteachable):
    """Every arm with equal probability, independently: the baseline that a bandit must beat.

    Args:
        arms: as for `BaseSelector`.
        rng: draws the arms, one integer a selection. It is used as it is, not copied:
            `load_state_dict` sets its state.
    """

    def __init__(self, arms: Sequence[str], rng: np.random.Generator) -> None:
        super().__init__(arms)
        self._rng = rng

    def _choose(self) -> str:
        return self.arms[int(self._rng.integers(len(self.arms)))]

    def _settings(self) -> dict[str, Any]:
        return {"bit_generator": generators.kind(self._rng)}

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "rng": generators.get_state(self._rng)}

    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        before = generators.get_state(self._rng)
        generators.set_state(self._rng, learned["rng"])
        try:
            super()._load_learned(learned)
        except ValueError:
            generators.set_state(self._rng, before)
            raise


def _checked_arms(arms: Sequence[object]) -> tuple[str, ...]:
    if isinstance(arms, str):
        raise ValueError(f"arms must be a sequence of names, got the single string {arms!r}")
    names = tuple(arm for arm in arms if isinstance(arm, str) and arm)
    if len(names) != len(arms):
        raise ValueError(f"every arm must be a non-empty string, got {list(arms)}")
    if not names:
        raise ValueError("arms must hold at least one name, got none")
    if len(set(names)) != len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"arms must be distinct, got {list(names)} with {repeated} repeated")
    return names


def _check_keys(what: str, given: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    if set(given) != set(expected):
        raise ValueError(f"{what} has the keys {sorted(given)}, expected {sorted(expected)}")
