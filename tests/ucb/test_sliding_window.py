"""The bandit of UCB-DrAC: recorded numbers, a slow oracle, and what it does to known payoffs."""

from __future__ import annotations

import math
import statistics
from typing import get_args

import numpy as np
import pytest
from checkout import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st

from ucb import SlidingWindowUCB
from ucb.sliding_window import Initial, RewardUnit

ARMS = (
    "crop",
    "random-conv",
    "grayscale",
    "flip",
    "rotate",
    "cutout",
    "cutout-color",
    "color-jitter",
)
PAPER_UPDATES = 1525  # 25M steps in rollouts of 16,384

OPTIONS = [(initial, reward) for initial in get_args(Initial) for reward in get_args(RewardUnit)]
each_option = pytest.mark.parametrize(("initial", "reward"), OPTIONS)


def test_the_released_bandit_is_reproduced() -> None:
    golden = np.load(GOLDEN / "ucb.npz")
    selector = SlidingWindowUCB(ARMS, float(golden["coef"]), int(golden["window"]))
    for i, expected_arm in enumerate(golden["arms"]):
        if i > 0:
            selector.update(ARMS[golden["arms"][i - 1]], golden["rewards"][i - 1])
            np.testing.assert_allclose(
                list(selector.means().values()), golden["q"][i - 1], rtol=0, atol=1e-12
            )
        np.testing.assert_allclose(
            list(selector.scores().values()), golden["scores"][i], rtol=0, atol=1e-12
        )
        assert selector.select() == ARMS[expected_arm], f"selection {i}"
    assert list(selector.counts().values()) == np.bincount(golden["arms"], minlength=8).tolist()


# --- An independent oracle: no running sums, everything again from the whole history ------------

Event = tuple[str, float | None]  # (arm, reward) is a credit, (arm, None) a selection


def oracle_scores(
    history: list[Event], arms: tuple[str, ...], c: float, window: int, initial: str, reward: str
) -> list[float]:
    selections = [arm for arm, value in history if value is None]
    credited = [(arm, value) for arm, value in history if value is not None]
    everything = [value for _, value in credited]
    scores = []
    for arm in arms:
        mine = [value for name, value in credited if name == arm][-window:]
        if reward == "standardized":
            spread = statistics.pstdev(everything) if everything else 0.0
            mine = [
                (value - statistics.mean(everything)) / spread if spread else 0.0 for value in mine
            ]
        q = statistics.mean(mine) if mine else 0.0
        n = selections.count(arm) + {"prior": 1, "try-each-once": 0}[initial]
        t = len(selections) + 1
        scores.append(q + c * math.sqrt(math.log(t) / n) if n > 0 else math.inf)
    return scores


# 16-bit rewards: ties and repeats are likely, and no spread is lost in rounding.
rewards_16_bit = st.floats(-4, 4, width=16).filter(lambda x: x == 0 or abs(x) > 1e-3)
# What is credited after a selection: nothing, the selected arm, or (late) any other.
credit = st.tuples(st.sampled_from(["none", "selected", "any"]), st.integers(0, 4), rewards_16_bit)


@each_option
@settings(max_examples=60, deadline=None)
@given(
    stream=st.lists(credit, max_size=40),
    num_arms=st.integers(1, 5),
    c=st.sampled_from([0.0, 0.1, 2.0]),
    window=st.integers(1, 12),
)
def test_every_step_agrees_with_a_slow_oracle(
    initial: Initial,
    reward: RewardUnit,
    stream: list[tuple[str, int, float]],
    num_arms: int,
    c: float,
    window: int,
) -> None:
    arms = ARMS[:num_arms]
    selector = SlidingWindowUCB(arms, c, window, initial, reward)
    history: list[Event] = []
    for to, index, value in stream:
        expected = oracle_scores(history, arms, c, window, initial, reward)
        scores = list(selector.scores().values())
        assert scores == pytest.approx(expected, rel=1e-9, abs=1e-9)
        arm = selector.select()
        assert arm == arms[scores.index(max(scores))]  # the first of equals
        history.append((arm, None))
        if to != "none":
            arm = arm if to == "selected" else arms[index % num_arms]
            selector.update(arm, value)
            history.append((arm, value))


# --- The parts of the rule ------------------------------------------------------------------------


def test_the_first_selection_has_no_bonus_and_takes_the_first_arm() -> None:
    selector = SlidingWindowUCB(ARMS)
    assert selector.scores() == dict.fromkeys(ARMS, 0.0)
    assert selector.select() == ARMS[0]


def test_a_mean_covers_the_last_rewards_of_its_own_arm_only() -> None:
    selector = SlidingWindowUCB(("a", "b"), window=3)
    for value in (100.0, 1.0, 2.0, 6.0):
        selector.update("a", value)
    assert selector.means() == {"a": 3.0, "b": 0.0}
    assert selector.counts() == {"a": 0, "b": 0}  # credits are not selections


@pytest.mark.parametrize("reward", get_args(RewardUnit))
@pytest.mark.parametrize("exploration", [0.0, 0.1])
def test_try_each_once_goes_through_the_arms_in_order(
    reward: RewardUnit, exploration: float
) -> None:
    selector = SlidingWindowUCB(ARMS, exploration, initial="try-each-once", reward=reward)
    first = []
    for i in range(len(ARMS)):
        assert selector.scores()[ARMS[i]] == math.inf
        first.append(selector.select())
        selector.update(first[-1], 10.0 - i)
    assert tuple(first) == ARMS
    assert all(math.isfinite(score) for score in selector.scores().values())
    assert selector.select() == ARMS[0]


def test_standardized_means_are_standard_deviations_above_the_mean_of_all_rewards() -> None:
    selector = SlidingWindowUCB(("a", "b", "c"), reward="standardized")
    selector.update("a", 3.0)
    assert selector.means() == {"a": 0.0, "b": 0.0, "c": 0.0}  # one reward has no spread
    selector.update("b", 5.0)
    assert selector.means() == {"a": -1.0, "b": 1.0, "c": 0.0}


@each_option
def test_a_shift_of_all_rewards_matters_only_to_raw(initial: Initial, reward: RewardUnit) -> None:
    def selected(shift: float) -> list[str]:
        selector = SlidingWindowUCB(ARMS, initial=initial, reward=reward)
        return pull(selector, "rotate", base=0.05 + shift, seed=0)

    matters = (initial, reward) == ("prior", "raw")
    assert (selected(0.0) != selected(10.0)) == matters


@pytest.mark.parametrize(
    "other",
    [{"exploration": 0.2}, {"window": 9}, {"initial": "try-each-once"}, {"reward": "standardized"}],
)
def test_a_state_of_other_settings_is_refused(other: dict[str, object]) -> None:
    state = SlidingWindowUCB(ARMS).state_dict()
    with pytest.raises(ValueError, match="state has settings"):
        SlidingWindowUCB(ARMS, **other).load_state_dict(state)  # type: ignore[arg-type]


# --- Known payoffs, over a whole run's 1,525 updates ----------------------------------------------


def pull(
    selector: SlidingWindowUCB, best: str, base: float, seed: int, gap: float = 0.10
) -> list[str]:
    """Play 1,525 times: `best` pays base + gap and the others base, with normal noise of 0.02."""
    noise = np.random.default_rng(seed).normal(0.0, 0.02, size=PAPER_UPDATES)
    selected = []
    for epsilon in noise:
        arm = selector.select()
        selector.update(arm, base + gap * (arm == best) + epsilon)
        selected.append(arm)
    return selected


@each_option
@pytest.mark.parametrize("best", [ARMS[0], ARMS[4], ARMS[7]])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_arm_is_found_at_a_low_level(
    initial: Initial, reward: RewardUnit, best: str, seed: int
) -> None:
    selector = SlidingWindowUCB(ARMS, initial=initial, reward=reward)
    assert pull(selector, best, base=0.05, seed=seed).count(best) >= 0.8 * PAPER_UPDATES


def test_a_constant_return_locks_on_to_the_first_arm() -> None:
    """Recorded weakness of the paper's constants: docs/fidelity.md, 'Worth knowing'.

    The bonus of an untried arm never exceeds 0.1 * sqrt(ln 1525) = 0.27 < 0.30.
    """
    selector = SlidingWindowUCB(ARMS)
    for _ in range(PAPER_UPDATES):
        selector.update(selector.select(), 0.30)
    assert selector.counts() == {**dict.fromkeys(ARMS, 0), "crop": PAPER_UPDATES}
    assert max(selector.scores()[arm] for arm in ARMS[1:]) == pytest.approx(0.2708, abs=1e-3)


def test_a_constant_return_below_the_largest_bonus_does_not_lock() -> None:
    selector = SlidingWindowUCB(ARMS)
    for _ in range(PAPER_UPDATES):
        selector.update(selector.select(), 0.25)
    assert 0 < selector.counts()["crop"] < PAPER_UPDATES


@pytest.mark.parametrize(("initial", "reward"), OPTIONS[1:])  # all but ("prior", "raw"): it locks
def test_a_constant_return_is_spread_evenly_by_the_options(
    initial: Initial, reward: RewardUnit
) -> None:
    selector = SlidingWindowUCB(ARMS, initial=initial, reward=reward)
    for _ in range(PAPER_UPDATES):
        selector.update(selector.select(), 0.30)
    counts = selector.counts().values()
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("best", [ARMS[1], ARMS[4], ARMS[7]])
@pytest.mark.parametrize("base", [0.30, 10.0])
@pytest.mark.parametrize("seed", range(3))
def test_standardized_rewards_find_the_best_arm_where_raw_ones_lock(
    best: str, base: float, seed: int
) -> None:
    raw = pull(SlidingWindowUCB(ARMS), best, base, seed)
    assert raw.count(ARMS[0]) == PAPER_UPDATES
    standardized = pull(SlidingWindowUCB(ARMS, reward="standardized"), best, base, seed)
    assert standardized.count(best) >= 0.8 * PAPER_UPDATES


@pytest.mark.parametrize("reward", get_args(RewardUnit))
@pytest.mark.parametrize("seed", range(3))
def test_trying_each_once_finds_the_best_arm_at_any_level(reward: RewardUnit, seed: int) -> None:
    selector = SlidingWindowUCB(ARMS, initial="try-each-once", reward=reward)
    assert pull(selector, ARMS[7], base=10.0, seed=seed).count(ARMS[7]) >= 0.8 * PAPER_UPDATES
