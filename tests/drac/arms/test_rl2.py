"""The recurrent selector: its gradient step against an independent one, its memory, its state."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import tiny_config, tiny_training
from torch import Tensor

from drac.arms.rl2 import RecurrentPolicy, RL2Selector
from ucb import ArmSelector

ARMS = ("a", "b", "c")


def make(seed: int = 0, **options: Any) -> RL2Selector:
    return RL2Selector(ARMS, torch.Generator().manual_seed(seed), **options)


def gru_by_hand(weights: dict[str, Tensor], x: Tensor, h: Tensor) -> Tensor:
    """Cho et al. 2014, as torch's documentation spells it, in double precision."""
    gates_x = weights["gru.weight_ih_l0"] @ x + weights["gru.bias_ih_l0"]
    gates_h = weights["gru.weight_hh_l0"] @ h + weights["gru.bias_hh_l0"]
    (rx, zx, nx), (rh, zh, nh) = gates_x.chunk(3), gates_h.chunk(3)
    r, z = torch.sigmoid(rx + rh), torch.sigmoid(zx + zh)
    return (1 - z) * torch.tanh(nx + r * nh) + z * h


def tower_by_hand(weights: dict[str, Tensor], name: str, h: Tensor) -> Tensor:
    for layer in (0, 2):
        h = torch.tanh(weights[f"{name}.{layer}.weight"] @ h + weights[f"{name}.{layer}.bias"])
    return weights[f"{name}.4.weight"] @ h + weights[f"{name}.4.bias"]


@pytest.mark.parametrize("reward_input", ["latest", "previous"])
def test_thirty_steps_are_those_of_an_independent_actor_critic(reward_input: str) -> None:
    """Forward pass, loss, clipping and Adam written out, in double precision, step by step."""
    selector = make(reward_input=reward_input, learning_rate=0.01, entropy_coef=0.05)
    weights = {
        name: w.double().requires_grad_() for name, w in selector.policy.state_dict().items()
    }
    first = {name: torch.zeros_like(w) for name, w in weights.items()}
    second = {name: torch.zeros_like(w) for name, w in weights.items()}
    h, x = torch.zeros(32, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    last_reward, rewards = 0.0, np.random.default_rng(1).normal(0.5, 0.5, size=30)
    for t, reward in enumerate(rewards.tolist(), 1):
        x_t, h_t = x, h
        probabilities = tower_by_hand(weights, "actor", gru_by_hand(weights, x_t, h_t)).softmax(0)
        assert list(selector.scores().values()) == pytest.approx(probabilities.tolist(), abs=1e-4)
        with torch.no_grad():
            h = gru_by_hand(weights, x_t, h_t)
        arm = ARMS.index(selector.select())
        one_hot = [float(arm == k) for k in range(3)]
        x = torch.tensor([reward if reward_input == "latest" else last_reward, *one_hot]).double()
        last_reward = reward
        selector.update(ARMS[arm], reward)

        state = gru_by_hand(weights, x_t, h_t)
        pi = torch.distributions.Categorical(logits=tower_by_hand(weights, "actor", state))
        value = tower_by_hand(weights, "critic", state)[0]
        advantage = reward - value
        loss = -pi.log_prob(torch.tensor(arm)) * advantage.item()
        loss = loss + 0.5 * advantage**2 - 0.05 * pi.entropy()
        gradients = dict(zip(weights, torch.autograd.grad(loss, [*weights.values()]), strict=True))
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
        with torch.no_grad():
            for name, gradient in gradients.items():
                clipped = gradient * min(1.0, 0.5 / (norm + 1e-6))
                first[name] = 0.9 * first[name] + 0.1 * clipped
                second[name] = 0.999 * second[name] + 0.001 * clipped**2
                denominator = (second[name] / (1 - 0.999**t)).sqrt() + 1e-5
                weights[name] -= 0.01 * first[name] / (1 - 0.9**t) / denominator
    for name, weight in selector.policy.state_dict().items():
        torch.testing.assert_close(weight.double(), weights[name].detach(), rtol=0, atol=2e-4)


def test_the_network_is_that_of_the_paper() -> None:
    policy = RecurrentPolicy(8, 32, torch.Generator().manual_seed(0))
    shapes = {name: tuple(w.shape) for name, w in policy.state_dict().items()}
    assert shapes["gru.weight_ih_l0"] == (96, 9)
    assert shapes["actor.4.weight"] == (8, 32)
    assert shapes["critic.4.weight"] == (1, 32)
    logits, values, hidden = policy(torch.zeros(5, 2, 9), torch.zeros(2, 32))
    assert (logits.shape, values.shape, hidden.shape) == ((5, 2, 8), (5, 2), (2, 32))
    assert (logits.softmax(2) - 1 / 8).abs().max() < 0.01  # it begins next to uniform


def test_making_a_policy_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    make().select()
    assert torch.equal(torch.get_rng_state(), before)


def test_it_follows_the_protocol_and_counts() -> None:
    selector = make()
    assert isinstance(selector, ArmSelector)
    assert selector.means() == dict.fromkeys(ARMS, 0.0)
    selected = [selector.select() for _ in range(30)]  # credits may never come
    assert selector.counts() == {arm: selected.count(arm) for arm in ARMS}
    assert sum(selector.scores().values()) == pytest.approx(1)
    selector.update(selected[-1], 2.0)
    assert selector.means()[selected[-1]] == 2.0


def test_a_credit_for_an_earlier_choice_teaches_nothing() -> None:
    selector = make()
    arm = selector.select()
    before = selector.state_dict()["learned"]["weights"]
    selector.update(next(other for other in ARMS if other != arm), 1.0)
    assert selector.state_dict()["learned"]["weights"] == before
    arm = selector.select()
    selector.update(arm, 1.0)
    assert selector.state_dict()["learned"]["weights"] != before


def test_choices_follow_the_policy() -> None:
    selector = make()
    selector.policy.actor[4].bias.data = torch.tensor([0.2, 0.3, 0.5]).log()
    selector.policy.actor[4].weight.data.zero_()
    draws = [selector.select() for _ in range(6000)]
    shares = [draws.count(arm) / 6000 for arm in ARMS]
    assert shares == pytest.approx([0.2, 0.3, 0.5], abs=0.02)


@pytest.mark.parametrize(
    "best", ["a", *(pytest.param(arm, marks=pytest.mark.full) for arm in ("b", "c"))]
)
def test_the_best_of_constant_arms_is_found_in_a_long_task(best: str) -> None:
    selector = make(seed=ARMS.index(best), learning_rate=5e-3)
    for _ in range(600):
        arm = selector.select()
        selector.update(arm, float(arm == best))
    assert selector.scores()[best] > 0.9


def test_a_state_through_json_continues_with_the_same_bits() -> None:
    rewards = np.random.default_rng(2).normal(0.3, 0.1, size=40).tolist()

    def play(selector: RL2Selector, credited: list[float]) -> list[str]:
        selected = []
        for reward in credited:  # ends with a choice that has no credit yet
            if sum(selector.counts().values()):
                selector.update(selector._last, reward)  # type: ignore[attr-defined]
            selected.append(selector.select())
            selector._last = selected[-1]  # type: ignore[attr-defined]
        return selected

    for options in ({}, {"reward_input": "previous"}):
        original, copy = make(0, **options), make(1, **options)
        play(copy, rewards[:7])
        last = play(original, rewards[:20])[-1]
        copy.load_state_dict(json.loads(json.dumps(original.state_dict(), allow_nan=False)))
        copy._last = last  # type: ignore[attr-defined]
        assert copy.state_dict() == original.state_dict()
        assert len(copy.state_dict()["learned"]["adam"]) == 16
        assert play(copy, rewards[20:]) == play(original, rewards[20:])
        assert copy.state_dict() == original.state_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"moments": []},
        {"weights": {}},
        {"adam": [{"step": 1.0}]},
        {"generator": [1, 2, 3]},
        {"memory": {"inputs": [0.0], "hidden": [0.0]}},
        {"memory": {"surprise": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_foreign_state_changes_nothing(change: dict[str, Any]) -> None:
    selector = make()
    selector.update(selector.select(), 1.0)
    good = json.dumps(selector.state_dict())
    state = json.loads(good)
    state["learned"].update(change)
    with pytest.raises(ValueError, match="state"):
        selector.load_state_dict(state)
    assert json.dumps(selector.state_dict()) == good
    with pytest.raises(ValueError, match="settings"):
        make(hidden_size=8).load_state_dict(json.loads(good))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be an integer >= 1, got 0"),
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0, got 0"),
        ({"entropy_coef": math.nan}, "entropy_coef must be a finite number >= 0, got nan"),
        ({"reward_input": "next"}, r"reward_input must be one of \('latest', 'previous'\)"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)


# As a method


def test_the_options_and_presets_reach_the_policy() -> None:
    options = {"rl2_hidden_size": 8, "rl2_learning_rate": 0.1, "rl2_entropy_coef": 0.2}
    selector = tiny_training(tiny_config(method="rl2-drac", **options)).selector
    assert isinstance(selector, RL2Selector)
    assert selector.state_dict()["settings"] == {
        "hidden_size": 8,
        "learning_rate": 0.1,
        "entropy_coef": 0.2,
        "reward_input": "latest",
    }
    released = tiny_training(tiny_config(method="rl2-drac", fidelity="released")).selector
    assert released.state_dict()["settings"] == {
        "hidden_size": 32,
        "learning_rate": 5e-4,
        "entropy_coef": 0.001,
        "reward_input": "previous",
    }
