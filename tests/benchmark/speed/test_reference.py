"""The fast engine computes what the plain one does: whole updates in float64, from real frames.

The plain engine, `benchmark.speed.worker.reference`, is written from the equations and shares none
of the trainer's network, losses or minibatches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from augmentations import PAPER_ARMS
from benchmark.speed.worker.parity import (
    FROZEN,
    Weights,
    augmentation_of,
    converted,
    cosine,
    generators,
    gradients,
    network_of,
    relative_error,
)
from benchmark.speed.worker.reference import (
    CONSISTENCY,
    ON_AUGMENTED,
    ON_CLEAN,
    ReferenceLearner,
)
from drac import hardware
from drac.config import TrainConfig
from drac.cuda_graphs import Tensors
from drac.learner import Learner
from drac.methods import METHODS as METHODS_OF_DRAC
from drac.networks import ActorCritic
from drac.networks.sampling import act
from drac.objectives.objective import make as make_objective
from drac.rollout import Rollout
from drac.train.collect import collect, estimate_returns
from drac.train.state import Training

NUM_ENVS, NUM_STEPS = 8, 32
METHODS = ("ppo", *(f"drac-{name}" for name in PAPER_ARMS), "rad-crop", "dra-crop", "drc-crop")


FULL = pytest.mark.full


class Narrow(ActorCritic):
    """The network with a sixteenth of the arithmetic, on images of the real size."""

    CHANNELS = (2, 4, 4)


def make_config(method: str = "ppo", **options: Any) -> TrainConfig:
    sizes = {"num_envs": NUM_ENVS, "num_steps": NUM_STEPS, "hidden_size": 16}
    fixed = {"game": "starpilot", "device": "cpu", "precision": "float32", "threads": 1}
    return TrainConfig(method=method, **{**sizes, **fixed, **options})


@cache
def played() -> Rollout:
    """A rollout of real frames, float32, by the narrow network."""
    training = Training(make_config())
    network = network_of(training.config, Narrow)
    training.acting.act = lambda inputs: act(network, "float32", inputs)
    collect(training)
    estimate_returns(training)
    training.env.close()
    return training.rollout


def rollout_of(num_steps: int = NUM_STEPS, dtype: torch.dtype = torch.float64) -> Rollout:
    """The first steps of what was played; in float64 the images are in [0, 1]."""
    return converted(played(), "cpu", dtype, num_steps)


def replaying(function: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
    """A recorder that needs no GPU: a replay runs the function again, into the same tensors."""
    outputs: Tensors = {}

    def replay() -> None:
        for name, value in function().items():
            outputs.setdefault(name, torch.empty_like(value)).copy_(value)

    # A real recording executes nothing: what it will fill must be known all the same.
    outputs["figures"] = torch.zeros(8, dtype=torch.float64)
    return outputs, replay


def updated(config: TrainConfig, rollout: Rollout, record: Any, kind: Any = Narrow) -> Weights:
    """The weights after the fast engine's update."""
    network = network_of(config, kind).double()
    learner = Learner(network, config, *generators(), make_objective(config), record)
    learner.update(rollout, augmentation_of(config))
    return network.state_dict()


def expected(config: TrainConfig, rollout: Rollout, kind: Any = Narrow) -> Weights:
    """The weights after the plain engine's update."""
    network = network_of(config, kind).double()
    ReferenceLearner(network, config, *generators()).update(rollout, augmentation_of(config))
    return network.state_dict()


def assert_equal(found: Weights, wanted: Weights, config: TrainConfig, kind: Any = Narrow) -> None:
    """Every weight to 1e-9, and all of them went somewhere."""
    begin = network_of(config, kind).double().state_dict()
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-9, msg=name)
        assert (weight - begin[name]).abs().max() > 1e-4, name


ALWAYS = {
    ("ppo", "paper"),
    ("drac-crop", "paper"),
    ("drac-random-conv", "released"),
    ("rad-crop", "released"),
    ("dra-crop", "paper"),
    ("drc-crop", "released"),
}
CASES = [(method, fidelity) for fidelity in ("paper", "released") for method in METHODS]


@pytest.mark.parametrize(
    ("method", "fidelity"),
    [
        pytest.param(*case, marks=[] if case in ALWAYS else FULL, id="-".join(case))
        for case in CASES
    ],
)
def test_an_update_is_that_of_the_plain_engine(method: str, fidelity: str) -> None:
    """24 gradient steps on the micro-batches of the CPU, and on the whole pieces of CUDA."""
    rollout = rollout_of(4)
    config = make_config(method, fidelity=fidelity, micro_batch=3)
    wanted = expected(config, rollout)
    assert_equal(updated(config, rollout, None), wanted, config)
    assert_equal(updated(config, rollout, replaying), wanted, config)


@pytest.mark.parametrize("micro_batch", [1, 7, pytest.param(20, marks=FULL), 64])
@pytest.mark.parametrize(
    ("method", "fidelity"),
    [pytest.param("ppo", "paper", marks=FULL), ("drac-crop", "released")],
)
def test_micro_batches_do_not_change_the_update(
    method: str, fidelity: str, micro_batch: int
) -> None:
    """Minibatches of 32 in pieces of 1, of 7 with a rest, of 20 and 12, and whole."""
    config = make_config(method, fidelity=fidelity, micro_batch=micro_batch, minibatches=2)
    found = updated(config, rollout_of(8), None)
    assert_equal(found, wanted_of(method, fidelity), config)


@cache
def wanted_of(method: str, fidelity: str) -> Weights:
    return expected(make_config(method, fidelity=fidelity, minibatches=2), rollout_of(8))


def test_an_update_of_the_real_network() -> None:
    config = make_config("drac-random-conv", hidden_size=256, micro_batch=1, minibatches=2)
    rollout = rollout_of(2)
    wanted = expected(config, rollout, ActorCritic)
    for record in (None, replaying):
        assert_equal(updated(config, rollout, record, ActorCritic), wanted, config, ActorCritic)


def test_it_knows_every_method_that_has_no_loss_or_learner_of_its_own() -> None:
    objectives = {"ppo:PPO", "drac:DrAC", "drac:DrA", "drac:DrC", "rad:RAD"}
    plain = {
        name
        for name, method in METHODS_OF_DRAC.items()
        if method.learner == "drac.learner:Learner"
        and method.objective.removeprefix("drac.objectives.") in objectives
    }
    known = {*ON_CLEAN, *CONSISTENCY, *ON_AUGMENTED}
    # The minibatches of these are whole envs, of rl2-drac's as it was released.
    assert plain - known == {"rl2-drac", "ppo-lstm", "rl2-ppo"}
    assert known <= plain


def test_the_figures_are_those_of_the_plain_engine() -> None:
    config = make_config("drac-color-jitter", fidelity="released", learning_rate=2e-3)
    found = []
    for kind in (Learner, ReferenceLearner):
        learner = kind(network_of(config, Narrow).double(), config, *generators())
        found.append(vars(learner.update(rollout_of(8), augmentation_of(config))))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert all(value for name, value in found[0].items() if name != "extra_loss"), found[0]


def gradient_config(method: str, **options: Any) -> TrainConfig:
    return make_config(method, micro_batch=50, hidden_size=256, epochs=1, **FROZEN | options)


@pytest.mark.parametrize(
    "method",
    ["drac-crop", pytest.param("ppo", marks=FULL), pytest.param("drac-random-conv", marks=FULL)],
)
def test_gradients_in_float32(method: str) -> None:
    """Each tensor's gradient to 2e-3 of its norm: Adam's first steps would amplify rounding."""
    config, rollout = gradient_config(method), rollout_of(16, torch.float32)
    found, wanted = (
        gradients(kind(network_of(config), config, *generators()), rollout)
        for kind in (Learner, ReferenceLearner)
    )
    assert len(found) == 2
    for mine, plain in zip(found, wanted, strict=True):
        assert mine.keys() == plain.keys()
        assert relative_error(mine, plain) < 2e-3
        for name, gradient in plain.items():
            assert (mine[name] - gradient).norm() < 2e-3 * gradient.norm()


@pytest.mark.skipif(
    not hardware.has_native_bf16("cpu"), reason="this CPU does not multiply bf16 in hardware"
)
@pytest.mark.parametrize("method", [pytest.param("ppo", marks=FULL), "drac-crop"])
def test_gradients_in_bf16_point_where_those_of_float32_do(method: str) -> None:
    config = gradient_config(method, minibatches=1)
    rollout = rollout_of(dtype=torch.float32)
    (exact,), (half,) = (
        gradients(Learner(network_of(config), precise, *generators()), rollout)
        for precise in (config, config.model_copy(update={"precision": "bf16"}))
    )
    each = {name: cosine({name: exact[name]}, {name: half[name]}) for name in exact}
    said = ", ".join(f"{name} {value:.4f}" for name, value in each.items())
    assert cosine(exact, half) >= 0.99, said
    assert min(each.values()) >= 0.9, said
