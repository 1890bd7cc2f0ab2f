"""Gradient steps that are not finite: not taken, reported or counted, on every path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graph_recorder import Recorder
from small_updates import OBS_SHAPE, learner_of, make_config, random_rollout
from tiny_runs import Numbers, tables, tiny_config
from torch import Tensor

from augmentations import Augmentation
from drac import cli
from drac.arms.rl2 import RL2Selector
from drac.config import TrainConfig
from drac.errors import NonFinite
from drac.learner import Learner
from drac.learner.gradient_steps import FIGURES, GradientSteps, on_device
from drac.networks import ActorCritic
from drac.rollout import Minibatch, Rollout
from drac.stats import UpdateStats
from drac.train import iterate, train
from drac.train.state import Training

T, N = 8, 4


def rollout() -> Rollout:
    return random_rollout(0, T, N)


def minibatches() -> Iterator[Minibatch]:
    """Those of the first epoch of a learner of `learner_of`."""
    return rollout().minibatches(4, torch.Generator().manual_seed(1))


def weights(module: torch.nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in module.parameters()])


class AtCall:
    """Wraps an objective; its loss is NaN in some calls."""

    def __init__(self, objective: Any, *calls: int) -> None:
        self.objective, self.calls, self.call = objective, calls, 0

    def __call__(self, network: ActorCritic, inputs: Any) -> tuple[Tensor, Tensor]:
        self.call += 1
        loss, figures = self.objective(network, inputs)
        if self.call in self.calls:
            loss, figures = loss * torch.nan, figures * torch.nan
        return loss, figures

    def draw(self, *args: Any) -> Any:
        return self.objective.draw(*args)


def config(**options: Any) -> TrainConfig:
    """One micro-batch a minibatch, so that calls are gradient steps, from 1."""
    sizes = {"num_envs": N, "num_steps": T, "steps": T * N, "micro_batch": 100}
    return make_config(**sizes, **options)


def learner_with(
    calls: Sequence[int], record: Recorder | None = None, **options: Any
) -> tuple[Learner, AtCall]:
    learner = learner_of(config(method="ppo", epochs=2, **options), record=record)
    learner.objective = objective = AtCall(learner.objective, *calls)
    return learner, objective


def test_the_step_is_not_taken_and_its_minibatch_is_told() -> None:
    learner, _ = learner_with([3])
    taken: list[Tensor] = []
    with pytest.raises(NonFinite, match="in gradient step 3 of 8$") as caught:
        learner.update(rollout(), None, lambda: taken.append(weights(learner.network)))
    assert len(taken) == 2
    assert torch.equal(weights(learner.network), taken[-1])
    found = caught.value.evidence
    third = list(minibatches())[2]
    assert np.array_equal(found["obs"], third.obs.numpy())
    assert np.array_equal(found["actions"], third.actions.numpy())
    assert np.array_equal(found["advantages"], third.advantages.numpy())
    assert found["gradient_step"] == 3
    assert found["loss_names"].tolist() == list(FIGURES[:-1])  # PPO has no extra_loss
    assert np.isnan(found["losses"][0])


def test_skipped_steps_are_as_if_they_had_not_been() -> None:
    """Adam's moments and step counts too: the steps that are taken are those of a learner which
    was never given the others."""
    learner, _ = learner_with([1, 4, 8], on_nan="skip")
    stats = learner.update(rollout(), None)
    assert learner.skipped == 3
    other, _ = learner_with([])
    figures = []
    for number, minibatch in enumerate(other._minibatches(rollout(), other.minibatch_generator), 1):
        draws = other.draw(minibatch)
        if number not in (1, 4, 8):
            figures.append(other.take_step(minibatch, None, draws))
    assert torch.equal(weights(learner.network), weights(other.network))
    mine, theirs = (each.optimizer.state_dict()["state"] for each in (learner, other))
    assert all(torch.equal(mine[i][name], theirs[i][name]) for i in mine for name in mine[i])
    assert mine[0]["step"] == 5
    assert stats.policy_loss == pytest.approx(float(torch.stack(figures)[:, 0].mean()), rel=1e-5)
    learner.objective = other.objective
    learner.update(rollout(), None)
    assert learner.skipped == 0


def test_an_update_without_any_finite_step_ends_the_run_all_the_same() -> None:
    learner, _ = learner_with(range(1, 9), on_nan="skip")
    before = weights(learner.network)
    with pytest.raises(NonFinite, match="none of 8 gradient steps was finite without augm"):
        learner.update(rollout(), None)
    assert torch.equal(weights(learner.network), before)


def test_an_infinite_divergence_alone_is_no_reason() -> None:
    """`approx_kl` and `clip_fraction` are only watched."""
    figures = torch.zeros(len(FIGURES))
    figures[FIGURES.index("approx_kl")] = torch.inf
    assert UpdateStats(*figures.tolist()).not_finite() == ""
    assert on_device(figures) == 0
    for name in set(FIGURES) - {"approx_kl", "clip_fraction"}:
        bad = figures.clone()
        bad[FIGURES.index(name)] = torch.nan
        assert UpdateStats(*bad.tolist()).not_finite() == f"{name} is NaN or infinite"
        assert on_device(bad) == 1


# CUDA's path, without a GPU


def test_on_the_device_the_optimizer_leaves_the_step_out() -> None:
    """As on CUDA: one fused kernel that is told by a tensor, which nobody reads in between."""
    learner, _ = learner_with([2, 6], on_nan="skip", record=Recorder())
    assert learner.captured is not None
    learner.update(rollout(), None)
    assert learner.skipped == 2
    assert weights(learner.network).isfinite().all()
    states = learner.optimizer.state_dict()["state"].values()
    assert {float(state["step"]) for state in states} == {6.0}
    other, _ = learner_with([2, 6], on_nan="skip")
    other.update(rollout(), None)
    torch.testing.assert_close(weights(learner.network), weights(other.network))


def test_what_is_looked_at_in_the_end_has_its_minibatch_too() -> None:
    steps = GradientSteps(4, "somewhere", at_once=False, again=minibatches())
    for number in range(4):
        figures = torch.zeros(len(FIGURES))
        figures[0] = torch.inf if number == 2 else 1.0
        steps.add(figures, None)
    with pytest.raises(NonFinite, match="somewhere, in gradient step 3 of 4") as caught:
        steps.means()
    assert np.array_equal(caught.value.evidence["obs"], list(minibatches())[2].obs.numpy())


def test_a_large_minibatch_is_cut() -> None:
    size = 3000
    numbers = torch.zeros(size)
    minibatch = Minibatch(
        torch.zeros(size, 3, 2, 2, dtype=torch.uint8), numbers, numbers, numbers, numbers, numbers
    )
    steps = GradientSteps(1, "")
    with pytest.raises(NonFinite) as caught:
        steps.add(torch.full((len(FIGURES),), torch.nan), minibatch)
    assert len(caught.value.evidence["obs"]) == len(caught.value.evidence["actions"]) == 2048


# Other learners


@pytest.mark.parametrize("part", ["policy", "value", "classifier"])
@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_each_part_of_idaac(part: str, on_nan: str) -> None:
    learner = learner_of(config(method="idaac", on_nan=on_nan, idaac_value_epochs=1))
    which = {"policy": learner, "value": learner._value, "classifier": learner._classifier}[part]
    assert which is not None
    which.objective = AtCall(which.objective, 2)
    if on_nan == "skip":
        learner.update(rollout(), None)
        assert learner.skipped == 1
    else:
        with pytest.raises(NonFinite, match=f"in the .*{part}.*, in gradient step 2 of 4") as error:
            learner.update(rollout(), None)
        assert error.value.evidence["obs"].shape == (8, *OBS_SHAPE)
    assert weights(learner.network).isfinite().all()


def test_the_meta_step() -> None:
    for on_nan in ("stop", "skip"):
        training = Training(
            tiny_config(method="meta-drac", meta_inner_lr=1e30, on_nan=on_nan), Numbers(2)
        )
        (conv,) = training.augmentations.values()
        assert isinstance(conv, Augmentation)
        before = [buffer.clone() for buffer in conv.buffers()]
        if on_nan == "skip":
            assert next(iterate(training)).skipped_steps == 1
        else:
            with pytest.raises(NonFinite, match="outer loss"):
                next(iterate(training))
        assert all(map(torch.equal, conv.buffers(), before))


def test_the_policy_of_rl2() -> None:
    selector = RL2Selector(["a", "b"], torch.Generator().manual_seed(0))
    selector.update(selector.select(), 1.0)
    arm = selector.select()
    with pytest.raises(NonFinite, match="chooses the arm"):
        selector.update(arm, 1e30)
    assert weights(selector.policy).isfinite().all()


# Whole runs


RARELY = {
    "method": "drac",
    "augmentation": "spoils:Spoils(calls=(3, 5))",  # of six gradient steps
    "checkpoint_every": 0,
}


def test_a_run_stops_with_a_report_and_continues_with_skip(tiny: None, tmp_path: Path) -> None:
    message = (
        r"update 2, begun at step 8, failed.*'spoils:Spoils.calls=.3, 5..', in gradient step 1 of"
        r" 2; its minibatch is in .*nan_report\.npz; the log is .*newest checkpoint .*step_0+8\.pt"
    )
    with pytest.raises(NonFinite, match=message):
        train(tiny_config(**RARELY), tmp_path)
    with np.load(tmp_path / "nan_report.npz", allow_pickle=False) as report:
        assert report["obs"].shape == (4, 3, 16, 16)
        assert report["obs"].dtype == np.uint8
        assert report["actions"].shape == (4,)
        assert (report["step"], report["update"], report["gradient_step"]) == (8, 2, 1)
        assert report["arm"] == RARELY["augmentation"]
        names = report["loss_names"].tolist()
        assert np.isnan(report["losses"][names.index("aug_policy_loss")])
        assert np.isfinite(report["losses"][names.index("policy_loss")])
    assert [row["update"] for row in tables(tmp_path)["progress.csv"]] == ["1"]
    train(tiny_config(**RARELY, on_nan="skip"), tmp_path)
    assert [row["update"] for row in tables(tmp_path)["progress.csv"]] == ["1", "2", "3"]


def test_skipped_steps_are_counted_also_when_a_run_continues(tiny: None, tmp_path: Path) -> None:
    config = tiny_config(**RARELY, on_nan="skip", steps=16)
    train(config, tmp_path)
    assert [row["skipped_steps"] for row in tables(tmp_path)["progress.csv"]] == ["0", "1"]
    train(tiny_config(**RARELY, on_nan="skip", steps=40), tmp_path)
    found = [row["skipped_steps"] for row in tables(tmp_path)["progress.csv"]]
    assert found == ["0", "1", "1", "2", "3"]  # the calls of the second session count anew


def test_the_command_line_names_the_file(
    tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tiny_config(**RARELY).model_dump(exclude_defaults=True)
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    assert cli.main(["train", *words, "--run-dir", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(tmp_path / "run" / "nan_report.npz") in said
    assert cli.main(["train", *words, "--on-nan", "sometimes", "--run-dir", "x"]) == 2
    assert "on_nan 'sometimes' is not possible" in capsys.readouterr().err


def test_returns_that_are_not_finite_end_the_run(tmp_path: Path, tiny: None) -> None:
    training = Training(tiny_config(), Numbers(2))
    with torch.no_grad():
        training.network.value_head.bias.fill_(torch.inf)
    with pytest.raises(NonFinite, match="update 1.*the value network expects is NaN or infinite"):
        next(iterate(training))
