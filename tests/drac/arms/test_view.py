"""What the agent plays on: rad-rollout's frames, against a replay of the clean ones."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from procgen_runs import with_defaults
from tiny_runs import OPTIONS, Numbers, tiny_config, tiny_training
from torch import Tensor

import augmentations
from augmentations import Augmentation
from drac.errors import ConfigError
from drac.seeding import stream_seed
from drac.train import iterate
from drac.train.collect import collect
from drac.train.state import Training

NUM_ENVS = 8


def training_of(augmentation: str, **options: Any) -> Training:
    method = f"rad-rollout-{augmentation}"
    return tiny_training(tiny_config(method=method, num_envs=NUM_ENVS, steps=96, **options))


def clean_frames(actions: Tensor, steps_before: int = 0) -> np.ndarray:
    """What Procgen's stand-in showed, (T + 1, N, H, W, 3): the last is after the rollout."""
    envs = Numbers(NUM_ENVS)
    envs.time += steps_before
    return np.stack([envs.see(), *(envs.step(step)[0] for step in actions.numpy())])


def turns(stored: np.ndarray, clean: np.ndarray) -> int:
    """By how many quarter turns all images of an env differ; it is one number."""
    (k,) = [k for k in range(4) if np.array_equal(np.rot90(clean, k, (1, 2)), stored)]
    return k


def test_an_env_keeps_its_parameters_for_a_rollout_and_no_longer() -> None:
    training = training_of("rotate")
    found = []
    for before in (0, 4, 8):
        collect(training)
        stored, clean = training.rollout.obs.numpy(), clean_frames(training.rollout.actions, before)
        found.append([turns(stored[:, n], clean[:-1, n]) for n in range(NUM_ENVS)])
    assert len({k for one in found for k in one}) == 4
    assert found[0] != found[1] != found[2]


@pytest.mark.parametrize("name", ["random-conv", "color-jitter"])
def test_frames_are_rounded_and_cut_before_the_agent_sees_them(name: str) -> None:
    """One image at a time, in numpy; the network's outputs are those of what is stored."""
    training = training_of(name)
    network, config = copy.deepcopy(training.network), training.config
    (report,) = (next(iterate(training)),)
    generator = torch.Generator().manual_seed(stream_seed(config.seed, "augmentation"))
    augmentation = augmentations.make(name)
    params = augmentation.sample((NUM_ENVS, 3, 16, 16), generator)
    clean = clean_frames(training.rollout.actions)
    images = np.empty_like(clean)
    for t, n in np.ndindex(clean.shape[:2]):
        one = torch.from_numpy(clean[t, n]).permute(2, 0, 1)[None] / 255
        drawn = {key: value[n : n + 1] for key, value in params.items()}
        made = augmentation.apply(one, drawn)[0].permute(1, 2, 0).numpy()
        images[t, n] = np.rint((made * 255).clip(0, 255)).astype(np.uint8)
    rollout = training.rollout
    assert np.abs(images[:-1].astype(int) - rollout.obs.numpy()).max() <= 1  # a tie of rounding
    with torch.no_grad():
        logits, values = network(rollout.samples().obs / 255)
        last = network(torch.from_numpy(images[-1]).permute(0, 3, 1, 2) / 255)[1]
    log_probs = logits.log_softmax(1).gather(1, rollout.actions.flatten()[:, None])[:, 0]
    torch.testing.assert_close(log_probs, rollout.log_probs.flatten(), rtol=0, atol=1e-5)
    torch.testing.assert_close(values, rollout.values.flatten(), rtol=0, atol=1e-5)
    torch.testing.assert_close(last, rollout.last_values, rtol=0, atol=1e-2)
    assert report.arm == name
    assert report.stats.aug_policy_loss == 0


def test_it_learns_from_what_is_stored_as_ppo_does() -> None:
    """The first ratio is 1: of one gradient step no ratio has moved."""
    options = {"epochs": 1, "minibatches": 1}
    training = training_of("random-conv", **options)
    plain = tiny_training(
        tiny_config(**with_defaults(OPTIONS, {"num_envs": NUM_ENVS, "steps": 96, **options}))
    )
    report = next(iterate(training))
    assert report.stats.clip_fraction == 0
    assert abs(report.stats.approx_kl) < 1e-9
    plain.learner.update(training.rollout, None)
    for name, weight in training.network.named_parameters():
        assert torch.equal(weight, dict(plain.network.named_parameters())[name])


def test_with_the_identity_it_is_ppo_bit_for_bit() -> None:
    trained = []
    for method in ("ppo", "rad-rollout-identity", "rad-rollout-flip"):
        training = tiny_training(tiny_config(method=method))
        stats = [report.stats for report in iterate(training)]
        trained.append((stats, [float(w.sum()) for w in training.network.state_dict().values()]))
    assert trained[0] == trained[1] != trained[2]


class Shrinks(Augmentation):
    """Breaks its contract."""

    name = "shrinks"

    def sample(self, shape: Any, generator: torch.Generator) -> dict[str, Tensor]:
        return {}

    def apply(self, obs: Tensor, params: Any) -> Tensor:
        return obs[:, :, 1:]


def test_an_augmentation_that_breaks_its_contract_is_named() -> None:
    training = training_of("crop")
    training.augmentations["crop"] = Shrinks()
    with pytest.raises(ConfigError, match=r"'crop' changes the shape of images from \(8, 3, 16"):
        collect(training)
