"""The fast engine computes what the plain one does: whole updates in float64, from real frames.

The plain engine, `benchmark.speed.worker.reference`, is written from the equations and shares none
of the trainer's network, losses or minibatches.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from augmentations import PAPER_ARMS, Augmentation
from benchmark.speed.worker.reference import (
    CONSISTENCY,
    ON_AUGMENTED,
    ON_CLEAN,
    ReferenceLearner,
    reference_act,
)
from drac import hardware
from drac.arms.build import build_augmentations
from drac.config import TrainConfig
from drac.learner import Learner
from drac.learner.cuda_graphs import Tensors
from drac.methods import METHODS as METHODS_OF_DRAC
from drac.networks import ActorCritic
from drac.networks.sampling import act, draw_noise
from drac.objectives.objective import make as make_objective
from drac.rollout import Rollout
from drac.train.collect import collect, estimate_returns
from drac.train.state import Training

NUM_ENVS, NUM_STEPS = 8, 32
METHODS = ("ppo", *(f"drac-{name}" for name in PAPER_ARMS), "rad-crop", "dra-crop", "drc-crop")
FLOATS = ("log_probs", "values", "rewards", "advantages", "returns")


class Narrow(ActorCritic):
    """The network with a sixteenth of the arithmetic, on images of the real size."""

    CHANNELS = (2, 4, 4)


def make_config(method: str = "ppo", **options: Any) -> TrainConfig:
    sizes = {"num_envs": NUM_ENVS, "num_steps": NUM_STEPS, "hidden_size": 16}
    fixed = {"game": "starpilot", "device": "cpu", "precision": "float32", "threads": 1}
    return TrainConfig(method=method, **{**sizes, **fixed, **options})


def make_network(config: TrainConfig, kind: type[ActorCritic] = Narrow) -> ActorCritic:
    network = kind(
        15, (3, 64, 64), config.hidden_size, config.residual, torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        network.policy_head.weight.mul_(100)  # a policy that prefers some actions
    return network


@cache
def played() -> Rollout:
    """A rollout of real frames, float32, by the narrow network."""
    training = Training(make_config())
    network = make_network(training.config)
    training.act = lambda inputs: act(network, "float32", inputs)
    collect(training)
    estimate_returns(training)
    training.env.close()
    return training.rollout


def rollout_of(num_steps: int = NUM_STEPS, double: bool = True) -> Rollout:
    """The first steps of what was played; in float64 the images are in [0, 1]."""
    rollout = copy.deepcopy(played())
    for name in ("obs", "actions", "dones", *FLOATS):
        value = getattr(rollout, name)[:num_steps]
        setattr(rollout, name, value.double() if double and name in FLOATS else value)
    if double:
        rollout.obs = rollout.obs.double() / 255
    return rollout


def replaying(function: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
    """A recorder that needs no GPU: a replay runs the function again, into the same tensors."""
    outputs: Tensors = {}

    def replay() -> None:
        for name, value in function().items():
            outputs.setdefault(name, torch.empty_like(value)).copy_(value)

    # A real recording executes nothing: what it will fill must be known all the same.
    outputs["figures"] = torch.zeros(8, dtype=torch.float64)
    return outputs, replay


Weights = dict[str, Tensor]


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]


def only_augmentation(config: TrainConfig) -> Augmentation | None:
    (made,) = build_augmentations(config).values()
    return made


def updated(config: TrainConfig, rollout: Rollout, record: Any, **how: Any) -> Weights:
    """The weights after the fast engine's update."""
    network = make_network(config, **how).double()
    objective = make_objective(config)
    learner = Learner(network, config, *generators(), objective, record)
    learner.update(rollout, only_augmentation(config))
    return network.state_dict()


def expected(config: TrainConfig, rollout: Rollout, **how: Any) -> Weights:
    """The weights after the plain engine's update."""
    network = make_network(config, **how).double()
    learner = ReferenceLearner(network, config, *generators())
    learner.update(rollout, only_augmentation(config))
    return network.state_dict()


def assert_equal(found: Weights, wanted: Weights, config: TrainConfig, **how: Any) -> None:
    """Every weight to 1e-9, and all of them went somewhere."""
    begin = make_network(config, **how).double().state_dict()
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-9, msg=name)
        assert (weight - begin[name]).abs().max() > 1e-4, name


CASES = [(method, fidelity) for fidelity in ("paper", "released") for method in METHODS]


@pytest.mark.parametrize(("method", "fidelity"), CASES)
def test_an_update_is_that_of_the_plain_engine(method: str, fidelity: str) -> None:
    """24 gradient steps on the micro-batches of the CPU, and on the whole pieces of CUDA."""
    rollout = rollout_of(4)
    config = make_config(method, fidelity=fidelity, micro_batch=3)
    wanted = expected(config, rollout)
    assert_equal(updated(config, rollout, None), wanted, config)
    assert_equal(updated(config, rollout, replaying), wanted, config)


@pytest.mark.parametrize("micro_batch", [1, 7, 20, 64])
@pytest.mark.parametrize(("method", "fidelity"), [("ppo", "paper"), ("drac-crop", "released")])
def test_micro_batches_do_not_change_the_update(
    method: str, fidelity: str, micro_batch: int
) -> None:
    """Minibatches of 32 in pieces of 1, of 7 with a rest, of 20 and 12, and whole."""
    config = make_config(method, fidelity=fidelity, micro_batch=micro_batch)
    found = updated(config, rollout_of(), None)
    assert_equal(found, wanted_of(method, fidelity), config)


@cache
def wanted_of(method: str, fidelity: str) -> Weights:
    return expected(make_config(method, fidelity=fidelity), rollout_of())


@pytest.mark.parametrize("record", [None, replaying], ids=["eager", "recorded"])
def test_an_update_of_the_real_network(record: Any) -> None:
    config = make_config("drac-random-conv", hidden_size=256, micro_batch=1)
    rollout = rollout_of(2)
    found = updated(config, rollout, record, kind=ActorCritic)
    assert_equal(found, real_network_wanted(), config, kind=ActorCritic)


@cache
def real_network_wanted() -> Weights:
    config = make_config("drac-random-conv", hidden_size=256)
    return expected(config, rollout_of(2), kind=ActorCritic)


def test_it_knows_every_method_that_has_no_loss_or_learner_of_its_own() -> None:
    objectives = {"ppo:PPO", "drac:DrAC", "drac:DrA", "drac:DrC", "rad:RAD"}
    plain = {
        name
        for name, method in METHODS_OF_DRAC.items()
        if method.learner == "drac.learner:Learner"
        and method.objective.removeprefix("drac.objectives.") in objectives
    }
    known = {*ON_CLEAN, *CONSISTENCY, *ON_AUGMENTED}
    assert plain - known == {"rl2-drac"}  # its released minibatches are whole envs
    assert known <= plain


def test_the_figures_are_those_of_the_plain_engine() -> None:
    config = make_config("drac-color-jitter", fidelity="released", learning_rate=2e-3)
    found = []
    for kind in (Learner, ReferenceLearner):
        learner = kind(make_network(config).double(), config, *generators())
        found.append(vars(learner.update(rollout_of(8), only_augmentation(config))))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert all(value for name, value in found[0].items() if name != "extra_loss"), found[0]


@pytest.mark.parametrize("residual", ["impala", "released"])
def test_the_policy_acts_like_that_of_the_plain_engine(residual: str) -> None:
    network = make_network(make_config(residual=residual), ActorCritic)
    obs = rollout_of(double=False).obs[0]
    noise = draw_noise(len(obs), 15, torch.Generator().manual_seed(0))
    found = act(network, "float32", {"obs": obs, "noise": noise})
    wanted = reference_act(network, {"obs": obs, "noise": noise})
    assert torch.equal(found.pop("actions"), wanted.pop("actions"))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4)


def gradients(learner: Any, rollout: Rollout, augmentation: Augmentation | None) -> list[Weights]:
    """The gradients of an update's minibatches; the weights stay as they are."""
    found: list[Weights] = []
    learner.optimizer.step = lambda: found.append(
        {name: p.grad.detach().clone() for name, p in learner.network.named_parameters()}
    )
    learner.update(rollout, augmentation)
    return found


def gradient_config(method: str, **options: Any) -> TrainConfig:
    huge = {"max_grad_norm": 1e9, "hidden_size": 256, "epochs": 1, "minibatches": 2}
    return make_config(method, micro_batch=50, **{**huge, **options})


@pytest.mark.parametrize("method", ["ppo", "drac-crop", "drac-random-conv"])
def test_gradients_in_float32(method: str) -> None:
    """Each tensor's gradient to 2e-3 of its norm: Adam's first steps would amplify rounding."""
    config = gradient_config(method)
    found, wanted = (
        gradients(
            kind(make_network(config, ActorCritic), config, *generators()),
            rollout_of(double=False),
            only_augmentation(config),
        )
        for kind in (Learner, ReferenceLearner)
    )
    for mine, plain in zip(found, wanted, strict=True):
        for name, gradient in plain.items():
            error = (mine[name] - gradient).norm() / gradient.norm()
            assert error < 2e-3, f"{name}: {error:.1e}"


@pytest.mark.skipif(
    not hardware.has_native_bf16("cpu"), reason="this CPU does not multiply bf16 in hardware"
)
@pytest.mark.parametrize("method", ["ppo", "drac-crop"])
def test_gradients_in_bf16_point_where_those_of_float32_do(method: str) -> None:
    config = gradient_config(method, minibatches=1)
    found = [
        gradients(
            Learner(make_network(config, ActorCritic), exact, *generators()),
            rollout_of(double=False),
            only_augmentation(config),
        )[0]
        for exact in (config, config.model_copy(update={"precision": "bf16"}))
    ]
    each = {name: cosine(found[0][name], found[1][name]) for name in found[0]}
    whole = cosine(*(torch.cat([g.flatten() for g in one.values()]) for one in found))
    said = ", ".join(f"{name} {value:.4f}" for name, value in each.items())
    assert whole >= 0.99, f"{whole:.4f}; {said}"
    assert min(each.values()) >= 0.9, said


def cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.cosine_similarity(one.flatten(), other.flatten(), dim=0))
