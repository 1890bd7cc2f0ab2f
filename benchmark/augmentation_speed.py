"""How many images a second each augmentation handles, as the trainer uses it.

A minibatch of real frames, its parameters drawn once, then applied to the micro-batches that the
network is given; kornia's own class, where one does the same, is called on the same micro-batches.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augmentations import registry
from benchmark import published
from drac.config import ConfigError, TrainConfig, build

if TYPE_CHECKING:
    import torch

    from augmentations import Augmentation

BATCH = 2048
"""Images of a minibatch: 64 envs x 256 steps in 8 minibatches."""

UPDATE_IMAGES = 512
"""Images of the network's pass and gradient, which is slow; the time per image is the same."""

GAME = "coinrun"

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


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on."""

    cpu: str
    device: str
    threads: int
    torch: str
    kornia: str

    def text(self) -> str:
        """Describe the machine in one line."""
        where = "" if self.device == "cpu" else f", {self.device}"
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"{self.cpu}, {threads}{where}, torch {self.torch}, kornia {self.kornia}"


@dataclass(frozen=True)
class Row:
    """The speed of one augmentation; images per second are medians over the repeats.

    Attributes:
        spec: the augmentation.
        images_per_s: ours.
        slowest, fastest: images per second of the worst and the best repeat.
        update_share: part of a DrAC update's time (network and augmentation) that it takes.
        released_images_per_s: the authors' code, recorded elsewhere; None where it has none.
        kornia_class: kornia's own class beside it; "" if there is none.
        kornia_images_per_s: its speed in this very run.
    """

    spec: str
    images_per_s: float
    slowest: float
    fastest: float
    update_share: float
    released_images_per_s: float | None
    kornia_class: str
    kornia_images_per_s: float | None


@dataclass(frozen=True)
class Report:
    """Everything that `drac-bench speed augmentations` has measured."""

    machine: Machine
    game: str
    batch: int
    micro_batch: int
    repeats: int
    update_images_per_s: float
    rows: tuple[Row, ...]


def measure(
    augmentations: Mapping[str, Augmentation],
    device: str = "cpu",
    repeats: int = 5,
    batch: int = BATCH,
    on_part: Callable[[str], None] = lambda name: None,
) -> Report:
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
    import torch

    from drac import hardware

    asked = {"game": GAME, "method": "ppo", "device": device, "precision": "float32"}
    config = hardware.resolve(build(asked))
    # kornia, and a network that is made, draw from the global generator: leave it as it was.
    with torch.random.fork_rng():
        obs = _real_frames(config, batch)
        work: dict[str, Callable[[], None]] = {_UPDATE: _update(config, obs[:UPDATE_IMAGES])}
        for spec, augmentation in augmentations.items():
            work[spec] = _ours(spec, augmentation, obs, config)
            if spec_of_kornia := _kornia(spec):
                work[_beside(spec)] = _theirs(spec_of_kornia, obs, config)
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(repeats + 1):
            for name, run in work.items():
                on_part(name)
                seconds[name].append(_seconds(run, config.device))
    images = dict.fromkeys(work, batch) | {_UPDATE: min(batch, UPDATE_IMAGES)}
    per_image = {name: [s / images[name] for s in found[1:]] for name, found in seconds.items()}
    return Report(
        machine=_machine(config.device),
        game=config.game,
        batch=batch,
        micro_batch=_micro_batch(config, batch),
        repeats=repeats,
        update_images_per_s=1 / statistics.median(per_image[_UPDATE]),
        rows=tuple(_row(spec, per_image) for spec in augmentations),
    )


_UPDATE = "the update without augmentation"


def num_parts(specs: Sequence[str], repeats: int) -> int:
    """Return how many pieces of work `measure` does."""
    return (repeats + 1) * (1 + len(specs) + sum(_kornia(spec) is not None for spec in specs))


def _beside(spec: str) -> str:
    return f"{spec}, kornia's own"


def _kornia(spec: str) -> tuple[str, dict[str, Any]] | None:
    """Return the kornia class that does what an augmentation does, and its options."""
    name, arguments = registry.parse(spec)
    if name.startswith("kornia:"):
        return name.removeprefix("kornia:"), arguments
    return None if arguments else KORNIA.get(name)


def _row(spec: str, per_image: Mapping[str, list[float]]) -> Row:
    """Make a row from the seconds per image of every round."""
    ours, update = statistics.median(per_image[spec]), statistics.median(per_image[_UPDATE])
    kornia = _kornia(spec)
    released, _ = published.released_augmentation_speed()
    return Row(
        spec=spec,
        images_per_s=1 / ours,
        slowest=1 / max(per_image[spec]),
        fastest=1 / min(per_image[spec]),
        update_share=ours / (ours + update),
        released_images_per_s=released.get(spec),
        kornia_class=kornia[0] if kornia else "",
        kornia_images_per_s=1 / statistics.median(per_image[_beside(spec)]) if kornia else None,
    )


def _machine(device: str) -> Machine:
    import kornia
    import torch

    from drac.hardware import cpu_info

    return Machine(
        cpu=cpu_info().get("model name", "") or "unknown CPU",
        device=torch.cuda.get_device_name() if device == "cuda" else device,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        kornia=kornia.__version__,
    )


def _micro_batch(config: TrainConfig, batch: int) -> int:
    """Return how many images are augmented at a time, as `drac.learner.Learner` has it."""
    return min(config.micro_batch, batch) if config.device == "cpu" else batch


def _pieces(obs: torch.Tensor, config: TrainConfig) -> list[slice]:
    step = _micro_batch(config, len(obs))
    return [slice(start, start + step) for start in range(0, len(obs), step)]


def _real_frames(config: TrainConfig, number: int) -> torch.Tensor:
    """Return frames of random play: (number, 3, 64, 64) float32 in [0, 1], channels_last."""
    import numpy as np
    import torch

    from drac.envs import ProcgenVectorEnv
    from drac.games import NUM_ACTIONS

    random = np.random.default_rng(0)
    num_envs = min(config.num_envs, number)
    env = ProcgenVectorEnv(config.game, num_envs, config.train_levels)
    frames = [env.reset()[0]]
    while len(frames) * num_envs < number:
        frames.append(env.step(random.integers(NUM_ACTIONS, size=num_envs))[0])
    env.close()
    obs = torch.from_numpy(np.concatenate(frames)[:number]).to(config.device)
    return obs.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def _ours(
    spec: str, augmentation: Augmentation, obs: torch.Tensor, config: TrainConfig
) -> Callable[[], None]:
    import torch

    from augmentations import guards

    generator = torch.Generator(obs.device).manual_seed(0)
    pieces = _pieces(obs, config)
    try:
        guards.check_output(obs[:2], augmentation(obs[:2], generator), spec)
    except ValueError as error:
        raise ConfigError(str(error)) from None

    def run() -> None:
        params = augmentation.sample(obs.shape, generator)
        for rows in pieces:
            augmentation.apply(obs[rows], {key: value[rows] for key, value in params.items()})

    return run


def _theirs(
    kornia_class: tuple[str, dict[str, Any]], obs: torch.Tensor, config: TrainConfig
) -> Callable[[], None]:
    import kornia.augmentation

    name, options = kornia_class
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


def _update(config: TrainConfig, obs: torch.Tensor) -> Callable[[], None]:
    """Return one gradient step of DrAC whose augmentation does nothing."""
    import torch

    from drac.games import NUM_ACTIONS
    from drac.learner import Learner
    from drac.networks import ActorCritic
    from drac.rollout import Minibatch

    network = ActorCritic(NUM_ACTIONS, hidden_size=config.hidden_size).to(obs.device)
    learner = Learner(network, config)
    number = torch.zeros(len(obs), device=obs.device)
    minibatch = Minibatch(obs, number.long(), number - 2.7, number, number + 1, number + 1)

    def run() -> None:
        learner.step(minibatch, lambda images, rows: images)

    return run


def _seconds(run: Callable[[], None], device: str) -> float:
    import torch

    wait: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else bool
    wait()
    begun = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - begun
