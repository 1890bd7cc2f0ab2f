"""Example frames of games as PNG files, by a process of its own.

`python -m drac.pictures.frame_strips FOLDER MODE GAME [GAME ...]` is for whoever must not load
Procgen, which takes hundreds of megabytes: the report. Imports no torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from drac.envs.procgen_env import TRAIN_LEVELS, Split, procgen_build
from drac.envs.random_play import random_play
from drac.files import atomic
from drac.games import Mode
from drac.seeding import seed_sequence, stream_seed

FRAMES = 4
_CANDIDATES = 4 * FRAMES
_RANDOM_STEPS = 48  # as in the gallery: enemies, fruit and the like have come into view
_GAP = 4  # pixels of the game between two frames


def strip(
    game: str, split: Split, mode: Mode, seed: int = 0
) -> tuple[NDArray[np.uint8], list[int]]:
    """Return frames of different levels side by side, after random play, and their levels.

    Those of the strongest contrast are taken, in the order of their levels.

    Returns:
        uint8, (64, 4 x 64 + 3 x 4, 4): RGBA, the gaps are transparent; and four levels.
    """
    random = np.random.default_rng(seed_sequence(seed, "frame strips", "actions"))
    env_seed = stream_seed(seed, "frame strips", "env")
    *_, (obs, levels) = random_play(
        game, _CANDIDATES, split, _RANDOM_STEPS, env_seed=env_seed, random=random, mode=mode
    )
    order = np.argsort(-obs.std(axis=(1, 2)).mean(axis=1), kind="stable")
    _, first = np.unique(levels[order], return_index=True)
    chosen = order[np.sort(first)[:FRAMES]]
    chosen = chosen[np.argsort(levels[chosen])]
    size = obs.shape[1]
    picture = np.zeros((size, len(chosen) * (size + _GAP) - _GAP, 4), np.uint8)
    for number, index in enumerate(chosen):
        left = number * (size + _GAP)
        picture[:, left : left + size, :3] = obs[index]
        picture[:, left : left + size, 3] = 255
    return picture, [int(level) for level in levels[chosen]]


def write(folder: Path, mode: Mode, game: str) -> None:
    """Write GAME-MODE-train.png, GAME-MODE-test.png and GAME-MODE.json (levels and build)."""
    from matplotlib.image import imsave  # without pyplot

    facts: dict[str, object] = {"procgen_build": procgen_build(), "levels": {}}
    splits: dict[str, Split] = {"train": TRAIN_LEVELS, "test": "test"}
    for name, split in splits.items():
        picture, levels = strip(game, split, mode)
        png = BytesIO()
        imsave(png, picture, format="png")
        with atomic.replacing(folder / f"{game}-{mode}-{name}.png") as file:
            file.write(png.getvalue())
        cast(dict[str, object], facts["levels"])[name] = levels
    atomic.write_text(
        folder / f"{game}-{mode}.json", json.dumps(facts) + "\n"
    )  # last: all is there


def main(argv: Sequence[str]) -> int:
    """Write the strips of the games that are named."""
    folder, mode, *games = argv
    for game in games:
        write(Path(folder), cast(Mode, mode), game)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
