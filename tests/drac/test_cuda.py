"""On a GPU: what is recorded is what would have been computed, and holds.

Each test also runs on the CPU with what stands in for the recorder, which shows that the test
itself is sound; the GPU's part is skipped where there is none, as nothing else can record kernels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graph_recorder import Recorder
from real_frames import FRAMES
from tiny_runs import tiny_config

from augmentations import as_float
from drac import hardware
from drac.evaluate.episodes import Player
from drac.games import NUM_ACTIONS
from drac.policy.agent import load_agent
from drac.runs import checkpoint
from drac.train.collect import collect, estimate_returns
from drac.train.state import Training

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]


def training(device: str, record: bool = True, **options: Any) -> Training:
    """A run on real frames, with CUDA's recorder or, on the CPU, what stands in for it."""
    sizes = {"num_envs": 8, "num_steps": 16, "minibatches": 4, "epochs": 3, "steps": 256}
    sizes |= {"hidden_size": 32, "eval_episodes": 4}
    config = tiny_config(**{**sizes, "device": device, "cuda_graphs": record, **options})
    hardware.use(config)
    return Training(config, record=Recorder() if record and device == "cpu" else None)


def update(run: Training, number: int) -> None:
    """Train some updates, every arm in its turn."""
    for i in range(number):
        collect(run)
        estimate_returns(run)
        arms = list(run.augmentations.values())
        run.learner.update(run.rollout, arms[i % len(arms)])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("method", ["ppo", "ucb-drac", "idaac", "rl2-ppo"])
def test_recordings_hold_over_updates_of_a_live_run(
    method: str, precision: str, device: str
) -> None:
    run = training(device, method=method, precision=precision, env_groups=2)
    update(run, 2)
    run.env.close()
    assert run.recorded
    assert [part.reason for part in run.recorded if not part.holds] == []


@pytest.mark.parametrize("device", DEVICES)
def test_a_recorded_run_is_the_run_kernel_by_kernel(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first actions are the same; weights differ by rounding at most.

    In float32 cuDNN's own choice sums gradients in an order that differs from call to call.
    """
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    runs = [training(device, record, method="drac-crop") for record in (True, False)]
    first = []
    for run in runs:
        collect(run)
        estimate_returns(run)
        first.append(run.rollout.actions.cpu())
        run.learner.update(run.rollout, run.augmentations["crop"])
        run.env.close()
    assert torch.equal(*first)
    for one, other in zip(*(run.network.parameters() for run in runs), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_a_recorded_evaluation_chooses_as_one_kernel_by_kernel(device: str) -> None:
    run = training(device, method="ppo")
    run.env.close()
    network = run.network.eval()
    record = Recorder() if device == "cpu" else None
    players = [
        Player(
            network, 8, NUM_ACTIONS, torch.Generator(device).manual_seed(1), fixed=fixed, record=how
        )
        for fixed, how in ((True, record), (False, None))
    ]
    with torch.inference_mode():
        for playing in ((0, 1, 2, 3, 4, 5, 6, 7), *[(1, 4, 6)] * 5):
            one, other = (player(FRAMES, np.array(playing)) for player in players)
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
def test_a_checkpoint_plays_on_the_cpu(tmp_path: Path, device: str) -> None:
    """Its logits are within 1e-3 of those that the device gives."""
    run = training(device, method="ppo")
    update(run, 1)
    config = run.config
    state = {"config": config.model_dump(mode="json"), "training": run.state_dict()}
    run.env.close()
    checkpoint.save(tmp_path, run.step, state)
    agent, _ = load_agent(tmp_path, config, "cpu")
    images = as_float(torch.from_numpy(FRAMES).permute(0, 3, 1, 2))
    with torch.inference_mode():
        wanted, _ = run.network.eval()(images.to(device))
        found, _ = agent(images)
    torch.testing.assert_close(found, wanted.cpu(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_adam_says_nothing_and_evaluations_use_all_cores(device: str) -> None:
    """Warnings are errors in this suite: a step before the recording must give none."""
    run = training(device, method="ppo", epochs=1, minibatches=1)
    update(run, 1)
    run.env.close()
    expected = hardware.cores() if device == "cuda" else torch.get_num_threads()
    assert hardware.evaluation_threads(device) == (0 if expected == 1 else expected)
