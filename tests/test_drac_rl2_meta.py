"""RL^2 over many tasks: what is played, what is learned, and that it learns to learn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmark import bandit_tasks
from drac.rl2 import RecurrentPolicy
from drac.rl2_meta import MetaSettings, draw_tasks, meta_train, play, regret

EVIDENCE = Path(__file__).parent.parent / "results" / "evidence" / "bandits" / "rl2-tasks.json"


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_trial_shows_the_policy_its_own_arms_and_rewards() -> None:
    policy = RecurrentPolicy(4, 8, generator())
    tasks = draw_tasks(30, 4, generator(1))
    trial = play(policy, tasks, 20, generator(2))
    assert trial.inputs.shape == (20, 30, 5)
    assert not trial.inputs[0].any()
    for t in range(20):
        for b in range(30):
            arm = int(trial.arms[t, b])
            assert trial.expected[t, b] == tasks[b, arm]
            if t < 19:
                reward, *one_hot = trial.inputs[t + 1, b].tolist()
                assert reward in (0.0, 1.0)
                assert one_hot == [float(arm == k) for k in range(4)]


def test_arms_pay_with_their_probabilities() -> None:
    tasks = torch.tensor([[0.1, 0.5, 0.9]]).expand(400, 3)
    trial = play(RecurrentPolicy(3, 8, generator()), tasks, 30, generator(3))
    paid, arms = trial.inputs[1:, :, 0], trial.arms[:-1]
    shares = [float(paid[arms == arm].mean()) for arm in range(3)]
    assert shares == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_a_trial_is_one_pass_of_the_network() -> None:
    """Step by step when playing, all steps at once when learning: the same logits."""
    policy = RecurrentPolicy(4, 8, generator())
    trial = play(policy, draw_tasks(5, 4, generator(1)), 12, generator(2))
    whole, values, last = policy(trial.inputs, torch.zeros(5, 8))
    hidden = torch.zeros(5, 8)
    for t in range(12):
        logits, value, hidden = policy(trial.inputs[t : t + 1], hidden)
        torch.testing.assert_close(logits[0], whole[t])
        torch.testing.assert_close(value[0], values[t])
    torch.testing.assert_close(hidden, last)


def test_the_regret_of_an_untrained_policy_is_that_of_uniform_play() -> None:
    tasks = draw_tasks(400, 4, generator(1))
    uniform = float((tasks.amax(1) - tasks.mean(1)).mean()) * 30
    regrets = regret(RecurrentPolicy(4, 8, generator()), tasks, 30, generator(2))
    assert float(regrets.min()) >= 0
    assert float(regrets.mean()) == pytest.approx(uniform, rel=0.05)


def test_training_repeats_bit_for_bit_and_touches_no_global_generator() -> None:
    settings = MetaSettings(pulls=5, passes=2, batch=10)
    before = torch.get_rng_state()
    trained = []
    for _ in range(2):
        policy = RecurrentPolicy(3, 8, generator())
        start = {name: weight.clone() for name, weight in policy.state_dict().items()}
        shares: list[float] = []
        meta_train(policy, draw_tasks(20, 3, generator(1)), generator(2), settings, shares.append)
        trained.append(policy.state_dict())
        assert shares == [0.25, 0.5, 0.75, 1.0]
        assert not any(torch.equal(start[name], policy.state_dict()[name]) for name in start)
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="20 tasks do not divide into batches of 7"):
        meta_train(policy, draw_tasks(20, 3, generator()), generator(), MetaSettings(batch=7))


def test_without_later_pulls_it_learns_what_always_pays() -> None:
    """One pull a task, and arm 2 the best of every task: a plain policy gradient finds it."""
    tasks = torch.tensor([[0.1, 0.2, 0.9]]).expand(100, 3)
    policy = RecurrentPolicy(3, 8, generator())
    meta_train(policy, tasks, generator(1), MetaSettings(pulls=1, passes=60, learning_rate=0.01))
    assert float(regret(policy, tasks, 1, generator(2)).mean()) < 0.1


def regrets_of(outcomes: list[bandit_tasks.Outcome]) -> dict[str, float]:
    return {outcome.player: outcome.regret for outcome in outcomes}


@pytest.mark.slow
def test_it_learns_to_learn() -> None:
    """Done-when of RL^2: at most half of uniform play's regret on tasks never seen."""
    settings, outcomes = bandit_tasks.compare(1)
    assert settings["pulls"] == 50
    assert (bandit_tasks.TRAINING_TASKS, bandit_tasks.NEW_TASKS) == (2000, 200)
    print(bandit_tasks.table(settings, outcomes).markdown())
    regrets = regrets_of(outcomes)
    assert regrets["rl2, trained on 2,000 tasks"] <= 0.5 * regrets["uniform"]
    assert regrets["rl2, untrained"] > 0.9 * regrets["uniform"]


def test_the_committed_result_says_so_too() -> None:
    content = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    regrets = {outcome["player"]: outcome["regret"] for outcome in content["outcomes"]}
    assert content["settings"]["pulls"] == 50
    assert regrets["rl2, trained on 2,000 tasks"] <= 0.5 * regrets["uniform"]
    assert {"ucb", "ucb1", "thompson", "rl2, untrained"} < regrets.keys()
