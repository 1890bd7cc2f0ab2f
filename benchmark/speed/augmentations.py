"""How many images a second each augmentation handles, as the trainer uses it.

What is done is in `benchmark.speed.augmentation_work`; here it is timed, and made into a report.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.scores import published
from benchmark.speed import augmentation_work
from benchmark.speed.augmentation_work import Work, kornia_beside
from drac.config import build

if TYPE_CHECKING:
    from augmentations import Augmentation

BATCH = 2048
"""Images of a minibatch: 64 envs x 256 steps in 8 minibatches."""

UPDATE_IMAGES = 512
"""Images of the network's pass and gradient, which is slow; the time per image is the same."""

GAME = "coinrun"


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
        obs = augmentation_work.real_frames(config, batch)
        work: dict[str, Work] = {_UPDATE: augmentation_work.update(config, obs[:UPDATE_IMAGES])}
        for spec, augmentation in augmentations.items():
            work[spec] = augmentation_work.ours(spec, augmentation, obs, config)
            if kornia := kornia_beside(spec):
                work[_beside(spec)] = augmentation_work.theirs(kornia, obs, config)
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
        micro_batch=augmentation_work.micro_batch(config, batch),
        repeats=repeats,
        update_images_per_s=1 / statistics.median(per_image[_UPDATE]),
        rows=tuple(_row(spec, per_image) for spec in augmentations),
    )


_UPDATE = "the update without augmentation"


def num_parts(specs: Sequence[str], repeats: int) -> int:
    """Return how many pieces of work `measure` does."""
    return (repeats + 1) * (1 + len(specs) + sum(kornia_beside(spec) is not None for spec in specs))


def _beside(spec: str) -> str:
    return f"{spec}, kornia's own"


def _row(spec: str, per_image: Mapping[str, list[float]]) -> Row:
    """Make a row from the seconds per image of every round."""
    ours, update = statistics.median(per_image[spec]), statistics.median(per_image[_UPDATE])
    kornia = kornia_beside(spec)
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


def _seconds(run: Work, device: str) -> float:
    import torch

    wait: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else bool
    wait()
    begun = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - begun
