"""The two phases of PPG and DCPG: written down plainly, what trains when, and resuming."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from small_runs import same
from small_updates import (
    PlainAdam,
    images,
    images_in_float64,
    in_float64,
    largest_difference,
    learner_of,
    make_config,
    network_for,
    random_rollout,
)
from tiny_runs import Numbers, tiny_config
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

import augmentations
from drac import hardware
from drac.config import build
from drac.errors import ConfigError, NonFinite
from drac.rollout import Rollout
from drac.train import iterate
from drac.train.state import Training

OPTIONS: dict[str, Any] = {"phasic_updates": 2, "phasic_epochs": 2, "phasic_segments": 2}


def rollouts(number: int) -> list[Rollout]:
    return [in_float64(random_rollout(seed)) for seed in range(number)]


def trained(method: str, number: int = 2, network: Any = None, **options: Any) -> dict[str, Tensor]:
    """The weights after updates of a learner, in float64."""
    config = make_config(method=method, **options)
    network = network_for(config).double() if network is None else network.double()
    learner = learner_of(config, network)
    with images_in_float64():
        for rollout in rollouts(number):
            learner.update(rollout, None)
    return {name: weight.detach() for name, weight in network.named_parameters()}


# A whole phase


def permutations(generator: torch.Generator, number: int, size: int) -> Iterator[list[int]]:
    for part in torch.randperm(number, generator=generator).split(size):
        yield part.tolist()


def plain_phase(method: str, network: Any, played: list[Rollout], epochs: int) -> None:
    """Algorithm 1 of Cobbe et al. 2021, with E_pi = E_V = 1, a phase after all rollouts; or DCPG.

    DCPG's rollouts are not the network's own here, so that V_old is what they say.
    """
    ppg, generator = method == "ppg", torch.Generator().manual_seed(1)  # that of `learner_of`
    eps, most = (1e-8, math.inf) if ppg else (1e-5, 0.5)
    weights = list(network.parameters())
    policy_adam, auxiliary_adam = (PlainAdam(weights, 5e-4, eps, most) for _ in range(2))
    for rollout in played:
        advantages = rollout.advantages - rollout.advantages.mean()
        advantages = advantages / (rollout.advantages.std() + 1e-5)
        for rows in permutations(generator, 64, 16):
            loss = torch.zeros(()).double()
            for t, n in (divmod(row, 8) for row in rows):
                logits, value = network(images(rollout)[t, n][None])
                pi, a = Categorical(logits=logits[0]), advantages[t, n]
                ratio = (pi.log_prob(rollout.actions[t, n]) - rollout.log_probs[t, n]).exp()
                target = (rollout.returns if ppg else rollout.values)[t, n]
                loss = loss - torch.minimum(ratio * a, ratio.clip(0.8, 1.2) * a) / 16
                loss = loss + (0.5 * (value[0] - target) ** 2 - 0.01 * pi.entropy()) / 16
            policy_adam.minimize(loss)
    old = copy.deepcopy(network)
    drawn = torch.Generator().manual_seed(3)
    for _ in range(epochs):
        for segments in permutations(generator, len(played) * 8, 2):
            loss = torch.zeros(()).double()
            for rollout, n in ((played[segment // 8], segment % 8) for segment in segments):
                obs, target = images(rollout)[:, n], rollout.returns[:, n]
                logits, value = network(obs)
                errors = 0.5 * (value - target) ** 2
                if ppg:
                    guess = network.aux_value_head(network.features(obs))[:, 0]
                    errors = errors + 0.5 * (guess - target) ** 2
                with torch.no_grad():
                    before = Categorical(logits=old(obs)[0])
                kl = kl_divergence(before, Categorical(logits=logits))
                loss = loss + (kl + errors).sum() / 16
            if method == "ddcpg":
                loss = loss + dynamics(network, [(played[s // 8], s % 8) for s in segments], drawn)
            auxiliary_adam.minimize(loss)


def dynamics(network: Any, segments: list[tuple[Rollout, int]], drawn: torch.Generator) -> Tensor:
    """DDCPG's loss of a discriminator on two envs' segments, transition by transition.

    What is random is drawn as the objective draws it: 16 shifts, then the noise of 16 actions.
    """
    shifts = torch.randint(1, 14, (16,), generator=drawn).tolist()
    noise = torch.empty(16, 5).exponential_(generator=drawn)
    features = [network.features(images(rollout)[:, n]) for rollout, n in segments]
    places = [(t, s) for t in range(7) for s in range(2)]
    actions = [int(segments[s][0].actions[t, segments[s][1]]) for t, s in places]
    total = torch.zeros(()).double()
    for index, (t, s) in enumerate(places):
        action = actions[index]
        counts = [actions.count(a) if a != action else 0 for a in range(5)]
        other = int((torch.tensor(counts) / noise[index]).argmax())
        far_t, far_s = places[(index + shifts[index]) % 14]
        following, elsewhere = features[s][t + 1], features[far_s][far_t + 1]
        for taken, after, truth, weight in (
            (action, following, 1, 1.0), (other, following, 0, 0.5), (action, elsewhere, 0, 1.0),
        ):  # fmt: skip
            one_hot = torch.eye(5).double()[taken]
            p = network.discriminator(torch.cat([features[s][t], one_hot, after])).sigmoid()
            total = total - weight * (p if truth else 1 - p).log().sum() / 14
    return total


@pytest.mark.parametrize(("method", "epochs"), [("ppg", 2), ("ppg", 0), ("dcpg", 2), ("ddcpg", 2)])
def test_a_whole_phase_is_the_algorithm_s(method: str, epochs: int) -> None:
    """With no epochs, PPG is PPO on two networks."""
    network = network_for(make_config(method=method)).double()
    begun = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    plain_phase(method, network, rollouts(2), epochs)
    expected = {name: weight.detach() for name, weight in network.named_parameters()}
    found = trained(method, **{**OPTIONS, "phasic_epochs": epochs})
    assert largest_difference(expected, found) < 1e-6
    assert largest_difference(begun, found) > 1e-3


def test_without_a_phase_the_policy_learns_as_ppo_s() -> None:
    network = network_for(make_config(method="ppg"))
    ppg = trained("ppg", network=copy.deepcopy(network), phasic_epochs=0)
    same = {"epochs": 1, "value_coef": 0, "adam_eps": 1e-8, "max_grad_norm": 1e9}
    ppo = trained("ppo", network=copy.deepcopy(network), **same)
    policy = {name: w for name, w in ppo.items() if "value" not in name}
    assert largest_difference(policy, ppg) < 1e-12
    assert largest_difference(policy, trained("ppg", network=network, **OPTIONS)) > 1e-6


def test_without_its_terms_dcpg_is_ppo_without_a_value_loss() -> None:
    dcpg = trained("dcpg", phasic_epochs=0, dcpg_value_coef=0)
    assert largest_difference(trained("ppo", epochs=1, value_coef=0), dcpg) < 1e-12
    assert largest_difference(trained("dcpg", **OPTIONS), dcpg) > 1e-6


def test_without_its_weight_ddcpg_is_dcpg_and_with_it_another() -> None:
    dcpg = trained("dcpg", **OPTIONS)
    assert largest_difference(dcpg, trained("ddcpg", ddcpg_dynamics_coef=0, **OPTIONS)) < 1e-12
    assert largest_difference(dcpg, trained("ddcpg", **OPTIONS)) > 1e-6


# What trains when


def test_a_phase_comes_after_its_number_of_updates() -> None:
    learner = learner_of(make_config(method="ppg", **OPTIONS))
    steps, figures, moved = [], [], []
    for seed in range(5):
        head = learner.network.aux_value_head.weight.clone()
        ticks: list[int] = []
        expected = learner.num_gradient_steps
        stats = learner.update(random_rollout(seed), None, lambda ticks=ticks: ticks.append(1))
        assert len(ticks) == expected
        steps.append(expected)
        figures.append((stats.aug_policy_loss, stats.aug_value_loss))
        moved.append(not torch.equal(head, learner.network.aux_value_head.weight))
    assert steps == [4, 20, 4, 20, 4]  # 2 epochs of 16 segments, two at a time
    assert moved == [False, True, False, True, False]
    assert figures[0] == (0, 0)
    assert figures[1] == figures[2] != figures[3] == figures[4]
    assert all(value > 0 for value in (*figures[1], *figures[3]))


def test_the_weight_of_the_clone_keeps_the_policy() -> None:
    rollout = random_rollout()
    obs = rollout.samples().obs / 255
    distances = []
    for coef in (0.0, 100.0):
        learner = learner_of(make_config(method="ppg", phasic_updates=1, phasic_clone_coef=coef))
        policies = []

        def remember(learner: Any = learner, policies: list[Tensor] = policies) -> None:
            with torch.no_grad():
                policies.append(learner.network.logits(obs).softmax(1))

        learner.update(rollout, None, remember)
        before, after = policies[3], policies[-1]  # the policy phase has four steps
        distances.append(float((after - before).abs().mean()))
    assert distances[1] < 0.3 * distances[0]


def test_dcpg_s_value_is_that_of_the_last_phase() -> None:
    learner = learner_of(make_config(method="dcpg", **OPTIONS))
    stats = [learner.update(random_rollout(seed), None) for seed in range(3)]
    assert stats[0].value_loss == stats[0].aug_policy_loss == 0
    assert stats[1].value_loss == stats[2].value_loss > 0
    assert len({each.aug_value_loss for each in stats}) == 3


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_a_phase_that_is_not_finite_is_named(on_nan: str) -> None:
    learner = learner_of(make_config(method="ppg", on_nan=on_nan, **OPTIONS))
    learner.update(random_rollout(), None)
    with torch.no_grad():
        learner.network.aux_value_head.bias.fill_(float("nan"))
    number = "in gradient step 1 of 16" if on_nan == "stop" else "none of 16 gradient steps"
    with pytest.raises(NonFinite, match=number) as caught:
        learner.update(random_rollout(1), None)
    assert "in the auxiliary phase" in str(caught.value)


def test_there_is_no_augmentation() -> None:
    with pytest.raises(ValueError, match="uses no augmentation"):
        learner_of(make_config(method="ppg")).update(random_rollout(), augmentations.make("crop"))


class Signal(Exception):
    """What `on_step` raises when a run is to stop."""


@pytest.mark.parametrize("method", ["ppg", "ddcpg"])
@pytest.mark.parametrize("stops", [(1,), (5, 8), (12, 16)], ids=str)
def test_a_phase_that_was_stopped_goes_on_exactly(method: str, stops: tuple[int, ...]) -> None:
    """After its first step, within a pass, between two (8), and after its last step (16)."""
    config = tiny_config(method=method, steps=400, **OPTIONS, phasic_policy_epochs=2)
    config = config.model_copy(update={"phasic_segments": 1, "phasic_epochs": 4})  # 4 x 4 steps
    straight = Training(config, Numbers(2))
    reports = list(islice(iterate(straight), 3))

    def stopping(training: Training, at: int) -> Any:
        def on_progress(step: float) -> None:
            phase = training.learner._phase
            if training.learner.in_phase and len(phase.taken) == at:
                raise Signal

        return on_progress

    training, found = Training(config, Numbers(2)), []
    for at in stops:
        with pytest.raises(Signal):
            found += list(islice(iterate(training, stopping(training, at)), 2 - len(found)))
        found = found or reports[:1]
        state = copy.deepcopy(training.state_dict())
        training = Training(config, Numbers(2))
        training.load_state_dict(state)
        assert (training.update, training.learner.num_gradient_steps) == (1, 16 - at)
    found += list(islice(iterate(training), 2))
    assert found == reports
    assert same(training.state_dict(), straight.state_dict())


# Frames that are kept


def test_frames_are_uint8_and_played_again() -> None:
    """What a checkpoint holds is a thousandth of them."""
    config = tiny_config(method="ppg", phasic_updates=3, phasic_segments=2, steps=400)
    training, other = (Training(config, Numbers(2)) for _ in range(2))
    reports = iterate(training)
    for _ in range(5):  # two of the second phase
        next(reports)
    state = copy.deepcopy(training.state_dict())
    other.load_state_dict(state)
    kept, again = (each.learner._kept.columns() for each in (training, other))
    assert kept.obs.dtype == again.obs.dtype == torch.uint8
    assert kept.obs[:, :4].any()
    for name in ("obs", "actions", "returns"):
        assert torch.equal(getattr(kept, name)[:, :4], getattr(again, name)[:, :4])
    assert state["learner"]["phase"]["actions"].shape == (4, 4)
    assert next(iterate(other)) == next(reports)


def test_frames_cannot_be_played_again_without_envs() -> None:
    config = tiny_config(method="ppg", phasic_updates=3, phasic_segments=2)
    training = Training(config, Numbers(2))
    next(iterate(training))
    learner = learner_of(config, training.network)
    with pytest.raises(ValueError, match="there are no envs"):
        learner.load_state_dict(training.learner.state_dict())


def test_what_a_phase_cannot_be_made_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="phasic_updates 3 x num_envs 2 is not divisible by phas"):
        build({"method": "ppg", "num_envs": 2, "phasic_updates": 3})
    with pytest.raises(ConfigError, match=r"phasic_segments 1 x \(num_steps 2 - 1\) are fewer"):
        build({"method": "ddcpg", "phasic_segments": 1, "num_steps": 2})
    with pytest.raises(ConfigError, match="ddcpg_dynamics_coef; it belongs to ddcpg$"):
        build({"method": "dcpg", "ddcpg_dynamics_coef": 2})
    with pytest.raises(ConfigError, match="'ppg' has no option adam_eps"):
        build({"method": "ppg", "adam_eps": 1e-6})
    with pytest.raises(ConfigError, match="phasic_updates; it belongs to ppg, dcpg, ddcpg$"):
        build({"method": "ppo", "phasic_updates": 3})
    many = build({"method": "ppg", "phasic_updates": 10_000})
    assert build({"method": "ppg"}).kept_rollouts == 32
    assert build({"method": "ppg", "phasic_epochs": 0}).kept_rollouts == 0
    with pytest.raises(ConfigError, match=r"10,001 rollouts, .* take 2,013\.5 GB and .* phasic_up"):
        hardware.require_memory(hardware.resolve(many))
