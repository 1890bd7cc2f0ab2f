"""Classes of kornia.augmentation as augmentations, and augmentations within kornia's containers."""

from __future__ import annotations

import contextlib
import copy
import inspect
import re

import kornia.augmentation as kornia
import pytest
import torch
from matrix import sampled
from real_frames import generator
from torch import Tensor

import augmentations
from augmentations import Augmentation, canonical, slug
from augmentations.kornia_adapter import KorniaAugmentation
from augmentations.kornia_classes import usable
from augmentations.testing import check_augmentation
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.methods.spellings import resolve
from drac.train import prepare

# RandomJPEG of kornia 0.8; pytest makes errors of warnings, and an error refuses a class.
pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")

OF_KORNIA_09 = {"RandomGaussianNoise"}
"""In kornia 0.8, which Python 3.10 has, these draw while they are applied."""

SPECS = [
    "RandomGaussianBlur(kernel_size=(3,3), sigma=(0.1,2.0), p=1.0)",
    "RandomGaussianBlur(kernel_size=(5,5), sigma=(0.1,2.0), p=0.5)",
    "ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, p=0.7)",
    "ColorJiggle(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, p=1.0)",
    "ColorJiggle(brightness=0.2, contrast=0.2, same_on_batch=True, p=0.5)",
    "RandomAffine(degrees=15.0, translate=(0.1, 0.1), p=1.0)",
    "RandomAffine(degrees=15.0, same_on_batch=True, p=1.0)",
    "RandomChannelDropout(p=0.5)",
    "RandomChannelShuffle(p=1.0)",
    "RandomCrop(size=(64, 64), padding=8, p=1.0)",
    "RandomCrop(size=(64, 64), padding=8, p=0.5)",
    "RandomCrop(size=(64, 64), padding=8, cropping_mode='resample', p=0.5)",
    "RandomElasticTransform(p=1.0)",
    "RandomEqualize(p=0.5)",
    "RandomErasing(p=0.5)",
    "RandomFisheye(center_x=(-0.3, 0.3), center_y=(-0.3, 0.3), gamma=(0.9, 1.2), p=0.5)",
    "RandomGaussianIllumination(p=0.5)",
    "RandomGaussianNoise(std=0.1, p=0.5)",
    "RandomGaussianNoise(std=0.1, same_on_batch=True, p=1.0)",
    "RandomGrayscale(p=0.3)",
    "RandomHorizontalFlip(p=0.5)",
    "RandomInvert(p=0.5)",
    "RandomJPEG(jpeg_quality=(5.0, 50.0), p=0.5)",
    "RandomMotionBlur(kernel_size=(3, 9), angle=35.0, direction=0.5, p=0.5)",
    "RandomPerspective(p=0.5)",
    "RandomPosterize(p=0.5)",
    "RandomRain(p=0.5)",
    "RandomResizedCrop(size=(64, 64), p=1.0)",
    "RandomRotation(degrees=30.0, p=0.5)",
    "RandomRotation90(times=(0, 3), p=1.0)",
    "RandomSaltAndPepperNoise(p=0.5)",
    "RandomSharpness(p=0.5)",
    "RandomSolarize(p=0.5)",
    "RandomThinPlateSpline(p=0.5)",
    "RandomVerticalFlip(p=0.5)",
    "Normalize(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))",
]

SOME = ("RandomGaussianBlur", "ColorJiggle", "RandomCrop", "RandomErasing", "RandomRotation90")
"""A filter, a colour, a geometry, a random area and one without p between 0 and 1."""

PARAMETERS = sampled(SPECS, [spec for spec in SPECS if spec.startswith(SOME)])


def spec_id(spec: str) -> str:
    return re.sub(r"[^\w.]+", "-", spec)[:40]


every_spec = pytest.mark.parametrize("spec", PARAMETERS, ids=spec_id)


def make(spec: str) -> Augmentation:
    try:
        return augmentations.make(f"kornia:{spec}")
    except ValueError as error:
        if spec.partition("(")[0] in OF_KORNIA_09 and "while it is applied" in str(error):
            pytest.skip(str(error))
        raise


def images(batch: int = 6, size: int = 64, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=generator(seed))


def kornia_alone(spec: str, obs: Tensor, params: dict[str, Tensor]) -> Tensor:
    """kornia's own result for a draw of ours: its module with p=1, then the gate."""
    name, _, arguments = augmentations.registry.parse(spec)
    for key, value in arguments.items():
        if name == "RandomFisheye" and isinstance(value, tuple):
            arguments[key] = torch.tensor(value)
    module = getattr(kornia, name)(**arguments)
    gate = params["batch_prob"] > 0.5
    module.p = module.p_batch = 1.0
    shared = {"order", "forward_input_shape"} | ({"idx"} if "MotionBlur" in name else set())
    own = {key: value[0] if key in shared else value for key, value in params.items()}
    if "gaussian_noise" in own and own["gaussian_noise"].dim() == 5:
        own["gaussian_noise"] = own["gaussian_noise"][0]
    own["batch_prob"] = torch.ones(len(obs))
    output = module(obs.clone(), params=own)
    return torch.where(gate[:, None, None, None], output, obs)


@every_spec
def test_it_is_kornias_own_result_for_the_same_draw(spec: str) -> None:
    aug, obs = make(spec), images()
    params = aug.sample(obs.shape, generator(1))
    assert torch.equal(aug.apply(obs, params), kornia_alone(spec, obs, params))
    assert all(value.shape[:1] == (6,) for value in params.values())


@pytest.mark.parametrize(
    "spec", [spec for spec in SPECS if "p=1.0" in spec and "Motion" not in spec], ids=spec_id
)
def test_it_is_what_kornia_draws_from_the_same_seed(spec: str) -> None:
    aug, obs = make(spec), images()
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator(5)))
    name, _, arguments = augmentations.registry.parse(spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = getattr(kornia, name)(**arguments)(obs)
    assert torch.equal(aug(obs, generator(5)), expected)


@every_spec
def test_it_conforms_and_declares_draws_for_the_whole_batch(spec: str) -> None:
    aug = make(spec)
    passed = check_augmentation(aug, sizes=(64,))
    assert {"determinism", "independence", "slices", "empty", "global state"} <= {*passed}
    if "same_on_batch" in spec:
        params = aug.sample((64, 3, 64, 64), generator(1))
        assert any(key not in ("order", "forward_input_shape") for key in aug.batch_wide)
        for key in aug.batch_wide:
            assert torch.equal(params[key], params[key][:1].expand_as(params[key]))


def test_other_sizes_than_it_was_tried_on() -> None:
    for size in (16, 65):
        for spec in ("RandomPerspective(p=0.5)", f"RandomCrop(size=({size},{size}), padding=4)"):
            assert check_augmentation(make(spec), sizes=(size,))


def test_the_probability_is_kept() -> None:
    gate = make("RandomInvert(p=0.2)").sample((10_000, 3, 16, 16), generator())["batch_prob"]
    assert 0.18 < gate.mean() < 0.22
    assert not make("RandomInvert(p=0.0)").sample((9, 3, 16, 16), generator())["batch_prob"].any()
    both = make("RandomCrop(size=(16, 16), padding=2, p=0.5)")  # all images of a batch, or none
    gates = [both.sample((8, 3, 16, 16), generator(seed))["batch_prob"] for seed in range(20)]
    assert {gate.mean().item() for gate in gates} == {0.0, 1.0}


def test_the_module_s_own_state_does_not_show() -> None:
    aug, obs = make("ColorJitter(brightness=0.5, p=0.5)"), images()
    params = aug.sample(obs.shape, generator(1))
    expected = aug.apply(obs, params)
    aug(images(3, 16), generator(7))
    assert torch.equal(aug.apply(obs, params), expected)
    assert torch.equal(copy.deepcopy(aug).apply(obs, params), expected)
    assert torch.equal(make("ColorJitter(brightness=0.5, p=0.5)").apply(obs, params), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype: torch.dtype) -> None:
    aug = make("RandomGaussianBlur(kernel_size=(3,3), sigma=(0.1,2.0), p=0.5)")
    params = aug.sample((6, 3, 64, 64), generator())
    obs = (images() * 255).round().to(torch.uint8)
    given = obs if dtype == torch.uint8 else (obs / 255).to(dtype)
    output = aug.apply(given, params)
    assert output.dtype == (torch.float32 if dtype == torch.uint8 else dtype)
    torch.testing.assert_close(output.float(), aug.apply(obs / 255, params), rtol=0, atol=5e-3)


def test_spec_slug_and_names() -> None:
    spec = "kornia:RandomGaussianBlur( sigma=(0.1,2.0),kernel_size=(3,3), p=1.0)"
    expected = "kornia:RandomGaussianBlur(kernel_size=(3, 3), p=1.0, sigma=(0.1, 2.0))"
    assert canonical(spec) == expected
    assert slug("kornia:RandomInvert") != slug("kornia:randominvert")
    assert re.fullmatch("kornia-randominvert-[0-9a-f]{8}", slug("kornia:RandomInvert"))
    assert re.fullmatch("kornia-randomgaussianblur-kernel-size-3-3-p-1.0-[-a-z0-9.]*", slug(spec))
    assert not any("kornia" in name for name in augmentations.names())
    method, given = resolve("drac", spec)
    assert (method, given) == (f"drac-{slug(spec)}", expected)
    assert resolve(method, given) == (method, given)
    aug = augmentations.make(spec)
    assert isinstance(aug, KorniaAugmentation)
    assert aug.name == "kornia:RandomGaussianBlur"
    assert "p=1.0" in repr(aug)


REFUSED = [
    ("RandomGausianBlur", "unknown class 'RandomGausianBlur' of kornia.* .did you mean 'RandomGa"),
    ("Nope", "unknown class 'Nope' of kornia.augmentation; its 2D augmentations"),  # like no other
    ("randominvert", "did you mean 'RandomInvert'.*kornia.readthedocs.io"),
    ("Qzx", "unknown class 'Qzx' of kornia.augmentation; its 2D augmentations are listed at http"),
    ("os", "unknown class"),
    ("RandomMixUpV2", "RandomMixUpV2 cannot be used: it mixes the images of a batch, and their la"),
    ("RandomCutMixV2", "it mixes the images of a batch"),
    ("RandomMosaic", "it mixes the images of a batch"),
    ("RandomHorizontalFlip3D", "it transforms volumes"),
    ("VideoSequential", "it is a policy or a container"),
    ("ImageSequential", "it is a policy or a container"),
    ("RandAugment", "it is a policy or a container"),
    ("AutoAugment", "it is a policy or a container"),
    ("AugmentationBase2D", "it is no augmentation by itself"),
    ("RandomDissolving", "it draws random numbers while it is applied"),
    ("RandomInvert(q=1)", "unknown argument of kornia:RandomInvert 'q'; choose from max_val"),
    ("RandomInvert(p=7.0)", r"kornia:RandomInvert: .* 7\.0"),
    ("RandomGaussianBlur", "needs the arguments kernel_size and sigma"),
    ("RandomGaussianBlur(kernel_size='a', sigma=(1.0,2.0))", "kornia:RandomGaussianBlur: "),
    ("RandomGaussianBlur(kernel_size=(3,3), sigma=(5.0,1.0))", "kornia:RandomGaussianBlur: "),
    ("RandomFisheye(center_x='a', center_y=1, gamma=1)", "kornia:RandomFisheye: "),
    ("RandomChannelDropout(num_drop_channels=4)", "kornia:RandomChannelDropout: "),
    ("RandomRotation(degrees=-3.0)", "kornia:RandomRotation: "),
    ("RandomGaussianBlur(kernel_size=3, sigma=0.5)", r"sigma: (Union\[)?Tuple\[float, float\]"),
    ("RandomGrayscale(rgb_weights='a')", r"kornia takes rgb_weights: (Optional\[)?Tensor"),
    ("RandomInvert(max_val=[1.0, 1.0])", "kornia takes max_val: .*Tensor"),
    ("RandomFisheye(center_x=0.5, center_y=1, gamma=1)", "takes center_x: Tensor, center_y: Tens"),
]


@pytest.mark.parametrize(("spec", "message"), REFUSED, ids=[spec for spec, _ in REFUSED])
def test_what_cannot_be_used_is_refused_in_one_sentence(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        augmentations.make(f"kornia:{spec}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("numbers", ["[0.2, 0.5, 1.0]", "(0.2, 0.5, 1.0)"])
def test_numbers_become_a_tensor_where_kornia_asks_for_one(numbers: str) -> None:
    obs, each = images(), torch.tensor([0.2, 0.5, 1.0])
    inverted = make(f"RandomInvert(max_val={numbers}, p=1.0)")(obs, generator())
    torch.testing.assert_close(inverted, each[:, None, None] - obs)
    grey = make(f"RandomGrayscale(rgb_weights={numbers}, p=1.0)")(obs, generator())
    expected = torch.einsum("bchw,c->bhw", obs, each)
    torch.testing.assert_close(grey, expected[:, None].expand_as(grey))
    filled = f"RandomAffine(degrees=0.0, translate=(0.9, 0.9), fill_value={numbers}, p=1.0)"
    assert check_augmentation(make(filled), sizes=(64,))


@pytest.mark.parametrize("value", ["(0.1, 0.2)", "[0.1, 0.2, 0.3]", "0.2", "'a'"])
@pytest.mark.parametrize("name", sampled(usable(), ["RandomErasing", "RandomSolarize"]))
def test_an_argument_that_may_be_a_tensor_works_or_is_refused_in_a_sentence(
    name: str, value: str
) -> None:
    for key, option in inspect.signature(getattr(kornia, name)).parameters.items():
        if "Tensor" in str(option.annotation):
            with (
                contextlib.suppress(ValueError)
                if value != "'a'"
                else pytest.raises(
                    ValueError,
                    match=f"^kornia:{name}( needs the argument|: .*; kornia takes {key}: )",
                )
            ):
                augmentations.make(f"kornia:{name}({key}={value})")


def test_the_longer_name_is_understood() -> None:
    long, short = "kornia.augmentation:RandomInvert(p=0.5)", "kornia:RandomInvert(p=0.5)"
    assert augmentations.make(long).name == "kornia:RandomInvert"
    assert (canonical(long), slug(long)) == (short, slug(short))
    with pytest.raises(ValueError, match="unknown class 'Nope' of kornia"):
        augmentations.make("kornia.augmentation:Nope")


def test_what_changes_the_shape_is_refused(tmp_path) -> None:
    for spec in ("Resize(size=(32, 32))", "CenterCrop(size=48)", "RandomCrop(size=(32, 32))"):
        message = r"kornia:\w+' changes the shape of images: \(3, 64, 64\) to \(3, "
        with pytest.raises(ValueError, match=message):
            make(spec)(images())
        with pytest.raises(ConfigError, match=message):
            prepare(TrainConfig(method="drac", augmentation=f"kornia:{spec}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_no_image_or_does_not_fit_is_refused() -> None:
    aug = make("RandomInvert(p=0.5)")
    params = aug.sample((4, 3, 16, 16), generator())
    with pytest.raises(ValueError, match="images must have the shape"):
        aug.sample((4, 1, 16, 16), generator())
    with pytest.raises(ValueError, match="'batch_prob' must have one row for each of the 5"):
        aug.apply(images(5, 16), params)
    with pytest.raises(ValueError, match="'batch_prob' is missing"):
        aug.apply(images(4, 16), {})


def test_a_parameter_that_is_no_tensor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listed(kornia.RandomInvert):
        def generate_parameters(self, batch_shape):
            return {"steps": [1, 2]}

    monkeypatch.setattr(kornia, "Listed", Listed, raising=False)
    with pytest.raises(ValueError, match="cannot be replayed in slices: .* 'steps' is a list"):
        augmentations.make("kornia:Listed")


def test_a_class_that_looks_at_other_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Centred(kornia.RandomInvert):
        def apply_transform(self, input, params, flags, transform=None):  # noqa: A002
            return input - input.mean()

    class Late(kornia.RandomInvert):
        def apply_transform(self, input, params, flags, transform=None):  # noqa: A002
            return input + torch.rand_like(input)

    for cls, message in ((Centred, "treats an image differently in another"), (Late, "while it")):
        monkeypatch.setattr(kornia, cls.__name__, cls, raising=False)
        before = torch.get_rng_state()
        with pytest.raises(ValueError, match=message):
            augmentations.make(f"kornia:{cls.__name__}")
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["crop", "flip", "color-jitter", "random-conv"])
def test_ours_work_inside_an_image_sequential(name: str) -> None:
    ours, obs = augmentations.make(name), images()
    ours.seed(4)
    pipeline = kornia.ImageSequential(kornia.RandomInvert(p=1.0), ours)
    expected = augmentations.make(name)(1 - obs, generator(4))
    torch.testing.assert_close(pipeline(obs), expected, rtol=0, atol=1e-6)
    assert not torch.equal(pipeline(obs), expected)  # its generator went on
    ours.seed(4)
    torch.testing.assert_close(pipeline(obs), expected, rtol=0, atol=1e-6)
