"""A picture of augmentations: real frames in rows, augmentations in columns, several draws each."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augmentations import Augmentation, as_float
from drac.arms.trial import applied
from drac.config.quantities import number_of
from drac.envs.procgen_env import TRAIN_LEVELS
from drac.envs.random_play import random_play
from drac.files import atomic
from drac.seeding import seed_sequence, stream_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORIGINAL = "original"
_RANDOM_STEPS = 48  # long enough for enemies, fruit and the like to have come into view
_CANDIDATES = 4  # envs played for each frame shown, to choose from

# Sizes in pixels of the picture; a pixel of the game is ZOOM of them, so that it stays a square.
_ZOOM = 2
_GAP = 6
_GROUP_GAP = 18
_MARGIN = 14
_DPI = 100
_FONT_SIZE = 8.0
_LINE = 14
_TITLE_LETTERS = 19
_TITLE_LINES = 5
_CAPTION_LETTER = 6.2


@dataclass(frozen=True)
class Frames:
    """Frames of a game.

    Attributes:
        obs: (N, 3, 64, 64), float32 in [0, 1].
        levels: the level of each.
    """

    obs: Tensor
    levels: tuple[int, ...]


@dataclass(frozen=True)
class Column:
    """What one augmentation made of the frames.

    Attributes:
        spec: the augmentation.
        images: (draws, N, H, W, 3), float32 in [0, 1], clipped.
        low, high: the smallest and the largest value before they were clipped.
    """

    spec: str
    images: NDArray[np.float32]
    low: float
    high: float

    @property
    def clipped(self) -> bool:
        """Whether there were values outside [0, 1] by more than rounding."""
        return self.low < -1e-4 or self.high > 1 + 1e-4


def game_frames(game: str, number: int, seed: int) -> Frames:
    """Play a game with random actions and return frames from different training levels.

    Of many, those are chosen that show much and differ: on a black frame nobody sees a cutout.

    Args:
        game: one of `drac.games.GAMES`.
        number: how many frames.
        seed: decides levels and actions.

    Raises:
        ValueError: for an unknown game.
    """
    played = random_play(
        game,
        _CANDIDATES * number,
        TRAIN_LEVELS,
        _RANDOM_STEPS,
        env_seed=stream_seed(seed, "gallery", "env"),
        random=np.random.default_rng(seed_sequence(seed, "gallery", "actions")),
    )
    *_, (obs, levels) = played
    images = as_float(torch.from_numpy(obs).permute(0, 3, 1, 2))
    chosen = _telling(images, levels, number)
    return Frames(images[chosen], tuple(int(levels[index]) for index in chosen))


def _telling(images: Tensor, levels: NDArray[np.int64], number: int) -> list[int]:
    """Choose frames of different levels, if there are enough, of contrast, and unlike each other.

    Of twice as many with the strongest contrast, the strongest is the first; each further one is
    that whose nearest neighbour among the chosen is farthest away.
    """
    contrast = images.std(dim=(2, 3)).mean(dim=1).numpy()
    strongest = np.argsort(-contrast, kind="stable")
    _, first_of_level = np.unique(levels[strongest], return_index=True)
    repeated = np.isin(np.arange(len(levels)), first_of_level, invert=True)
    order = strongest[np.argsort(repeated, kind="stable")]
    eligible = max(number, min(2 * number, len(first_of_level)))
    flat = images[order[:eligible].copy()].flatten(1)
    distances = (flat[:, None] - flat[None]).norm(dim=2)
    chosen = [0]
    while len(chosen) < number:
        nearest = distances[chosen].amin(dim=0)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return [int(order[index]) for index in chosen]


def augmented(
    spec: str, augmentation: Augmentation, frames: Frames, draws: int, seed: int
) -> Column:
    """Augment all frames several times.

    The draws depend on the seed and the specification alone, not on the other columns.

    Raises:
        ConfigError: if the augmentation fails, or returns what no augmentation may.
    """
    generator = torch.Generator().manual_seed(stream_seed(seed, "gallery", spec))
    made = [applied(spec, augmentation, frames.obs, generator, "frames") for _ in range(draws)]
    images = torch.stack(made).to(torch.float32)
    low, high = images.min().item(), images.max().item()
    array: NDArray[np.float32] = images.clamp(0, 1).permute(0, 1, 3, 4, 2).numpy()
    return Column(spec, array, low, high)


def draw(
    game: str,
    augmentations: Mapping[str, Augmentation],
    out: Path,
    number_of_frames: int = 4,
    draws: int = 3,
    seed: int = 0,
) -> None:
    """Draw the gallery of some augmentations on frames of a game.

    Args:
        game: one of `drac.games.GAMES`.
        augmentations: by specification, in the order of the columns.
        out: the picture; its ending (png, pdf, svg) decides the format.
        number_of_frames: groups of rows.
        draws: rows of a group.
        seed: decides frames and draws.

    Raises:
        ConfigError: if an augmentation fails, or returns what no augmentation may.
        ValueError: for an unknown game.
    """
    frames = game_frames(game, number_of_frames, seed)
    columns = [augmented(spec, aug, frames, draws, seed) for spec, aug in augmentations.items()]
    figure = paint(game, frames, columns, draws)
    picture = BytesIO()
    # PNG's metadata name the version of matplotlib: the same gallery should be the same bytes.
    metadata: dict[str, Any] = {"metadata": {"Software": None}} if out.suffix == ".png" else {}
    figure.savefig(picture, format=out.suffix.removeprefix(".") or "png", dpi=_DPI, **metadata)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(out) as file:
        file.write(picture.getvalue())


def paint(game: str, frames: Frames, columns: list[Column], draws: int) -> Figure:
    """Lay out tiles, titles and caption; a pixel of the game is a square of whole pixels."""
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    size = frames.obs.shape[-1] * _ZOOM
    titles = [ORIGINAL, *(title(column) for column in columns)]
    title_height = max(text.count("\n") + 1 for text in titles) * _LINE + _GAP
    width = 2 * _MARGIN + len(titles) * (size + _GAP) - _GAP
    caption = textwrap.wrap(
        _caption(game, frames, columns, draws), int((width - 2 * _MARGIN) / _CAPTION_LETTER)
    )
    rows = len(frames.levels) * draws
    below = _MARGIN + title_height + rows * (size + _GAP) + (len(frames.levels) - 1) * _GROUP_GAP
    if draws == 1:  # no free cell under the last original: its label is below all tiles
        below += _LINE
    height = below + _GAP + len(caption) * _LINE + _MARGIN

    canvas = np.ones((height, width, 3), np.float32)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)

    def write(text: str, left: float, top: float, **style: Any) -> None:
        style.setdefault("verticalalignment", "top")
        # parse_math: a "$" in a specification is a dollar
        figure.text(
            left / width, 1 - top / height, text, fontsize=_FONT_SIZE, parse_math=False, **style
        )

    def put(image: NDArray[np.float32], column: int, frame: int, line: int) -> tuple[int, int]:
        top = _MARGIN + title_height + (frame * draws + line) * (size + _GAP) + frame * _GROUP_GAP
        left = _MARGIN + column * (size + _GAP)
        canvas[top : top + size, left : left + size] = image.repeat(_ZOOM, 0).repeat(_ZOOM, 1)
        return top, left

    for frame, level in enumerate(frames.levels):
        top, left = put(frames.obs[frame].permute(1, 2, 0).numpy(), 0, frame, 0)
        write(f"level {level}", left, top + size + _GAP)
        for number, column in enumerate(columns):
            for line in range(draws):
                put(column.images[line, frame], number + 1, frame, line)
    for number, text in enumerate(titles):
        middle = _MARGIN + number * (size + _GAP) + size / 2
        above_tiles = _MARGIN + title_height - _GAP
        write(text, middle, above_tiles, ha="center", verticalalignment="bottom")
    write("\n".join(caption), _MARGIN, below + _GAP, color="0.35")
    figure.figimage(canvas, 0, 0, origin="upper", zorder=-1)
    return figure


def title(column: Column) -> str:
    """Return the title of a column: its specification, wrapped, and whether it was clipped."""
    # Arguments go to lines of their own: blanks are where a line may end.
    spaced = column.spec.replace("(", "( ", 1).replace(":", ": ", 1)
    lines = textwrap.wrap(spaced, _TITLE_LETTERS, max_lines=_TITLE_LINES - 1, placeholder=" ...")
    lines = [line.replace("( ", "(").replace(": ", ":") for line in lines]
    return "\n".join([*lines, "(clipped)"] if column.clipped else lines)


def _caption(game: str, frames: Frames, columns: list[Column], draws: int) -> str:
    text = (
        f"{game}: {number_of(len(frames.levels), 'frame')} of training levels"
        f" after random play, {number_of(draws, 'draw')} of each augmentation."
    )
    ranges = [f"{c.spec} ({c.low:.2f} to {c.high:.2f})" for c in columns if c.clipped]
    if ranges:
        text += f" Values outside [0, 1] are clipped for display: {', '.join(ranges)}."
    return text
