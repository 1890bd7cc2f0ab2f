"""Compose and RandomChoice: members, their parameters, and that only the chosen one acts."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from real_frames import LEVEL, OBS, generator, images
from scipy import stats
from torch import Tensor

import augmentations
from augmentations import Augmentation, Compose, RandomChoice


def test_compose_applies_one_after_another_with_draws_in_that_order() -> None:
    specs = ["crop", "flip(axis='vertical')", "noise"]
    shared = generator(1)
    expected, params = OBS, {}
    for number, spec in enumerate(specs):
        member = augmentations.make(spec)
        own = member.sample(OBS.shape, shared)
        expected = member.apply(expected, own)
        params |= {f"{number}.{key}": value for key, value in own.items()}
    compose = Compose(specs)
    drawn = compose.sample(OBS.shape, generator(1))
    assert list(drawn) == ["0.top", "0.left", "1.mask", "2.std", "2.seed"]
    assert all(torch.equal(drawn[key], value) for key, value in params.items())
    assert torch.equal(compose.apply(OBS, drawn), expected)
    # Order matters: a crop of a turned image is not a turned crop.
    assert not torch.equal(Compose(specs[::-1])(OBS, generator(1)), expected)


def test_members_are_specifications_augmentations_and_kinds_of_sequences() -> None:
    flip = augmentations.make("flip(p=1.0)")
    expected = flip.apply(OBS, {"mask": torch.ones(8, dtype=torch.bool)})
    for members in (["flip(p=1.0)"], ("flip(p=1.0)",), [flip], (flip,)):
        assert torch.equal(Compose(members)(OBS), expected)
    assert torch.equal(Compose([flip, flip])(OBS), OBS)


def test_made_from_a_specification() -> None:
    made = augmentations.make("compose(augmentations=('crop', \"flip(axis='vertical')\"))")
    assert isinstance(made, Compose)
    expected = Compose(["crop", "flip(axis='vertical')"])(OBS, generator(2))
    assert torch.equal(made(OBS, generator(2)), expected)
    spec = "random-choice(augmentations=['compose', 'kornia:RandomSolarize(p=1.0)'])"
    nested = augmentations.make(spec)
    assert isinstance(nested, RandomChoice)
    assert nested(OBS, generator(2)).shape == OBS.shape
    assert augmentations.check(spec) == spec


def test_random_choice_applies_the_chosen_member_alone() -> None:
    specs = [*augmentations.PAPER_ARMS, "identity", "compose(augmentations=('blur', 'rotate'))"]
    choice = RandomChoice(specs)
    obs = images(80)
    params = choice.sample(obs.shape, generator(4))
    actual = choice.apply(obs, params)
    assert len(params["choice"].unique()) == len(specs)
    for i, number in enumerate(params["choice"].tolist()):
        member = augmentations.make(specs[number])
        own = {
            key.removeprefix(f"{number}."): value[i : i + 1]
            for key, value in params.items()
            if key.startswith(f"{number}.")
        }
        expected = member.apply(obs[i : i + 1], own)
        torch.testing.assert_close(actual[i : i + 1], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels_last", [True, False])
def test_random_choice_without_waiting_for_a_gpu_is_the_same(channels_last: bool) -> None:
    choice = RandomChoice()
    obs = images(40) if channels_last else images(40).contiguous()
    params = choice.sample(obs.shape, generator(5))
    for rows in (slice(0, 40), slice(0, 1), slice(0, 0)):
        own = {key: value[rows] for key, value in params.items()}
        masked = choice._apply_masked(obs[rows], own["choice"], own)
        torch.testing.assert_close(choice.apply(obs[rows], own), masked, rtol=0, atol=1e-6)


def test_members_that_nobody_chose_are_no_problem() -> None:
    choice = RandomChoice(["crop", "noise", "grayscale"])
    params = choice.sample(OBS.shape, generator())
    params["choice"] = torch.full((8,), 2)
    expected = augmentations.make("grayscale").apply(OBS, {})
    assert torch.equal(choice.apply(OBS, params), expected)


def test_the_choice_is_uniform_and_independent_of_the_members_draws() -> None:
    params = RandomChoice(["flip", "crop", "rotate"]).sample((30_000, 3, 64, 64), generator(6))
    counts = np.bincount(params["choice"].numpy(), minlength=3)
    assert stats.chisquare(counts).pvalue > LEVEL
    table = np.zeros((3, 4))
    np.add.at(table, (params["choice"].numpy(), params["2.quarter_turns"].numpy()), 1)
    assert stats.chi2_contingency(table).pvalue > LEVEL


def test_the_default_choice_is_the_paper_s_eight() -> None:
    names = [member.name for member in RandomChoice().augmentations]
    assert tuple(names) == augmentations.PAPER_ARMS


def test_half_precision_images_do_not_round_the_parameters() -> None:
    obs = OBS.to(torch.bfloat16)
    jitter = augmentations.make("color-jitter")
    params = jitter.sample(obs.shape, generator(7))
    prefixed = {f"0.{key}": value for key, value in params.items()}
    actual = Compose([jitter]).apply(obs, prefixed)
    assert torch.equal(actual, jitter.apply(obs, params))


def test_the_state_of_the_members_is_saved() -> None:
    before = Compose(["cutout-color(color_scale='released')", "flip"])
    before.sample(OBS.shape, generator())
    state = before.state_dict()
    assert {key: int(value) for key, value in state.items()} == {"augmentations.0.draws": 1}
    after = Compose(["cutout-color(color_scale='released')", "flip"])
    after.load_state_dict(state)
    expected = before.sample(OBS.shape, generator(8))
    actual = after.sample(OBS.shape, generator(8))
    assert all(torch.equal(actual[key], value) for key, value in expected.items())
    assert actual["0.color"].max() > 1  # the second draw is not scaled


def test_they_print_their_members() -> None:
    text = repr(RandomChoice([Compose(["crop(padding=3)", "noise"]), "flip"]))
    for part in ("RandomChoice(", "(0): Compose(", "(0): RandomCrop(padding=3)", "RandomFlip("):
        assert part in text


def test_they_move_as_modules_do() -> None:
    moved = copy.deepcopy(RandomChoice()).to("meta")
    assert [value.device.type for value in moved.state_dict().values()] == ["meta"]
    modules = [type(module).__name__ for module in Compose(["crop", "flip"]).modules()]
    assert modules == ["Compose", "ModuleList", "RandomCrop", "RandomFlip"]


def test_what_members_declare_is_theirs() -> None:
    assert Compose(["crop", "color-jitter"]).batch_wide == ("1.contrast_first",)
    nested = RandomChoice(["crop", Compose(["color-jitter"])])
    assert nested.batch_wide == ("1.0.contrast_first",)
    assert Compose(["crop", "flip"]).output_range == (0.0, 1.0)
    assert Compose(["random-conv", "flip"]).output_range is None
    assert RandomChoice(["crop", "flip"]).output_range == (0.0, 1.0)
    assert RandomChoice().output_range is None


class Signed(augmentations.Identity):
    """Images in [-1, 1]."""

    output_range = (-1.0, 1.0)

    def apply(self, obs: Tensor, params: object) -> Tensor:
        return 2 * augmentations.as_float(obs) - 1


def test_the_range_of_members_with_another_one() -> None:
    assert RandomChoice([Signed(), "flip"]).output_range == (-1.0, 1.0)
    assert Compose([Signed(), "flip"]).output_range is None


@pytest.mark.parametrize("group", [Compose, RandomChoice])
def test_impossible_members_are_refused(group: type[Augmentation]) -> None:
    for given, message in [
        ("crop", "must be a list of augmentations or of their specifications; got 'crop'"),
        (3, "must be a list of augmentations or of their specifications; got 3"),
        ([], "must name at least one; got none"),
        ([3], "a member must be an Augmentation or a specification; got 3"),
        ([torch.nn.ReLU()], r"a member must be an Augmentation .* got ReLU\(\)"),
        (["crpo"], "unknown augmentation 'crpo'"),
        (["crop(padding=-1)"], "padding must be an integer"),
    ]:
        with pytest.raises(ValueError, match=message):
            group(augmentations=given)  # type: ignore[call-arg]


def test_the_failing_member_is_named() -> None:
    compose = Compose(["flip", "rotate"])
    with pytest.raises(ValueError, match="square images; got 16 x 32"):
        compose.sample((2, 3, 16, 32), generator())
    params = compose.sample((2, 3, 16, 16), generator())
    with pytest.raises(ValueError, match=r"member 1 \(rotate\): rotate needs square images"):
        compose.apply(torch.zeros(2, 3, 16, 32), params)
    del params["0.mask"]
    with pytest.raises(ValueError, match=r"member 0 \(flip\): the parameter 'mask' is missing"):
        compose.apply(torch.zeros(2, 3, 16, 16), params)
