"""RL^2's network: what it is told of the last step, where it forgets, and when it is an LSTM's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_runs import same
from small_updates import NUM_ACTIONS, OBS_SHAPE, network_of
from tiny_runs import Numbers, grouped_training, tiny_config
from torch import Tensor

from drac.networks.lstm import RecurrentActorCritic
from drac.networks.rl2 import RL2ActorCritic
from drac.returns import gae
from drac.train import iterate
from drac.train.collect import collect, estimate_returns
from drac.train.state import Training

STEPS, ENVS = 7, 2
ENDED = np.array([[0, 0, 1, 1, 0, 1, 0], [1, 0, 0, 0, 1, 0, 0]], bool)  # of 2 envs, after step t
BEGINS = [[True, False, False, False, True, False, False], [True] + [False] * 4 + [True, False]]
"""Of trials of two episodes."""


@torch.no_grad()
def test_a_trial_is_remembered_with_its_actions_rewards_and_ends() -> None:
    """Step by step, beside a slow loop; and the same in sequences."""
    network = network_of(RL2ActorCritic, episodes_per_trial=2)
    random = np.random.default_rng(0)
    obs = torch.from_numpy(random.random((STEPS, ENVS, *OBS_SHAPE)))
    actions, rewards = random.integers(0, NUM_ACTIONS, (STEPS, ENVS)), random.random((STEPS, ENVS))
    memory = network.initial_memory(ENVS)
    given: dict[str, list[Tensor]] = {name: [] for name in memory if name not in network.carried}
    state = torch.zeros(2, ENVS, 16).double()
    found = []
    for t in range(STEPS):
        for n in range(ENVS):
            x = network.features(obs[t, n][None])[0]
            if BEGINS[n][t]:
                state[:, n] = 0
            else:
                told = torch.zeros(NUM_ACTIONS + 2).double()
                told[actions[t - 1, n]] = 1
                told[-2:] = torch.tensor([np.float32(rewards[t - 1, n]), ENDED[n, t - 1]])
                x = x + network.embed.weight @ told
            state[:, n] = torch.cat(network.lstm(x[None], (state[0, n][None], state[1, n][None])))
        for name, steps in given.items():
            steps.append(memory[name].clone())
        logits, _, carried = network.advance(obs[t], memory)
        torch.testing.assert_close(logits, network.heads(state[0])[0], rtol=0, atol=1e-12)
        memory |= carried
        network.note(memory, slice(0, ENVS), actions[t], rewards[t], ENDED[:, t])
        found.append(logits)
    sequences = {name: torch.stack(steps, dim=1) for name, steps in given.items()}
    assert sequences["firsts"].tolist() == BEGINS
    assert sequences["episode"].tolist() == [[0, 0, 0, 1, 0, 0, 1], [0, 1, 1, 1, 1, 0, 0]]
    begun = {name: value for name, value in network.initial_memory(ENVS).items() if name in "hc"}
    logits, _ = network(obs.transpose(0, 1).flatten(0, 1), **begun, **sequences)
    expected = torch.stack(found, dim=1).flatten(0, 1)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_with_single_episodes_and_no_inputs_it_is_ppo_lstm(precision: str) -> None:
    """Bit for bit: K = 1, and E = 0, kept so. Not so with K = 2, nor with E as it is drawn."""

    def trained(method: str, zeroed: bool = True, **options: int) -> dict[str, Tensor]:
        config = tiny_config(
            method=method, precision=precision, steps=80, eval_episodes=4, **options
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("drac.envs.trials.Trials.wrap", lambda self, env: env)
            training = Training(config, Numbers(2))
        if isinstance(training.network, RL2ActorCritic) and zeroed:
            torch.nn.init.zeros_(training.network.embed.weight.requires_grad_(False))
        assert len(list(iterate(training))) == 10
        return training.network.state_dict()

    ppo_lstm = trained("ppo-lstm")

    def equal(weights: dict[str, Tensor]) -> bool:
        return all(same(value, weights[name]) for name, value in ppo_lstm.items())

    assert equal(trained("rl2-ppo", episodes_per_trial=1))
    assert not equal(trained("rl2-ppo", episodes_per_trial=2))
    assert not equal(trained("rl2-ppo", episodes_per_trial=1, zeroed=False))


@pytest.mark.parametrize(("method", "ends"), [("rl2-ppo", [13]), ("ppo-lstm", [6, 13, 20])])
def test_returns_run_through_a_trial(
    method: str, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Duan et al. 2016: they end with the trial, not with the episodes in it, of seven steps."""
    monkeypatch.setattr("drac.envs.trials.Trials.wrap", lambda self, env: env)
    config = tiny_config(method=method, eval_episodes=4, num_steps=24, steps=48)
    training = Training(config, Numbers(2))
    collect(training)
    estimate_returns(training)
    rollout = training.rollout
    assert rollout.dones[:, 0].nonzero().flatten().tolist() == [6, 13, 20]
    cut = torch.zeros_like(rollout.dones)
    cut[ends] = True
    args = (rollout.rewards, rollout.values, cut, rollout.last_values, 0.999, 0.95)
    assert torch.equal(rollout.returns, gae(*args)[1])


@pytest.mark.parametrize("groups", [1, 2])
def test_a_rollout_keeps_what_came_of_the_steps_before(
    groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The action, its raw reward, as `Numbers` gives them, and whether the episode ended."""
    monkeypatch.setattr("drac.envs.trials.Trials.wrap", lambda self, env: env)
    config = tiny_config(
        method="rl2-ppo", eval_episodes=4, num_steps=24, steps=48, env_groups=groups
    )
    training = grouped_training(config, monkeypatch)
    collect(training)
    rollout, time = training.rollout, torch.arange(24)[:, None]
    for name, came in {
        "actions": rollout.actions,
        "rewards": (rollout.actions + time) % 3,
        "ends": rollout.dones,
    }.items():
        told = torch.cat([rollout.given[name], training.acting.memory[name][None]])
        assert not told[0].any()
        assert torch.equal(told[1:], came.to(told))


def test_the_weights_of_an_lstm_begin_as_without_further_inputs() -> None:
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    plain = RecurrentActorCritic(NUM_ACTIONS, OBS_SHAPE, 16, generator=generators[0])
    network = RL2ActorCritic(
        NUM_ACTIONS, OBS_SHAPE, 16, generator=generators[1], episodes_per_trial=2
    )
    weights = network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain.state_dict().items())
    embedded = weights["embed.weight"]
    torch.testing.assert_close(embedded.T @ embedded, torch.eye(NUM_ACTIONS + 2))
