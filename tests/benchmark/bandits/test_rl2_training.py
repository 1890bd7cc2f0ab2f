"""RL^2 over many tasks: what is played, what is learned, and that it learns to learn."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import numpy as np
import pytest
import torch
from checkout import ROOT

from benchmark.bandits import rl2_training
from benchmark.bandits import tasks as bandit_tasks
from benchmark.bandits.rl2_training import MetaSettings, Trial, draw_tasks, meta_train, play, regret
from benchmark.bandits.tasks import (
    NEW_TASKS,
    NUM_ARMS,
    TRAINED,
    TRAINING_TASKS,
    UNTRAINED,
    Outcome,
    shares,
)
from drac.arms.rl2 import RecurrentPolicy

DOCS = ROOT / "docs"
EVIDENCE = ROOT / "results" / "evidence" / "bandits"


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
            assert trial.rewards[t, b] in (0.0, 1.0)
            if t < 19:
                reward, *one_hot = trial.inputs[t + 1, b].tolist()
                assert reward == trial.rewards[t, b]
                assert one_hot == [float(arm == k) for k in range(4)]


def test_arms_pay_with_their_probabilities() -> None:
    tasks = torch.tensor([[0.1, 0.5, 0.9]]).expand(400, 3)
    trial = play(RecurrentPolicy(3, 8, generator()), tasks, 30, generator(3))
    shares = [float(trial.rewards[trial.arms == arm].mean()) for arm in range(3)]
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


def test_a_relabelled_trial_is_one_of_renamed_arms() -> None:
    """By a slow loop."""
    tasks = draw_tasks(6, 4, generator(1))
    trial = play(RecurrentPolicy(4, 8, generator()), tasks, 9, generator(2))
    names = torch.stack([torch.randperm(4, generator=generator(b)) for b in range(6)])
    renamed = trial.relabelled(names)
    assert not torch.equal(renamed.arms, trial.arms)
    renamed_tasks = torch.empty_like(tasks)
    for b in range(6):
        for arm in range(4):
            renamed_tasks[b, names[b, arm]] = tasks[b, arm]
        for t in range(9):
            assert renamed.arms[t, b] == names[b, trial.arms[t, b]]
            assert renamed.expected[t, b] == renamed_tasks[b, renamed.arms[t, b]]
            if t:
                shown = renamed.inputs[t, b].tolist()
                assert shown[0] == trial.rewards[t - 1, b]
                assert shown[1:] == [float(k == renamed.arms[t - 1, b]) for k in range(4)]
    assert not renamed.inputs[0].any()
    assert renamed.rewards is trial.rewards
    back = renamed.relabelled(names.argsort(1))
    assert torch.equal(back.arms, trial.arms)
    assert torch.equal(back.inputs, trial.inputs)


def test_nothing_but_payments_of_pulled_arms_is_learned_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every task is played once, and the probabilities themselves teach nothing."""
    played: list[torch.Tensor] = []
    tasks, weights = draw_tasks(20, 3, generator(1)), []
    for blank in (False, True):

        def spy(policy: RecurrentPolicy, batch: torch.Tensor, *rest: Any) -> Trial:
            played.append(batch)
            trial = play(policy, batch, *rest)
            hidden = torch.full_like(trial.expected, torch.nan)
            return dataclasses.replace(trial, expected=hidden) if blank else trial  # noqa: B023

        monkeypatch.setattr(rl2_training, "play", spy)
        policy = RecurrentPolicy(3, 8, generator())
        meta_train(policy, tasks, generator(2), MetaSettings(pulls=5, batch=10, epochs=2))
        weights.append(policy.state_dict())
    assert torch.equal(torch.cat(played), torch.cat((tasks, tasks)))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_regret_of_an_untrained_policy_is_that_of_uniform_play() -> None:
    tasks = draw_tasks(400, 4, generator(1))
    uniform = float((tasks.amax(1) - tasks.mean(1)).mean()) * 30
    regrets = regret(RecurrentPolicy(4, 8, generator()), tasks, 30, generator(2))
    assert float(regrets.min()) >= 0
    assert float(regrets.mean()) == pytest.approx(uniform, rel=0.05)


def test_training_repeats_bit_for_bit_and_touches_no_global_generator() -> None:
    settings = MetaSettings(pulls=5, batch=10, epochs=3)
    before = torch.get_rng_state()
    trained = []
    for _ in range(2):
        policy = RecurrentPolicy(3, 8, generator())
        start = {name: weight.clone() for name, weight in policy.state_dict().items()}
        shares: list[float] = []
        meta_train(policy, draw_tasks(40, 3, generator(1)), generator(2), settings, shares.append)
        trained.append(policy.state_dict())
        assert shares == [0.25, 0.5, 0.75, 1.0]
        assert not any(torch.equal(start[name], policy.state_dict()[name]) for name in start)
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="20 tasks do not divide into batches of 7"):
        meta_train(policy, draw_tasks(20, 3, generator()), generator(), MetaSettings(batch=7))


@pytest.mark.parametrize("relabel", [False, True])
def test_without_later_pulls_it_learns_what_always_pays(relabel: bool) -> None:
    """One pull a task, and arm 2 the best of all tasks: only arms that keep their names tell."""
    tasks = torch.tensor([[0.1, 0.2, 0.9]]).expand(2000, 3)
    policy = RecurrentPolicy(3, 8, generator())
    settings = MetaSettings(pulls=1, epochs=20, relabel=relabel)
    meta_train(policy, tasks, generator(1), settings)
    assert (float(regret(policy, tasks, 1, generator(2)).mean()) < 0.1) != relabel


def test_a_short_training_learns_to_learn() -> None:
    """The same in seconds: 1,000 tasks of two arms and ten pulls."""
    new = draw_tasks(1000, 2, generator(3))
    policy = RecurrentPolicy(2, 16, generator())
    before = float(regret(policy, new, 10, generator(4)).mean())
    meta_train(policy, draw_tasks(1000, 2, generator(1)), generator(2), MetaSettings(pulls=10))
    after = float(regret(policy, new, 10, generator(4)).mean())
    print(f"regret {before:.2f} untrained, {after:.2f} trained")
    assert after < 0.7 * before


@pytest.mark.full
@pytest.mark.slow
def test_it_learns_to_learn() -> None:
    """Done-when of RL^2: at most half of uniform play's regret on tasks never seen."""
    settings = MetaSettings()
    assert settings.pulls == 50
    assert (NUM_ARMS, TRAINING_TASKS, NEW_TASKS) == (4, 2000, 200)
    outcomes = bandit_tasks.compare(0)
    print(bandit_tasks.table(outcomes, dataclasses.asdict(settings)).markdown())
    assert shares(outcomes, TRAINED)[0] <= 0.5
    assert shares(outcomes, UNTRAINED)[0] > 0.9


def committed() -> tuple[dict[str, Any], list[Outcome]]:
    content = json.loads((EVIDENCE / "rl2-tasks.json").read_text(encoding="utf-8"))
    return content["settings"], [Outcome(**outcome) for outcome in content["outcomes"]]


def test_the_committed_results_say_so_with_every_seed() -> None:
    settings, outcomes = committed()
    assert settings == dataclasses.asdict(MetaSettings())
    players = {TRAINED, UNTRAINED, "uniform", "ucb", "ucb, each once", "ucb1", "thompson"}
    assert {(o.seed, o.player) for o in outcomes} == set(itertools.product(range(5), players))
    assert max(shares(outcomes, TRAINED)) <= 0.5
    assert np.median(shares(outcomes, TRAINED)) <= 0.45


def test_the_committed_results_of_the_others_can_be_made_again() -> None:
    """All that takes no training; the untrained network to what a product of floats leaves."""
    settings, outcomes = committed()
    again = bandit_tasks.others(3, settings["pulls"])
    kept = [o for o in outcomes if o.seed == 3 and o.player != TRAINED]
    assert [o for o in again if o.player != UNTRAINED] == [o for o in kept if o.player != UNTRAINED]
    assert again[0].regret == pytest.approx(kept[0].regret, rel=0.02)


def test_the_page_shows_the_committed_results() -> None:
    settings, outcomes = committed()
    rows = [
        line
        for line in bandit_tasks.table(outcomes, settings).markdown().splitlines()
        if line.startswith("|")
    ]
    assert "\n".join(rows) in (DOCS / "methods.md").read_text(encoding="utf-8")
