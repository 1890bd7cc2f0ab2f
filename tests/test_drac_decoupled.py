"""DAAC and IDAAC: their losses against slow loops, what trains what, and special cases."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import augmentations
from drac.capture import WARMUP_CALLS, Replay, Tensors
from drac.config import TrainConfig
from drac.decoupled import DecoupledActorCritic, daac_network, idaac_network
from drac.decoupled_learner import DecoupledLearner
from drac.learner import Learner
from drac.networks import ActorCritic
from drac.objectives import Inputs, Objective, make
from drac.objectives.daac import DAAC, IDAAC, OrderOfPairs, Value
from drac.objectives.ppo import PPO
from drac.report import NonFinite
from drac.rollout import Minibatch, Rollout
from drac.session import load_agent
from drac.train import train

NUM_ACTIONS = 5
SHAPE = (3, 16, 16)


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
    for module in ("drac.learner", "drac.objectives.daac"):
        monkeypatch.setattr(f"{module}.as_float", lambda obs: obs.double() / 255)


def make_config(method: str = "idaac", **options: Any) -> TrainConfig:
    small = {"num_envs": 8, "num_steps": 8, "hidden_size": 16, "minibatches": 4}
    return TrainConfig(method=method, precision="float32", device="cpu", **{**small, **options})


def make_network(config: TrainConfig, seed: int = 0) -> DecoupledActorCritic:
    function = idaac_network if config.method == "idaac" else daac_network
    return function(config, NUM_ACTIONS, SHAPE, torch.Generator().manual_seed(seed))


def make_rollout(seed: int = 0, num_steps: int = 8, num_envs: int = 8) -> Rollout:
    generator = torch.Generator().manual_seed(seed)
    rollout = Rollout(num_steps, num_envs, (16, 16, 3))
    rollout.obs.random_(0, 256, generator=generator)
    rollout.actions.random_(0, NUM_ACTIONS, generator=generator)
    for tensor in (rollout.values, rollout.advantages, rollout.returns):
        tensor.normal_(generator=generator)
    rollout.log_probs.normal_(-1.6, 0.2, generator=generator)
    rollout.dones.copy_(torch.rand(num_steps, num_envs, generator=generator) < 0.3)
    return rollout


def make_inputs(size: int = 12) -> Inputs:
    """Samples, and partners of which the third has none, in float64."""
    generator = torch.Generator().manual_seed(5)
    rollout = make_rollout()
    rows = torch.arange(size)
    samples = rollout.samples()[rows]
    samples = Minibatch(
        samples.obs,
        samples.actions,
        *(getattr(samples, name).double() for name in list(vars(samples))[2:]),
    )
    draws = {
        "other_obs": rollout.samples().obs[rows + 20],
        "other_first": torch.randint(2, (size,), generator=generator),
        "paired": (torch.arange(size) != 2).double(),
    }
    return Inputs(samples, samples.obs.double() / 255, None, draws)


def gradients(network: DecoupledActorCritic, loss: Tensor) -> set[str]:
    """Names of the parameters that a loss moves."""
    named = dict(network.named_parameters())
    taken = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {n for n, g in zip(named, taken, strict=True) if g is not None and bool((g != 0).any())}


# --- the losses -----------------------------------------------------------------------------------


@torch.no_grad()
def slow_policy_loss(
    network: DecoupledActorCritic, inputs: Inputs, alpha_i: float
) -> tuple[float, float, float]:
    """The paper's J_IDAAC with the sign of a loss, L_A and L_E, one sample after the other."""
    samples = inputs.samples
    total = total_advantage = total_order = 0.0
    for b in range(len(samples)):
        logits, _ = network(inputs.obs[b : b + 1])
        pi = torch.distributions.Categorical(logits=logits[0])
        action, advantage = samples.actions[b], float(samples.advantages[b])
        ratio = math.exp(float(pi.log_prob(action)) - float(samples.old_log_probs[b]))
        surrogate = min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
        features = network.features(inputs.obs[b : b + 1])[0]
        weights, bias = network.advantage_head.weight[0], network.advantage_head.bias[0]
        predicted = float(weights[:16] @ features + weights[16 + int(action)] + bias)
        order = 0.0
        if network.classifier is not None and inputs.draws["paired"][b]:
            other = network.features(inputs.draws["other_obs"][b : b + 1].double() / 255)[0]
            d = network.classifier(features[None], other[None]).softmax(1)[0]
            order = -0.5 * math.log(float(d[0])) - 0.5 * math.log(float(d[1]))
        error = (predicted - advantage) ** 2
        total += -surrogate - 0.01 * float(pi.entropy()) + 0.25 * error + alpha_i * order
        total_advantage += error
        total_order += order
    size = len(samples)
    return total / size, total_advantage / size, total_order / size


@pytest.mark.parametrize("order_hidden", [0, 4])
@pytest.mark.usefixtures("float64_images")
def test_the_policys_loss_is_the_papers(order_hidden: int) -> None:
    config = make_config(idaac_order_coef=0.5, idaac_order_hidden=order_hidden)
    network, inputs = make_network(config).double(), make_inputs()
    loss, figures = IDAAC(config)(network, inputs)
    expected, advantage_loss, order_loss = slow_policy_loss(network, inputs, alpha_i=0.5)
    assert order_loss > 0.1
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert figures[3].item() == pytest.approx(order_loss, abs=1e-12)
    assert figures[4].item() == pytest.approx(advantage_loss, abs=1e-12)
    daac, _ = DAAC(config)(network, inputs)
    assert daac.item() == pytest.approx(expected - 0.5 * order_loss, abs=1e-12)


@pytest.mark.usefixtures("float64_images")
def test_the_classifiers_loss_is_the_cross_entropy_of_who_came_first() -> None:
    config = make_config()
    network, inputs = make_network(config).double(), make_inputs()
    assert network.classifier is not None
    total = 0.0
    for b in range(12):
        if inputs.draws["paired"][b]:
            features = network.features(inputs.obs[b : b + 1])
            other = network.features(inputs.draws["other_obs"][b : b + 1].double() / 255)
            this_first, other_first = network.classifier(features, other).softmax(1)[0].tolist()
            label = int(inputs.draws["other_first"][b])
            total -= label * math.log(other_first) + (1 - label) * math.log(this_first)
    loss, _ = OrderOfPairs(config)(network, inputs)
    assert loss.item() == pytest.approx(total / 12, abs=1e-12)


def test_the_values_loss_is_that_of_ppo() -> None:
    config = make_config()
    network, inputs = make_network(config).double(), make_inputs()
    loss, figures = Value(config)(network, inputs)
    _, of_ppo = PPO(config)(network, inputs)
    assert loss.item() == pytest.approx(of_ppo[1].item())
    assert figures.tolist() == [0, pytest.approx(loss.item()), 0, 0, 0, 0, 0]


def test_the_confusion_is_least_where_the_classifier_cannot_tell() -> None:
    """L_E = ln 2 there, and more wherever it leans to either side."""
    config = make_config()
    network, inputs = make_network(config), make_inputs()
    inputs = Inputs(inputs.samples, inputs.obs.float(), None, inputs.draws)
    assert network.classifier is not None
    with torch.no_grad():
        network.classifier.output.weight.zero_()
    everyone = {**inputs.draws, "paired": torch.ones(12)}
    inputs = Inputs(inputs.samples, inputs.obs, None, everyone)
    losses = []
    for bias in (0.0, 1.0, -1.0):
        with torch.no_grad():
            network.classifier.output.bias.copy_(torch.tensor([bias, 0.0]))
        losses.append(IDAAC(config)(network, inputs)[1][3].item())
    assert losses[0] == pytest.approx(math.log(2))
    assert losses[1] == pytest.approx(losses[2])
    assert losses[1] > losses[0] + 0.1


# --- what trains what -----------------------------------------------------------------------------


@pytest.mark.usefixtures("float64_images")
def test_each_loss_trains_its_own_part_and_nothing_else() -> None:
    config = make_config(idaac_order_coef=1.0)
    network, inputs = make_network(config).double(), make_inputs()
    value = {n for n, _ in network.named_parameters() if n.startswith("value_")}
    classifier = {n for n, _ in network.named_parameters() if n.startswith("classifier.")}
    policy = {n for n, _ in network.named_parameters()} - value - classifier
    assert {"fc.weight", "policy_head.weight", "advantage_head.bias"} <= policy
    assert {"value_encoder.fc.weight", "value_head.weight"} <= value

    assert gradients(network, IDAAC(config)(network, inputs)[0]) == policy
    assert gradients(network, DAAC(config)(network, inputs)[0]) == policy
    assert gradients(network, Value(config)(network, inputs)[0]) == value
    assert gradients(network, OrderOfPairs(config)(network, inputs)[0]) == classifier


@pytest.mark.usefixtures("float64_images")
def test_the_confusion_reaches_the_encoder_by_both_observations() -> None:
    config = make_config()
    network, inputs = make_network(config).double(), make_inputs()
    features = network.features(inputs.obs)
    by_other = IDAAC(config).order_loss(network, features.detach(), inputs)
    assert gradients(network, by_other) >= {"fc.weight", "stack0.conv.weight"}
    with torch.no_grad():
        other = network.features(inputs.draws["other_obs"].double() / 255)
    assert features.shape == other.shape
    (to_features,) = torch.autograd.grad(
        IDAAC(config).order_loss(network, features, inputs), features
    )
    assert bool((to_features[2] == 0).all())  # it has no partner
    assert bool((to_features[1] != 0).any())


def test_the_optimizers_share_out_the_parameters() -> None:
    config = make_config()
    network = make_network(config)
    learner = DecoupledLearner(network, config)
    state = learner.state_dict()
    counts = [
        len(part["optimizer"]["param_groups"][0]["params"])
        for part in (state, state["value"], state["classifier"])
    ]
    assert sum(counts) == len(list(network.parameters()))
    assert counts[1:] == [len(network.value_parameters()), 2]


def test_a_network_of_another_method_is_refused() -> None:
    config = make_config()
    inputs = make_inputs()
    with pytest.raises(TypeError, match="must be a DecoupledActorCritic, not ActorCritic"):
        DAAC(config)(ActorCritic(NUM_ACTIONS, SHAPE, 16), inputs)
    with pytest.raises(TypeError, match="has no order classifier"):
        IDAAC(config)(make_network(make_config("daac")).double(), inputs)


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
        expected = learner.num_steps
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


def test_both_begin_with_the_same_weights_as_ppo() -> None:
    ppo = ActorCritic(NUM_ACTIONS, SHAPE, 16, generator=torch.Generator().manual_seed(0))
    daac, idaac = make_network(make_config("daac")), make_network(make_config("idaac"))
    for name, weight in ppo.state_dict().items():
        assert torch.equal(daac.state_dict()[name], weight)
    for name, weight in daac.state_dict().items():
        assert torch.equal(idaac.state_dict()[name], weight)
    assert {n.split(".")[0] for n in idaac.state_dict()} - {
        n.split(".")[0] for n in daac.state_dict()
    } == {"classifier"}
    assert not torch.equal(daac.value_encoder.fc.weight, daac.fc.weight)


def test_the_outputs_are_float32_under_autocast() -> None:
    config = make_config()
    network, inputs = make_network(config), make_inputs()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, value = network(inputs.obs.float())
        features = network.features(inputs.obs.float())
        advantage = network.advantage(features, inputs.samples.actions)
        assert network.classifier is not None
        order = network.classifier(features, features)
    assert {t.dtype for t in (logits, value, advantage, order)} == {torch.float32}


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


def test_the_objectives_are_objectives() -> None:
    config = make_config()
    made: list[Objective] = [DAAC(config), IDAAC(config), OrderOfPairs(config), Value(config)]
    for objective in made:
        assert objective.draw(4, NUM_ACTIONS, torch.Generator()) == {}
    assert isinstance(make(config), IDAAC)
    assert type(make(make_config("daac"))) is DAAC
