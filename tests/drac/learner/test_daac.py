"""The updates of DAAC and IDAAC: special cases, micro-batches, recordings, whole runs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from decoupled_parts import (
    NUM_ACTIONS,
    SHAPE,
    make_config,
    make_network,
    make_rollout,
)

import augmentations
from drac.config import TrainConfig
from drac.errors import NonFinite
from drac.learner import Learner
from drac.learner.cuda_graphs import WARMUP_CALLS, Replay, Tensors
from drac.learner.daac import DecoupledLearner
from drac.networks import ActorCritic
from drac.networks.daac import DecoupledActorCritic
from drac.objectives.objective import make
from drac.policy.agent import load_agent
from drac.rollout import Rollout
from drac.train import train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads; so small a network is faster with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def float64_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have images scaled to float64, so that rounding cannot hide a difference."""
    for module in ("drac.learner.learner", "drac.objectives.daac"):
        monkeypatch.setattr(f"{module}.as_float", lambda obs: obs.double() / 255)


# --- the updates ----------------------------------------------------------------------------------


def updated(
    config: TrainConfig, updates: int = 2, double: bool = False, record: Any = None
) -> tuple[DecoupledActorCritic, DecoupledLearner, list[Any]]:
    network = make_network(config)
    if double:
        network = network.double()
    generators = (torch.Generator().manual_seed(seed) for seed in (1, 2, 3))
    learner = DecoupledLearner(network, config, *generators, make(config), record)
    stats = [learner.update(widened(make_rollout(u), double), None) for u in range(updates)]
    return network, learner, stats


def widened(rollout: Rollout, double: bool) -> Rollout:
    if double:
        for name in ("log_probs", "values", "rewards", "advantages", "returns"):
            setattr(rollout, name, getattr(rollout, name).double())
    return rollout


def test_without_weight_the_order_is_daac_bit_for_bit() -> None:
    daac, _, figures = updated(make_config("daac"))
    none, _, same = updated(make_config("idaac", idaac_order_coef=0))
    idaac, _, _ = updated(make_config("idaac"))
    weights, other = none.state_dict(), idaac.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in daac.state_dict().items())
    assert not torch.equal(weights["fc.weight"], other["fc.weight"])
    assert torch.equal(weights["value_encoder.fc.weight"], other["value_encoder.fc.weight"])
    for one, two in zip(figures, same, strict=True):
        assert {**vars(one), "aug_policy_loss": 0} == {**vars(two), "aug_policy_loss": 0}
        assert one.aug_policy_loss == 0 < two.aug_policy_loss


@pytest.mark.parametrize("method", ["daac", "idaac"])
@pytest.mark.parametrize("micro_batch", [1, 5])
@pytest.mark.usefixtures("float64_images")
def test_micro_batches_do_not_change_the_update(method: str, micro_batch: int) -> None:
    options: dict[str, Any] = {"idaac_value_epochs": 2}
    whole, _, _ = updated(make_config(method, micro_batch=64, **options), double=True)
    parts, _, _ = updated(make_config(method, micro_batch=micro_batch, **options), double=True)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], weight, rtol=0, atol=1e-9)


@pytest.mark.usefixtures("float64_images")
def test_the_policy_learns_as_ppo_with_a_loss_less() -> None:
    """Without the advantage's weight DAAC's policy is PPO's of one epoch and value_coef 0."""
    config = make_config("daac", idaac_advantage_coef=0, max_grad_norm=1e9)
    daac, _, _ = updated(config, updates=1, double=True)
    with_advantage, _, _ = updated(make_config("daac", max_grad_norm=1e9), updates=1, double=True)
    ppo_config = make_config("ppo", epochs=1, value_coef=0, max_grad_norm=1e9)
    ppo = ActorCritic(NUM_ACTIONS, SHAPE, 16, "impala", torch.Generator().manual_seed(0)).double()
    Learner(ppo, ppo_config, torch.Generator().manual_seed(1)).update(
        widened(make_rollout(0), True), None
    )
    for name, weight in ppo.state_dict().items():
        if not name.startswith("value_head"):
            torch.testing.assert_close(daac.state_dict()[name], weight, rtol=0, atol=1e-12)
    assert not torch.equal(daac.fc.weight, with_advantage.fc.weight)


def test_the_encoder_hides_the_order_that_the_classifier_learns() -> None:
    """Brightness is the time, and nothing else trains the encoder: L_E = ln 2 is "cannot tell"."""
    confusion = []
    for coef in (0.0, 1.0):
        config = make_config(
            idaac_order_coef=coef,
            idaac_advantage_coef=0,
            entropy_coef=0,
            idaac_policy_epochs=4,
            idaac_value_epochs=1,
            learning_rate=1e-3,
        )
        learner = DecoupledLearner(make_network(config), config, objective=make(config))
        rollout = make_rollout()
        rollout.dones.zero_()
        rollout.advantages.zero_()
        rollout.obs.copy_(30 * torch.arange(8)[:, None, None, None, None].expand_as(rollout.obs))
        for _ in range(8):
            stats = learner.update(rollout, None)
        confusion.append(stats.aug_policy_loss)
    assert confusion[0] > math.log(2) + 0.02
    assert confusion[1] == pytest.approx(math.log(2), abs=0.005)


def test_the_value_is_trained_when_it_is_its_turn() -> None:
    config = make_config("daac", idaac_value_every=2, idaac_value_epochs=3)
    network = make_network(config)
    learner = DecoupledLearner(network, config)
    moved, steps, losses = [], [], []
    for seed in range(4):
        before = copy.deepcopy(network.state_dict())
        ticks: list[int] = []
        expected = learner.num_gradient_steps
        stats = learner.update(make_rollout(seed), None, lambda ticks=ticks: ticks.append(1))
        assert len(ticks) == expected
        assert not torch.equal(network.fc.weight, before["fc.weight"])
        moved.append(not torch.equal(network.value_head.weight, before["value_head.weight"]))
        steps.append(len(ticks))
        losses.append(stats.value_loss)
    assert moved == [True, False, True, False]
    assert steps == [16, 4, 16, 4]
    assert losses[0] == losses[1] != losses[2] == losses[3]


@pytest.mark.parametrize("method", ["daac", "idaac"])
def test_the_state_continues_the_update(method: str) -> None:
    config = make_config(method, idaac_value_every=2, idaac_value_epochs=1)
    for before in (1, 2):
        network, learner, _ = updated(config, updates=before)
        other_network = make_network(config, seed=9)
        other = DecoupledLearner(other_network, config, objective=make(config))
        other_network.load_state_dict(copy.deepcopy(network.state_dict()))
        other.load_state_dict(copy.deepcopy(learner.state_dict()))
        first = learner.update(make_rollout(7), None)
        assert other.update(make_rollout(7), None) == first
        assert all(map(torch.equal, network.parameters(), other_network.parameters()))


class Recorder:
    """As a CUDA graph: recording runs nothing that lasts, a replay fills the same tensors anew."""

    def __init__(self) -> None:
        self.recordings = self.replays = 0

    def __call__(self, function: Any) -> tuple[Tensors, Replay]:
        self.recordings += 1
        outputs: Tensors = {}

        def replay() -> None:
            self.replays += 1
            for name, value in function().items():
                outputs.setdefault(name, torch.empty_like(value)).copy_(value)

        return outputs, replay


@pytest.mark.parametrize("method", ["daac", "idaac"])
def test_a_replayed_update_is_the_update(method: str) -> None:
    """Each part is recorded on its own; weights and figures are the same bit for bit."""
    config = make_config(method, idaac_value_epochs=2, micro_batch=64)
    record = Recorder()
    plain, _, figures = updated(config)
    captured, _, same = updated(config, record=record)
    assert figures == same
    parts = 3 if method == "idaac" else 2
    assert record.recordings == parts
    steps = 2 * 4 * (4 if method == "idaac" else 3)  # updates x minibatches x passes
    assert record.replays == steps - parts * WARMUP_CALLS
    assert all(map(torch.equal, plain.parameters(), captured.parameters()))


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("policy_head.bias", "in the policy network, in gradient step 1 of 4"),
        ("value_head.bias", "value_loss, grad_norm are NaN.*in the value network, in.*1 of 36"),
        ("classifier.output.bias", "in the order classifier, in gradient step 1 of 4"),
    ],
)
def test_what_is_not_finite_is_named(which: str, message: str) -> None:
    config = make_config()
    network = make_network(config)
    with torch.no_grad():
        network.get_parameter(which).fill_(float("nan"))
    with pytest.raises(NonFinite, match=message):
        DecoupledLearner(network, config, objective=make(config)).update(make_rollout(), None)


def test_there_is_no_augmentation() -> None:
    config = make_config("daac")
    with pytest.raises(ValueError, match="use no augmentation"):
        DecoupledLearner(make_network(config), config).update(
            make_rollout(), augmentations.make("crop")
        )


# --- whole runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["daac", "idaac"])
def test_a_run_repeats_continues_and_is_loaded(method: str, tmp_path: Path) -> None:
    """Twice the same bits; then an update, and the rest; the agent is read from the checkpoint."""
    small: dict[str, Any] = {
        "game": "starpilot",
        "num_envs": 4,
        "num_steps": 16,
        "minibatches": 2,
        "hidden_size": 16,
        "idaac_value_epochs": 2,
        "idaac_value_every": 2,
        "eval_episodes": 1,
        "eval_every": 0,
        "threads": 1,
        "env_groups": 1,
        "device": "cpu",
        "precision": "float32",
        "method": method,
    }
    whole = TrainConfig(steps=192, **small)
    train(whole, tmp_path / "one")
    train(TrainConfig(steps=128, **small), tmp_path / "two")
    train(whole, tmp_path / "two")
    one, step = load_agent(tmp_path / "one", whole)
    two, _ = load_agent(tmp_path / "two", whole)
    assert step == 192
    assert isinstance(one, DecoupledActorCritic)
    assert (one.classifier is not None) == (method == "idaac")
    weights = two.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in one.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "daac", "epochs": 2}, "'daac' has no option epochs"),
        ({"method": "idaac", "value_coef": 1.0}, "'idaac' has no option value_coef"),
        ({"method": "daac", "idaac_order_coef": 0.1}, "no option idaac_order_coef.*to idaac"),
        ({"method": "ppo", "idaac_value_epochs": 3}, "no option idaac_value_epochs.*daac, idaac"),
        ({"method": "idaac", "idaac_value_every": 0}, "idaac_value_every"),
    ],
)
def test_an_option_the_method_does_not_have_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**options)
