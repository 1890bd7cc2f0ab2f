"""What every selector promises, and the two that never learn."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from matrix import sampled

from ucb import (
    EXP3,
    ArmSelector,
    DiscountedUCB,
    FixedArm,
    SlidingWindowUCB,
    ThompsonSampling,
    UniformArm,
)
from ucb.moments import RunningMoments

ARMS = ("crop", "flip", "rotate")

SELECTORS: dict[str, Callable[[], ArmSelector]] = {
    "fixed": lambda: FixedArm("crop"),
    "uniform": lambda: UniformArm(ARMS, np.random.default_rng(3)),
    "ucb": lambda: SlidingWindowUCB(ARMS),
    "ucb-try-each-once": lambda: SlidingWindowUCB(ARMS, initial="try-each-once"),
    "ucb-standardized": lambda: SlidingWindowUCB(ARMS, reward="standardized"),
    "ucb-both": lambda: SlidingWindowUCB(ARMS, initial="try-each-once", reward="standardized"),
    "thompson": lambda: ThompsonSampling(ARMS, np.random.default_rng(3)),
    "discounted-ucb": lambda: DiscountedUCB(ARMS, discount=0.9),
    "exp3": lambda: EXP3(ARMS, np.random.default_rng(3), range_window=20),
}


@pytest.fixture(params=SELECTORS)
def make(request: pytest.FixtureRequest) -> Callable[[], ArmSelector]:
    return SELECTORS[request.param]


def play(selector: ArmSelector, rewards: npt.NDArray[np.float64]) -> list[str]:
    """Select and credit once per reward, the credit one selection late as in training."""
    selected: list[str] = []
    for reward in rewards:
        if selected:
            selector.update(selected[-1], reward)
        selected.append(selector.select())
    return selected


def test_counts_and_means_start_at_zero(make: Callable[[], ArmSelector]) -> None:
    selector = make()
    assert isinstance(selector, ArmSelector)
    assert selector.counts() == dict.fromkeys(selector.arms, 0)
    assert selector.means() == dict.fromkeys(selector.arms, 0.0)
    assert tuple(selector.scores()) == selector.arms


def test_counts_are_the_selections(make: Callable[[], ArmSelector]) -> None:
    selector = make()
    selected = play(selector, np.random.default_rng(0).normal(size=60))
    assert selector.counts() == {arm: selected.count(arm) for arm in selector.arms}


def test_looking_changes_nothing(make: Callable[[], ArmSelector]) -> None:
    rewards = np.random.default_rng(1).normal(size=60)
    watched, unwatched = make(), make()
    for reward in rewards:
        watched.counts()["crop"] = 99
        watched.means()["crop"] = 99.0
        watched.scores()["crop"] = 99.0
        watched.state_dict()["counts"][0] = 99
        arm = watched.select()
        assert arm == unwatched.select()
        watched.update(arm, reward)
        unwatched.update(arm, reward)


def test_a_state_through_json_continues_identically(make: Callable[[], ArmSelector]) -> None:
    rewards = np.random.default_rng(2).normal(0.3, 0.1, size=120)
    original, copy = make(), make()
    play(copy, rewards[:7])  # whatever the copy did before is forgotten
    play(original, rewards[:60])
    copy.load_state_dict(json.loads(json.dumps(original.state_dict(), allow_nan=False)))
    assert copy.state_dict() == original.state_dict()
    assert play(copy, rewards[60:]) == play(original, rewards[60:])
    assert copy.means() == original.means()
    assert copy.scores() == original.scores()


def test_a_saved_state_is_a_snapshot(make: Callable[[], ArmSelector]) -> None:
    selector = make()
    play(selector, np.ones(5))
    state = selector.state_dict()
    before = json.dumps(state)
    play(selector, np.arange(5.0))
    assert json.dumps(state) == before


def test_a_foreign_state_is_refused_and_changes_nothing(make: Callable[[], ArmSelector]) -> None:
    selector = make()
    play(selector, np.arange(5.0))
    good = json.dumps(selector.state_dict())
    spoiled: list[dict[str, object]] = [
        {"selector": "Oracle"},
        {"arms": ["a", "b", "c"]},
        {"settings": {"window": -1}},
        {"counts": [1] * (len(selector.arms) + 1)},
        {"counts": [-1] * len(selector.arms)},
        {"counts": [0.5] * len(selector.arms)},
        {"learned": {}},
        {"surprise": 1},
    ]
    for change in spoiled:
        with pytest.raises(ValueError, match=r"state"):
            selector.load_state_dict({**json.loads(good), **change})
        assert json.dumps(selector.state_dict()) == good


NAN = math.nan
OTHER_RNG = {**np.random.Generator(np.random.MT19937(1)).bit_generator.state, "state": {}}

IMPOSSIBLE: list[tuple[str, dict[str, object], str]] = [
    *(
        ("uniform", {"moments": moments}, "moments")
        for moments in ([[1, 0.5, 0.0]], [[1, 0.5]] * 3, [[-1, 0.5, 0.0]] * 3, [[1, NAN, 0.0]] * 3)
    ),
    *(
        ("ucb", {"windows": windows}, "window")
        for windows in ([[0.5], []], [[0.5] * 11, [], []], [[NAN], [], []])
    ),
    ("ucb", {"all_rewards": [1, 0.5]}, "moments"),
    ("ucb", {"all_rewards": [1, 0.5, -1.0]}, "moments"),
    ("thompson", {"moments": [[1, 0.5, 0.0]]}, "moments"),
    ("thompson", {"rng": OTHER_RNG}, "MT19937|PRNG|PCG64"),
    ("discounted-ucb", {"weights": [1.0]}, "state needs 3 finite"),
    ("discounted-ucb", {"weights": [-1.0, 0, 0]}, "state needs 3 finite"),
    ("discounted-ucb", {"means": [NAN] * 3}, "state needs 3 finite"),
    ("exp3", {"log_weights": [0.0]}, "state needs"),
    ("exp3", {"log_weights": [math.inf, 0, 0]}, "state needs"),
    ("exp3", {"drawn_with": [0.0, 0.5, 0.5]}, "state needs"),
    ("exp3", {"recent": [1.0] * 21}, "state needs"),
    ("exp3", {"recent": [NAN]}, "state needs"),
    ("exp3", {"moments": []}, "state needs"),
]
"""Selector, what it would have learned, and the message."""


@pytest.mark.parametrize(("name", "learned", "message"), IMPOSSIBLE)
def test_an_impossible_state_is_refused_and_changes_nothing(
    name: str, learned: dict[str, object], message: str
) -> None:
    selector = SELECTORS[name]()
    selector.update(selector.select(), 0.7)
    good = json.dumps(selector.state_dict())
    state = json.loads(good)
    state["learned"].update(learned)
    with pytest.raises(ValueError, match=message):
        selector.load_state_dict(state)
    assert json.dumps(selector.state_dict()) == good


OPTIONS: list[tuple[Callable[..., ArmSelector], dict[str, object], str]] = [
    (SlidingWindowUCB, {"exploration": -0.1}, "exploration must be a finite number >= 0, got -0.1"),
    (SlidingWindowUCB, {"exploration": math.inf}, "must be a finite number >= 0, got inf"),
    (SlidingWindowUCB, {"window": 0}, "window must be an integer >= 1, got 0"),
    (SlidingWindowUCB, {"window": 2.5}, "window must be an integer >= 1, got 2.5"),
    (SlidingWindowUCB, {"window": True}, "window must be an integer >= 1, got True"),
    (SlidingWindowUCB, {"initial": "zeros"}, r"one of \('prior', 'try-each-once'\), got 'zeros'"),
    (SlidingWindowUCB, {"reward": "rank"}, r"one of \('raw', 'standardized'\), got 'rank'"),
    (DiscountedUCB, {"discount": 0}, "discount must be a number above 0 and at most 1, got 0"),
    (DiscountedUCB, {"discount": 1.01}, "at most 1, got 1.01"),
    (DiscountedUCB, {"discount": NAN}, "got nan"),
    (DiscountedUCB, {"exploration": -0.1}, "exploration must be a finite number >= 0, got -0.1"),
    (DiscountedUCB, {"exploration": math.inf}, "exploration must be a finite number >= 0, got inf"),
    (EXP3, {"exploration": 0}, "exploration must be a number above 0 and at most 1, got 0"),
    (EXP3, {"exploration": 1.5}, "at most 1, got 1.5"),
    (EXP3, {"range_window": 1}, "range_window must be an integer >= 2, got 1"),
    (EXP3, {"range_window": 2.5}, "range_window must be an integer >= 2, got 2.5"),
    (ThompsonSampling, {"prior_mean": math.inf}, "prior_mean must be a finite number, got inf"),
    (ThompsonSampling, {"prior_weight": 0}, "prior_weight must be a finite number > 0, got 0"),
    (ThompsonSampling, {"prior_shape": -1}, "prior_shape must be a finite number > 0, got -1"),
    (ThompsonSampling, {"prior_scale": NAN}, "prior_scale must be a finite number > 0, got nan"),
]


@pytest.mark.parametrize(("cls", "options", "message"), OPTIONS)
def test_impossible_options_are_refused(
    cls: Callable[..., ArmSelector], options: dict[str, object], message: str
) -> None:
    rng = (np.random.default_rng(0),) if cls in (EXP3, ThompsonSampling) else ()
    with pytest.raises(ValueError, match=message):
        cls(ARMS, *rng, **options)


EIGHT = tuple("abcdefgh")
CONSTANT: dict[str, tuple[Callable[[int], ArmSelector], float, float]] = {
    "discounted-ucb": (lambda seed: DiscountedUCB(EIGHT), 0.2, 0.5),
    "exp3": (lambda seed: EXP3(EIGHT, np.random.default_rng(seed)), 0.1, 0.5),
    "thompson": (lambda seed: ThompsonSampling(EIGHT, np.random.default_rng(seed)), 0.1, 0.6),
}
"""By how much the best arm pays more than the others, and the share of pulls it then gets."""

LEVELS = {"discounted-ucb": (0.0, 0.3, 5.0), "exp3": (-3.0, 0.3, 50.0), "thompson": (0.0, 0.3, 1.0)}


@pytest.mark.parametrize("best", sampled(range(8), (0, 5)))
@pytest.mark.parametrize(("name", "level"), [(n, x) for n in LEVELS for x in LEVELS[n]])
def test_the_best_of_constant_arms_dominates(name: str, level: float, best: int) -> None:
    make, gap, share = CONSTANT[name]
    selector = make(best)
    for _ in range(1525):
        arm = selector.select()
        selector.update(arm, level + gap * (arm == EIGHT[best]))
    counts = selector.counts()
    assert counts[EIGHT[best]] == max(counts.values()) > share * 1525
    assert name != "exp3" or selector.scores()[EIGHT[best]] > 0.9


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_reward_that_is_not_finite_is_refused(
    make: Callable[[], ArmSelector], reward: float
) -> None:
    selector = make()
    before = selector.state_dict()
    with pytest.raises(ValueError, match=rf"'crop' must be a finite number, got {float(reward)}"):
        selector.update("crop", reward)
    assert selector.state_dict() == before


def test_an_unknown_arm_is_refused_with_the_allowed_ones(make: Callable[[], ArmSelector]) -> None:
    with pytest.raises(ValueError, match=r"unknown arm 'blur'; allowed: \['crop'"):
        make().update("blur", 1.0)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ((), "at least one"),
        (("crop", "flip", "crop"), r"distinct.*\['crop'\] repeated"),
        ("crop", "single string 'crop'"),
        (("crop", ""), "non-empty string"),
        (("crop", 3), "non-empty string"),
    ],
)
@pytest.mark.parametrize("kind", ["uniform", "ucb"])
def test_impossible_arms_are_refused(kind: str, arms: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UniformArm(arms, np.random.default_rng(0)) if kind == "uniform" else SlidingWindowUCB(arms)


def test_fixed_arm_stays_and_keeps_the_books() -> None:
    selector = FixedArm("crop")
    assert play(selector, np.array([9.0, 1.0, 2.0, 6.0])) == ["crop"] * 4
    assert selector.arms == ("crop",)
    assert selector.counts() == {"crop": 4}
    assert selector.means() == {"crop": pytest.approx(3.0)}
    assert selector.scores() == {"crop": 1.0}
    with pytest.raises(ValueError, match="non-empty string"):
        FixedArm("")


def test_uniform_arm_is_uniform() -> None:
    arms = tuple("abcdefgh")
    selector = UniformArm(arms, np.random.default_rng(11))
    draws = 8000
    for _ in range(draws):
        selector.select()
    observed = np.array(list(selector.counts().values()))
    expected = draws / len(arms)
    chi_squared = ((observed - expected) ** 2 / expected).sum()
    # The 2.5 % and 97.5 % quantiles with 7 degrees of freedom: neither biased nor too even.
    assert 1.69 < chi_squared < 16.01
    assert selector.scores() == dict.fromkeys(arms, 1 / 8)


def test_uniform_arm_ignores_rewards_and_obeys_its_generator() -> None:
    one, other = (UniformArm(ARMS, np.random.default_rng(5)) for _ in range(2))
    assert play(one, np.zeros(50)) == play(other, np.arange(50.0))
    assert one.means() != other.means()


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_uniform_arm_saves_every_bit_generator_of_numpy(name: str) -> None:
    bit_generator = getattr(np.random, name)
    original = UniformArm(ARMS, np.random.Generator(bit_generator(1)))
    play(original, np.zeros(33))
    copy = UniformArm(ARMS, np.random.Generator(bit_generator(2)))
    copy.load_state_dict(json.loads(json.dumps(original.state_dict())))
    assert play(copy, np.zeros(50)) == play(original, np.zeros(50))


def test_uniform_arm_refuses_the_state_of_another_bit_generator() -> None:
    state = UniformArm(ARMS, np.random.Generator(np.random.MT19937(1))).state_dict()
    with pytest.raises(ValueError, match="MT19937"):
        UniformArm(ARMS, np.random.default_rng(1)).load_state_dict(state)


def test_running_moments_match_numpy() -> None:
    values = 1e6 + np.random.default_rng(6).normal(size=1000)
    moments = RunningMoments()
    for value in values:
        moments.add(value)
    assert moments.mean == pytest.approx(values.mean(), rel=1e-13)
    assert moments.std == pytest.approx(values.std(), rel=1e-9)


def test_running_moments_of_equal_numbers_have_no_spread() -> None:
    moments = RunningMoments()
    for _ in range(1525):
        moments.add(0.30)
    assert (moments.mean, moments.std) == (0.30, 0.0)
