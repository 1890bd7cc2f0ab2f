"""Updates of recurrent agents: written down step by step, and when they are those of PPO."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from small_updates import (
    PlainAdam,
    images,
    images_in_float64,
    in_float64,
    largest_difference,
    learner_of,
    make_config,
    network_for,
    ppo_losses,
    random_rollout,
)
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from drac.arms.build import build_augmentations
from drac.config import TrainConfig
from drac.networks import ActorCritic
from drac.rollout import Rollout


def weights(network: ActorCritic) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def rollout_of(network: ActorCritic) -> Rollout:
    return in_float64(random_rollout(network=network.float()))


def what_was_told(rollout: Rollout, t: int, n: int) -> Tensor:
    """RL^2's further inputs: the last action, one-hot, its reward, whether the episode ended."""
    action, reward, end = (rollout.given[name][t, n] for name in ("actions", "rewards", "ends"))
    return torch.tensor([*(float(a == action) for a in range(5)), reward, end]).double()


def plain_update(network: Any, rollout: Rollout, config: TrainConfig) -> None:
    """An epoch of PPO, RL^2, or DrAC with `flip`, on two envs at a time, step after step."""
    adam = PlainAdam(list(network.parameters()), 5e-4, 1e-5, 0.5)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))  # that of `learner_of`
    advantages = rollout.advantages - rollout.advantages.mean()
    advantages = advantages / (rollout.advantages.std() + 1e-5)
    for envs in order.split(2):
        loss = torch.zeros(()).double()
        for n in envs.tolist():
            states = [[rollout.begun[name][n][None].double() for name in "hc"]] * 2
            for t in range(8):
                obs = images(rollout)[t, n][None]
                seen = [obs, obs.flip(3)]
                features = [network.features(image) for image in seen]
                if rollout.dones[t - 1, n] if t else rollout.given["firsts"][0, n]:
                    states = [[torch.zeros(1, 16).double()] * 2] * 2
                elif config.method == "rl2-ppo":
                    told = network.embed.weight @ what_was_told(rollout, t, n)
                    features = [each + told for each in features]
                states = [network.lstm(*each) for each in zip(features, states, strict=True)]
                (logits, value), (logits_aug, value_aug) = (network.heads(h) for h, _ in states)
                old, target = rollout.values[t, n], rollout.returns[t, n]
                action, old_log_prob = int(rollout.actions[t, n]), rollout.log_probs[t, n]
                policy, value_loss, entropy = ppo_losses(
                    logits[0], value[0], action, old_log_prob, old, target, advantages[t, n]
                )
                loss = loss + (policy + 0.5 * value_loss - 0.01 * entropy) / 16
                if config.method.startswith("drac"):
                    fixed = Categorical(logits=logits.detach())
                    kl = kl_divergence(fixed, Categorical(logits=logits_aug)).sum()
                    distance = ((value.detach() - value_aug) ** 2).sum()
                    loss = loss + 0.1 * (kl + distance) / 16
        adam.minimize(loss)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "ppo-lstm"},
        {"method": "rl2-ppo"},
        {"method": "drac-flip(p=1.0)", "recurrent": True},
    ],
)
def test_an_update_is_the_loop_over_time(options: dict[str, Any]) -> None:
    """Whole envs, from the state that was remembered, which ends where an episode does.

    Every weight, RL^2's E among them.
    """
    config = make_config(**options, epochs=1)
    network = network_for(config)
    rollout = rollout_of(network)
    network, plain = network.double(), copy.deepcopy(network).double()
    begun = weights(network)
    plain_update(plain, rollout, config)
    learner = learner_of(config, network)
    (augmentation,) = build_augmentations(config).values()
    with images_in_float64():
        learner.update(rollout, augmentation)
    assert largest_difference(weights(plain), weights(network)) < 1e-9
    assert largest_difference(begun, weights(network)) > 1e-3


class Cell(ActorCritic):
    """A feed-forward network: what an LSTM makes of an image on its own, under the heads."""

    lstm: torch.nn.LSTMCell

    def features(self, obs: Tensor) -> Tensor:
        h: Tensor = self.lstm(super().features(obs))[0]
        return h


def test_an_lstm_that_cannot_remember_is_feed_forward() -> None:
    """With W_hh = 0, kept so, and a forget gate that is shut, the update is PPO's.

    It is exactly that of the feed-forward network h(s) = o tanh(i g) under the heads, in
    minibatches of the same envs; and not if the forget gate is open.
    """
    config = make_config(method="ppo-lstm")
    network = network_for(config)
    rollout = rollout_of(network)
    network.double()
    open_gate = copy.deepcopy(network)
    with torch.no_grad():
        for each in (network, open_gate):
            each.lstm.weight_hh.zero_()
        network.lstm.bias_ih[16:32] = -1e9
    feed_forward = Cell(5, (3, 16, 16), 16)
    feed_forward.lstm = copy.deepcopy(network.lstm)
    feed_forward.double().load_state_dict(network.state_dict())
    for each in (network, open_gate, feed_forward):
        each.lstm.weight_hh.requires_grad_(False)
        learner = learner_of(config, each)
        with images_in_float64():
            learner.update(rollout if each is not feed_forward else without_memory(rollout), None)
    found = weights(network)
    assert largest_difference(found, weights(feed_forward)) < 1e-12
    assert largest_difference(found, weights(open_gate)) > 1e-6


def without_memory(rollout: Rollout) -> Rollout:
    plain = copy.copy(rollout)
    plain.begun, plain.given = {}, {}
    return plain


def test_minibatches_are_whole_envs_and_pieces_whole_sequences() -> None:
    config = make_config(method="ppo-lstm", micro_batch=12)
    network = network_for(config)
    rollout = random_rollout(network=network)
    rollout.actions.copy_(torch.arange(64).reshape(8, 8))  # step t of env n is 8 t + n
    seen = []
    for minibatch in rollout.minibatches(2, torch.Generator().manual_seed(0), of_envs=True):
        envs = minibatch.actions.view(4, 8)
        assert torch.equal(envs, envs[:, :1] + torch.arange(0, 64, 8))
        first = envs[:, 0]
        assert torch.equal(minibatch.memory["h"], rollout.begun["h"][first])
        assert torch.equal(minibatch.memory["firsts"], rollout.given["firsts"].T[first])
        pieces = learner_of(config, network)._micro_batches(len(minibatch), minibatch.length)
        assert pieces == [slice(start, start + 8) for start in (0, 8, 16, 24)]
        part = minibatch[slice(8, 24)]
        assert torch.equal(part.memory["c"], rollout.begun["c"][first[1:3]])
        assert part.length == 8
        seen += first.tolist()
    assert sorted(seen) == list(range(8))
