"""`drac augmentations`: what there is, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drac.commands import flags
from drac.commands.output import fitted, print_json
from drac.errors import ConfigError
from drac.files import run_folder
from drac.games import GAMES

if TYPE_CHECKING:
    from drac.arms.catalogue import Entry

USAGE = """
usage: drac augmentations COMMAND [OPTIONS]

The augmentations that can be trained with, yours included.

commands:
  list    name, summary, options and origin of every augmentation
  show    draw them on frames of a game

examples:
  drac augmentations list
  drac augmentations show --game coinrun --out gallery.png

`drac augmentations COMMAND --help` lists the options.
"""

LIST_HELP = """List every augmentation: its name and options with their defaults, where it comes
from, and what it does.

example: drac augmentations list"""

SHOW_HELP = """Draw augmentations on frames of a game: frames in rows, augmentations in columns,
several draws of each.

example: drac augmentations show --game maze --augmentations crop rotate"""

PICTURES = (".png", ".pdf", ".svg")
MOST_TILES = 100  # in a row, or in a column; pictures have an end, and so has patience


FORMAT = 1
"""Of the JSON: see `drac.commands.output.print_json`."""


@dataclass
class ListFlags:
    """Flags of `drac augmentations list`."""

    json: bool = flags.option(False, "print JSON: docs/json.md says what it holds")


def list_command(argv: Sequence[str]) -> int:
    """`drac augmentations list`."""
    given: ListFlags = flags.parse(ListFlags, argv, "drac augmentations list", LIST_HELP)
    from drac.arms.catalogue import entries  # torch is imported from here on

    if given.json:
        print_json(FORMAT, augmentations=[{**asdict(e), "spec": e.spec} for e in entries()])
    else:
        print(listing(entries()))
    return 0


def listing(entries: Sequence[Entry]) -> str:
    """Lay out a list of augmentations: a line for each, and one for its options."""
    head = ("name", "source", "what it does")
    width, source_width = (
        max(len(text) for text in (column, *(getattr(entry, column) for entry in entries)))
        for column in head[:2]
    )
    indent = " " * (width + source_width + 4)
    lines = [f"{head[0]:{width}}  {head[1]:{source_width}}  {head[2]}"]
    for entry in entries:
        what = f"not available: {entry.error}" if entry.error else entry.summary or "-"
        name = f"{entry.name:{width}}  {entry.source:{source_width}}"
        lines.append(fitted(f"{name}  {what}", indent))
        if entry.options:
            lines.append(fitted(indent + entry.spec, indent))
    return "\n".join([*lines, "", _ALSO])


_ALSO = """\
Options are written as above: --augmentation "crop(padding=4)". There is more:
  any class of kornia.augmentation   kornia:RandomInvert(p=0.5)
  one of torchvision.transforms.v2   torchvision:RandomPerspective(0.5)
  a class or function of yours       my_package.my_module:MyAugmentation
docs/add-an-augmentation.md tells how to write one."""


@dataclass
class ShowFlags:
    """Flags of `drac augmentations show`."""

    game: str = flags.option("coinrun", "one of the 16 Procgen games")
    out: Path = flags.option(Path("gallery.png"), "the picture: .png, .pdf or .svg")
    augmentations: tuple[str, ...] = flags.option(
        (),
        """what to show, e.g. crop "flip(axis='vertical')" (default: all that need no options)""",
    )
    frames: str = flags.option("4", "how many frames, from different levels", "N")
    draws: str = flags.option("3", "how often each augmentation is applied to each frame", "N")
    seed: str = flags.option("0", "decides frames and draws", "N")


def show_command(argv: Sequence[str]) -> int:
    """`drac augmentations show`."""
    given: ShowFlags = flags.parse(ShowFlags, argv, "drac augmentations show", SHOW_HELP)
    flags.require_known("game", given.game, GAMES)
    if given.out.suffix not in PICTURES:
        raise ConfigError(f"{given.out} must end in {', '.join(PICTURES)}")
    if given.out.is_dir():
        raise ConfigError(f"{given.out} is a folder")
    frames = flags.whole_number("frames", given.frames, 1)
    draws = flags.whole_number("draws", given.draws, 1)
    seed = flags.whole_number("seed", given.seed, 0, below=2**31)
    if frames * draws > MOST_TILES or len(given.augmentations) > MOST_TILES:
        raise ConfigError(
            f"a picture has room for {MOST_TILES} rows and columns; frames {frames} x draws"
            f" {draws} x {len(given.augmentations)} augmentations are more"
        )
    run_folder.require_writable(given.out.parent)
    from drac.arms import catalogue  # torch is imported from here on
    from drac.pictures import gallery

    made = catalogue.make(given.augmentations)
    gallery.draw(given.game, made, given.out, frames, draws, seed)
    print(f"written to {given.out}")
    return 0


def augmentations_command(argv: Sequence[str]) -> int:
    """`drac augmentations`."""
    commands = {"list": list_command, "show": show_command}
    return flags.run_command("drac augmentations", USAGE, commands, argv)
