"""CUDA's way of acting, on the CPU: groups, recordings, weights that are cast once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from graph_recorder import Recorder
from small_runs import same
from tiny_runs import grouped_training, tiny_config

from augmentations import as_float
from drac import hardware, methods
from drac.arms.view import Clean
from drac.config import build
from drac.cuda_graphs import WARMUP_CALLS
from drac.errors import ConfigError
from drac.networks.sampling import act, draw_noise
from drac.train.collect import collect, estimate_returns
from drac.train.state import Training

NETWORKS = sorted({method.network: name for name, method in methods.METHODS.items()}.values())
"""One method of every network."""

KEPT = ("obs", "actions", "values", "log_probs", "rewards", "dones", "last_values")


def played(training: Training, updates: int = 2) -> list[torch.Tensor]:
    """Train; return everything that the rollouts held."""
    kept = []
    for _ in range(updates):
        collect(training)
        estimate_returns(training)
        kept += [getattr(training.rollout, name).clone() for name in KEPT]
        arm = training.selector.select()
        augmentation = training.view.in_update(training.augmentations[arm])
        training.learner.update(training.rollout, augmentation)
    training.env.close()
    return kept


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "method", ["ppo", "drac-crop", "idaac", "rad-rollout-random-conv", "ppo-lstm", "rl2-ppo"]
)
def test_a_recorded_run_is_the_run(method: str, groups: int) -> None:
    record = Recorder()
    config = tiny_config(method=method, env_groups=groups, num_steps=8, eval_episodes=4)
    plain, recorded = Training(config), Training(config, record=record)
    assert same(played(plain), played(recorded))
    assert same(plain.network.state_dict(), recorded.network.state_dict())
    assert plain.recorded == ()
    assert all(part.holds for part in recorded.recorded)
    assert record.recordings == len(recorded.recorded) == groups + (3 if method == "idaac" else 1)
    acted = groups * (2 * config.num_steps - WARMUP_CALLS)
    assert record.replays >= acted


@pytest.mark.parametrize("method", [*NETWORKS, "ppo-lstm"])
def test_weights_that_are_cast_once_act_as_those_of_autocast(method: str) -> None:
    """Bit for bit, whatever the network, and after the learner has changed it."""
    training = Training(tiny_config(method=method, precision="bf16", num_steps=4, eval_episodes=4))
    network = training.network
    noise = draw_noise(training.config.num_envs, training.env.num_actions, torch.Generator())
    inputs: dict[str, Any] = {"obs": torch.from_numpy(training.obs), "noise": noise}
    inputs |= training.acting.memory
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) / 10)
    network.eval()
    training.acting.begin()
    with torch.inference_mode():
        found, wanted = training.acting.act(inputs), act(network, "bf16", inputs)
    assert same(found, wanted)
    training.env.close()


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("num_steps", [5, 7])
def test_an_lstm_s_values_are_those_of_one_pass_over_the_rollout(
    num_steps: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what was kept as it began to the bootstrap; episodes of seven steps end in it."""
    config = tiny_config(method="ppo-lstm", num_steps=num_steps, steps=42, env_groups=groups)
    training = grouped_training(config, monkeypatch)
    with torch.no_grad():
        training.network.lstm.weight_hh.mul_(3)
    rollout, begins = training.rollout, torch.ones(1, 2, dtype=torch.bool)
    for update in range(3):
        collect(training)
        estimate_returns(training)
        images = torch.cat([rollout.obs, torch.from_numpy(training.obs)[None]])
        firsts = torch.cat([begins, rollout.dones])
        sequences = as_float(images.permute(1, 0, 4, 2, 3).flatten(0, 1))
        with torch.no_grad():
            _, values = training.network(sequences, **rollout.begun, firsts=firsts.T)
        found = torch.cat([rollout.values, rollout.last_values[None]])
        torch.testing.assert_close(found, values.view(2, -1).T, rtol=0, atol=1e-6)
        assert (rollout.begun["h"].abs().max() > 0) == (update > 0)
        begins = rollout.dones[-1:].clone()


@pytest.mark.parametrize(("precision", "number"), [("float32", 1), ("bf16", 2)])
def test_compiled_is_what_learns_and_what_acts(
    monkeypatch: pytest.MonkeyPatch, precision: str, number: int
) -> None:
    """The copy that acts in bf16 too; what a compiler makes of it is not asked here."""
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(hardware, "resolve", lambda config: config)  # which wants CUDA for it
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **how: compiled.append(self))
    training = Training(tiny_config(compile=True, precision=precision))
    training.env.close()
    assert len(compiled) == number
    assert compiled[0] is training.network


def test_compile_is_refused_where_it_cannot_help() -> None:
    with pytest.raises(ConfigError, match="compile is for CUDA"):
        Training(tiny_config(compile=True))
    with pytest.raises(ConfigError, match="'meta-drac' differentiates the network"):
        build({"method": "meta-drac", "compile": True})


def test_a_view_of_ones_own_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that only changes how frames are shown, as a plug-in may."""

    class Inverted(Clean):
        """Negatives."""

        def __call__(self, frames: torch.Tensor, envs: slice) -> torch.Tensor:
            return 255 - frames

    plain = Training(tiny_config(method="ppo", num_steps=4, eval_episodes=4))
    monkeypatch.setattr(methods.get("ppo").__class__, "part", _with_view(Inverted))
    inverted = Training(tiny_config(method="ppo", num_steps=4, eval_episodes=4))
    for training in (plain, inverted):
        collect(training)
        training.env.close()
    assert torch.equal(inverted.rollout.obs[0], 255 - plain.rollout.obs[0])


def _with_view(view: type[Clean]) -> Any:
    """Return `Method.part`, but for the view."""
    part = type(methods.get("ppo")).part
    return lambda self, name: view if name == "view" else part(self, name)
