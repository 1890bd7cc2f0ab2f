"""An augmentation's contract is checked before a run, and once at its first minibatch."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from small_updates import learner_of, make_config, random_rollout
from spoils import Spoils
from torch import Tensor

from augmentations import Augmentation, as_float, make, names
from drac.arms.trial import try_augmentations
from drac.config import TrainConfig
from drac.envs import ProcgenVectorEnv
from drac.errors import ConfigError, NonFinite
from drac.networks.sampling import sample_actions
from drac.train import prepare

MESSAGES = [
    ("shape", "'spoils' changes the shape of images from"),
    ("nan", "'spoils' returns values that are NaN or infinite"),
    ("inf", "'spoils' returns values that are NaN or infinite"),
    ("bytes", "'spoils' returns torch.uint8 for images of torch.float32; it must be torch.float32"),
    ("double", "'spoils' returns torch.float64 for images of torch.float32"),
    ("rows", "'spoils': the parameter 'by' must have one row for each of the"),
    ("nothing", "'spoils': apply must return a tensor, not a NoneType"),
]


def config(**options: Any) -> TrainConfig:
    """Two minibatches of three micro-batches."""
    sizes = {"num_envs": 4, "num_steps": 8, "steps": 32, "minibatches": 2, "micro_batch": 6}
    return make_config(**{**sizes, "epochs": 1, "method": "drac-crop", **options})


def update(augmentation: Augmentation, times: int = 1, obs: Tensor | None = None) -> None:
    learner, rollout = learner_of(config()), random_rollout(0, 8, 4)
    rollout.obs = rollout.obs if obs is None else obs
    for _ in range(times):
        learner.update(rollout, augmentation)


@pytest.mark.parametrize(("how", "message"), MESSAGES)
def test_the_first_minibatch_is_checked(how: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        update(Spoils(how))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("call", [2, 3])
def test_in_all_its_micro_batches(call: int) -> None:
    with pytest.raises(ConfigError, match="'spoils' returns values that are NaN"):
        update(Spoils("nan", (call,)))


@pytest.mark.parametrize(("call", "step"), [(4, 2), (7, 1)])
def test_later_ones_are_not_but_their_losses_are(call: int, step: int) -> None:
    aug = Spoils("nan", (call,))
    message = (
        "^aug_policy_loss, aug_value_loss, grad_norm are NaN or infinite with the augmentation"
        f" 'spoils', in gradient step {step} of 2$"
    )
    with pytest.raises(NonFinite, match=message):
        update(aug, times=2)


def test_messages_have_the_user_s_words_for_the_augmentation() -> None:
    learner, rollout = learner_of(config()), random_rollout(0, 8, 4)
    spec = "my_package.spoils:Spoils(calls=(3,))"
    message = re.escape(f"the augmentation {spec!r}")
    with pytest.raises(ConfigError, match=message):
        learner.update(rollout, Spoils("nan"), arm=spec)
    with pytest.raises(NonFinite, match=message):
        learner.update(rollout, Spoils("nan", (4,)), arm=spec)


def test_without_augmentation_nothing_is_blamed() -> None:
    learner, rollout = learner_of(config(learning_rate=1e30)), random_rollout(0, 8, 4)
    with pytest.raises(NonFinite, match="without augmentation, in gradient step 2 of 2"):
        learner.update(rollout, None)


@pytest.mark.parametrize("fidelity", ["paper", "released"])  # the latter samples actions of it
def test_a_spoiled_policy_is_no_error_of_torch(fidelity: str) -> None:
    learner = learner_of(config(fidelity=fidelity))
    with torch.no_grad():
        learner.network.fc.weight.fill_(torch.nan)
    with pytest.raises(NonFinite, match="NaN or infinite"):
        learner.update(random_rollout(0, 8, 4), make("identity"))
    with pytest.raises(NonFinite, match="the policy is NaN or infinite"):
        sample_actions(torch.tensor([[0, torch.nan]]), torch.Generator())


def test_each_arm_has_a_first_minibatch() -> None:
    learner, rollout = learner_of(config()), random_rollout(0, 8, 4)
    learner.update(rollout, Spoils("bright"))
    with pytest.raises(ConfigError, match="NaN"):
        learner.update(rollout, Spoils("nan"))


def test_an_output_may_leave_the_unit_interval() -> None:
    update(Spoils("bright"))
    update(make("random-conv"))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0, 255, r"\[\d\.?\d*, 2\d\d\.?\d*\]"), (-1, 1, r"\[-"), (0, torch.nan, "nan")],
)
def test_the_first_input_must_lie_in_the_unit_interval(low: float, high: float, said: str) -> None:
    obs = low + (high - low) * torch.rand(8, 4, 16, 16, 3)
    message = f"'spoils' was given images with values in .*{said}.*; they must lie in .0, 1."
    with pytest.raises(ConfigError, match=message):
        update(Spoils("bright"), obs=obs)


@pytest.mark.parametrize(("how", "message"), MESSAGES)
def test_a_trial_before_the_run_says_the_same(how: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("spoils", "my-arm")) as caught:
        try_augmentations({"none": None, "my-arm": Spoils(how)}, config())
    assert str(caught.value).endswith(" (tried on random images)")


class SpoilsWhere(Augmentation):
    """Return NaN for images of one kind, and remember all it is given."""

    name = "spoils-where"

    def __init__(self, kind: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.kind = kind
        self.seen: list[Tensor] = []

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        return {}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        self.seen.append(obs)
        return torch.where(self.kind(obs)[:, None, None, None], torch.nan, obs)


def smooth(obs: Tensor) -> Tensor:
    """Whether most neighbours are nearly alike, as in drawn frames, but not all of them."""
    steps = obs.diff(dim=3).abs().mean(dim=(1, 2, 3))
    return (steps > 0) & (steps < 0.2)


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (lambda obs: obs.amax(dim=(1, 2, 3)) == 0, "black images"),
        (lambda obs: obs.amin(dim=(1, 2, 3)) == 1, "white images"),
        (smooth, "frames of maze"),
    ],
)
def test_images_of_every_kind_are_tried(kind: Callable[[Tensor], Tensor], where: str) -> None:
    message = f"'my-arm' returns values that are NaN or infinite .tried on {where}."
    with pytest.raises(ConfigError, match=message):
        try_augmentations({"my-arm": SpoilsWhere(kind)}, config(game="maze"))


def test_the_frames_tried_are_of_the_run_s_levels_and_differ() -> None:
    def frames(**options: object) -> Tensor:
        aug = SpoilsWhere(lambda obs: torch.zeros(len(obs), dtype=torch.bool))
        try_augmentations({"my-arm": aug}, config(game="coinrun", **options))
        return max(aug.seen, key=len)

    one = frames(levels="3-3")
    assert one.shape[1:] == (3, 64, 64)
    assert 0 <= one.min() < one.max() <= 1
    assert len(one.flatten(1).unique(dim=0)) > len(one) / 2
    assert torch.equal(one, frames(levels="3-3"))
    assert not torch.equal(one, frames(levels="4-4"))
    assert not torch.equal(one, frames(levels="3-3", mode="hard"))
    assert len(one[:8].flatten(1).unique(dim=0)) == 1  # one level, eight envs: a single first frame


def test_ppo_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drac.envs.procgen_env.ProcgenVectorEnv.__init__", None)
    try_augmentations({"none": None}, config())


def test_the_envs_of_the_trial_are_closed_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ProcgenVectorEnv] = []
    make_env = ProcgenVectorEnv._make
    monkeypatch.setattr(
        ProcgenVectorEnv, "_make", lambda env, seed: made.append(env) or make_env(env, seed)
    )
    for kind in (smooth, lambda obs: obs.amax(dim=(1, 2, 3)) > 9):
        with contextlib.suppress(ConfigError):
            try_augmentations({"my-arm": SpoilsWhere(kind)}, config())
    assert [env.closed for env in made] == [True, True]


def test_the_trial_touches_no_state_of_a_run(tmp_path) -> None:
    before = torch.get_rng_state()
    arms = ("crop", "random-conv", "kornia:RandomInvert(p=0.5)")
    prepare(TrainConfig(method="ucb-drac", arms=arms, device="cpu"), tmp_path / "run")
    assert torch.equal(before, torch.get_rng_state())
    assert not (tmp_path / "run").exists()


# What can be trained, but hardly was meant


@pytest.mark.parametrize(
    "spec",
    [
        *("kornia:ColorJitter", "kornia:ColorJiggle", "kornia:RandomBrightness"),
        *("kornia:RandomContrast", "kornia:RandomGamma", "kornia:RandomHue"),
        *("kornia:RandomSaturation", "kornia:RandomCrop(size=(64,64))"),
        *("crop(padding=0)", "flip(p=0.0)", "kornia:RandomTranslate"),
    ],
)
def test_an_augmentation_that_changes_nothing_is_told(spec: str) -> None:
    (warning,) = try_augmentations({spec: make(spec)}, config())
    assert warning == (
        f"the augmentation {spec!r} changes no image in 8 draws: it trains as if there were none"
    )


def test_the_registered_augmentations_raise_no_doubt() -> None:
    made = {name: make(name) for name in names() if name not in ("compose", "random-choice")}
    made["kornia:RandomInvert(p=0.5)"] = make("kornia:RandomInvert(p=0.5)")
    assert "identity" in made
    assert try_augmentations(made, config()) == []


class Ignores(Augmentation):
    """Draws from a generator of its own, or the same again and again."""

    name = "ignores"

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.own = how, torch.Generator().manual_seed(7)

    def sample(self, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        own = torch.Generator().manual_seed(7) if self.how == "the same" else self.own
        return {"shift": torch.rand(shape[0], generator=own)}

    def apply(self, obs: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        return as_float(obs) * params["shift"][:, None, None, None]


@pytest.mark.parametrize(
    ("augmentation", "said"),
    [
        (
            Ignores("its own"),
            "draws otherwise from the same seed: a run with it cannot be",
        ),
        (Ignores("the same"), "draws the same every time: it ignores the generator"),
        ("kornia:RandomInvert(max_val=255.0)", "returns pixels from 0 to 255, where images have"),
    ],
    ids=["its own", "the same", "for bytes"],
)
def test_what_cannot_have_been_meant_is_told(augmentation: Augmentation | str, said: str) -> None:
    if isinstance(augmentation, str):
        augmentation = make(augmentation)
    (warning,) = try_augmentations({"mine": augmentation}, config())
    assert warning.startswith(f"the augmentation 'mine' {said}")


def test_the_warning_comes_before_the_training(tmp_path: Path) -> None:
    said: list[str] = []
    wanted = config(method="drac", augmentation="flip(p=0.0)")
    prepare(wanted, tmp_path / "run", notify=said.append)
    (warning,) = said
    assert warning.startswith("warning: the augmentation 'flip(p=0.0)' changes no image in 8 draws")
    assert not (tmp_path / "run").exists()
