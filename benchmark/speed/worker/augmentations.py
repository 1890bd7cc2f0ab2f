"""How many images a second each augmentation handles, as the trainer uses it.

A minibatch of real frames, its parameters drawn once, then applied to the micro-batches that the
network is given; kornia's own class, where one does the same, is called on the same micro-batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import kornia.augmentation
import torch
from torch import Tensor

from augmentations import Augmentation, as_float, registry
from benchmark.scores import published
from benchmark.speed.records import AugmentationReport, AugmentationSpeed, this_machine
from benchmark.speed.worker.measure import play
from drac import hardware
from drac.arms.trial import applied
from drac.config import TrainConfig, build
from drac.rollout import Minibatch
from drac.train.state import Training

BATCH = 2048
"""Images of a minibatch: 64 envs x 256 steps in 8 minibatches."""

UPDATE_IMAGES = 512
"""Images of the network's pass and gradient, which is slow; the time per image is the same."""

KORNIA: dict[str, tuple[str, dict[str, Any]]] = {
    "crop": ("RandomCrop", {"size": (64, 64), "padding": 12, "padding_mode": "replicate"}),
    "flip": ("RandomHorizontalFlip", {"p": 0.5}),
    "rotate": ("RandomRotation90", {"times": (0, 3), "p": 1.0}),
    "cutout": ("RandomErasing", {"p": 1.0}),
    "grayscale": ("RandomGrayscale", {"p": 1.0}),
    "color-jitter": (
        "ColorJitter",
        {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.5, "p": 1.0},
    ),
    "translate": ("RandomCrop", {"size": (64, 64), "padding": 4, "padding_mode": "replicate"}),
    "blur": ("RandomGaussianBlur", {"kernel_size": (7, 7), "sigma": (0.1, 2.0), "p": 1.0}),
    "noise": ("RandomGaussianNoise", {"std": 0.1, "p": 1.0}),
    "posterize": ("RandomPosterize", {"bits": (2, 4), "p": 1.0}),
    "solarize": ("RandomSolarize", {"thresholds": (0.0, 1.0), "additions": (0.0, 0.0), "p": 1.0}),
    "patch-shuffle": ("RandomJigsaw", {"grid": (4, 4), "p": 1.0}),
}
"""Our name -> the class of kornia.augmentation that does the same or nearly so, and its options."""

Work = Callable[[], object]
"""A piece of work, done once."""

_UPDATE = "the update without augmentation"


def measure(
    augmentations: Mapping[str, Augmentation],
    device: str = "cpu",
    repeats: int = 5,
    batch: int = BATCH,
    on_part: Callable[[str], None] = lambda name: None,
) -> AugmentationReport:
    """Measure augmentations, kornia's classes beside them, and the update they are part of.

    All are measured in turns, again and again, so that a machine's bad minute falls on everyone.

    Args:
        augmentations: by specification, in the order of the rows.
        device: "cpu" or "cuda".
        repeats: rounds that count; one more goes before them.
        batch: images of a minibatch.
        on_part: called with the name of every piece of work before it is done; there are
            `num_parts(specs, repeats)`.

    Raises:
        ConfigError: if the device is absent, or an augmentation changes the shape of the images
            or returns NaN.
    """
    config = config_of(device, batch)
    # kornia, and a network that is made, draw from the global generator: leave it as it was.
    with torch.random.fork_rng():
        training, samples = played(config, batch)
        work: dict[str, Work] = {_UPDATE: update(training, samples[:UPDATE_IMAGES])}
        for spec, augmentation in augmentations.items():
            work[spec] = ours(spec, augmentation, samples.obs, config)
            if beside := kornia_beside(spec):
                work[_beside(spec)] = _kornias(*beside, samples.obs, config)
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(repeats + 1):
            for name, run in work.items():
                on_part(name)
                seconds[name].append(_seconds(run, config.device))
    images = dict.fromkeys(work, batch) | {_UPDATE: min(batch, UPDATE_IMAGES)}
    per_image = {name: [s / images[name] for s in found[1:]] for name, found in seconds.items()}
    threads, version = torch.get_num_threads(), kornia.__version__
    return AugmentationReport(
        machine=this_machine(config.device, threads=threads, kornia=version),
        game=config.game,
        batch=batch,
        micro_batch=_pieces(samples.obs, config)[0].stop,
        repeats=repeats,
        update_images_per_s=1 / median(per_image[_UPDATE]),
        rows=tuple(_row(spec, per_image) for spec in augmentations),
    )


def num_parts(specs: Sequence[str], repeats: int) -> int:
    """Return how many pieces of work `measure` does."""
    return (repeats + 1) * (1 + len(specs) + sum(kornia_beside(spec) is not None for spec in specs))


def kornia_beside(spec: str) -> tuple[str, dict[str, Any]] | None:
    """Return the kornia class that does what an augmentation does, and its options."""
    name, *given = registry.parse(spec)
    if name.startswith("kornia:"):
        return name.removeprefix("kornia:"), registry.arguments_of(spec)
    return None if any(given) else KORNIA.get(name)


def _beside(spec: str) -> str:
    return f"{spec}, kornia's own"


def _row(spec: str, per_image: Mapping[str, list[float]]) -> AugmentationSpeed:
    """Make a row from the seconds per image of every round."""
    its, update = median(per_image[spec]), median(per_image[_UPDATE])
    kornia = kornia_beside(spec)
    released, _ = published.released_augmentation_speed()
    return AugmentationSpeed(
        spec=spec,
        images_per_s=1 / its,
        slowest=1 / max(per_image[spec]),
        fastest=1 / min(per_image[spec]),
        update_share=its / (its + update),
        released_images_per_s=released.get(spec),
        kornia_class=kornia[0] if kornia else "",
        kornia_images_per_s=1 / median(per_image[_beside(spec)]) if kornia else None,
    )


def _seconds(run: Work, device: str) -> float:
    wait: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else bool
    wait()
    begun = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - begun


def config_of(device: str, batch: int) -> TrainConfig:
    """Return the config of a DrAC update whose rollout has at least `batch` images.

    Raises:
        ConfigError: if the device is absent.
    """
    num_envs = min(64, batch)
    sizes = {"num_envs": num_envs, "num_steps": -(-batch // num_envs), "minibatches": 1}
    fixed = {"game": "coinrun", "method": "drac-crop", "precision": "float32", "env_groups": 1}
    return hardware.resolve(build({**fixed, **sizes, "device": device}))


def played(config: TrainConfig, batch: int) -> tuple[Training, Minibatch]:
    """Play a rollout; return what has played, and `batch` samples of real frames.

    Their `obs` is (batch, 3, 64, 64) float32 in [0, 1], channels_last.
    """
    training = Training(config)
    play(training)
    training.env.close()
    samples = training.rollout.samples()[:batch]
    return training, replace(samples, obs=as_float(samples.obs))


def _pieces(obs: Tensor, config: TrainConfig) -> list[slice]:
    """Return the rows that are augmented at a time, as `drac.learner.Learner` has it."""
    size = len(obs)
    step = min(config.micro_batch, size) if config.device == "cpu" else size
    return [slice(start, start + step) for start in range(0, size, step)]


def ours(spec: str, augmentation: Augmentation, obs: Tensor, config: TrainConfig) -> Work:
    """Return an augmentation's work on a minibatch.

    Raises:
        ConfigError: if it fails, changes the shape of the images or returns NaN.
    """
    generator = torch.Generator(obs.device).manual_seed(0)
    applied(spec, augmentation, obs[:2], generator, "frames")

    def run() -> None:
        params = augmentation.sample(obs.shape, generator)
        for rows in _pieces(obs, config):
            augmentation.apply(obs[rows], {key: value[rows] for key, value in params.items()})

    return run


def _kornias(name: str, options: dict[str, Any], obs: Tensor, config: TrainConfig) -> Work:
    """Return the work on the same minibatch of a class of kornia with its options."""
    module = getattr(kornia.augmentation, name)(**options)
    pieces = _pieces(obs, config)
    try:
        module(obs[pieces[0]])
    except RuntimeError:  # filters of kornia 0.8 cannot view channels_last images
        obs = obs.contiguous()

    def run() -> None:
        for rows in pieces:
            module(obs[rows])

    return run


def update(training: Training, samples: Minibatch) -> Work:
    """Return one gradient step of DrAC whose augmentation does nothing."""
    return lambda: training.learner.step(samples, lambda images, rows: images)
