"""Colour, dashes and marker of a method: the same in every figure, and readable in grey.

They follow from the method's name alone, so that no figure changes its colours when a method is
added. The methods most often seen together have fixed ones, which differ in at least two of the
three; an augmentation has the colour of DrAC with it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

from matplotlib.colors import to_rgb

from benchmark.analysis.comparable import split_label

Dashes = Literal["-"] | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn.

    Attributes:
        colour: as "#rrggbb".
        dashes: of its lines, as matplotlib's `linestyle`.
        marker: at some of its points.
    """

    colour: str
    dashes: Dashes
    marker: str


_SOLID: Dashes = "-"
_LONG: Dashes = (0, (6, 1.6))
_SHORT: Dashes = (0, (3, 1.4))
_DOTTED: Dashes = (0, (1, 1.2))
_DASH_DOT: Dashes = (0, (5, 1.4, 1, 1.4))
_DASH_DOT_DOT: Dashes = (0, (5, 1.2, 1, 1.2, 1, 1.2))
_DASHES = (_SOLID, _LONG, _SHORT, _DOTTED, _DASH_DOT, _DASH_DOT_DOT)
_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "p", "h", "*")

# Okabe and Ito's palette, which the colour-blind tell apart, and some between.
_AUGMENTATIONS = {
    "crop": MethodStyle("#0072b2", _SOLID, "^"),
    "random-conv": MethodStyle("#e69f00", _LONG, "D"),
    "grayscale": MethodStyle("#8f8f8f", _SHORT, "v"),
    "flip": MethodStyle("#009e73", _DASH_DOT, "<"),
    "rotate": MethodStyle("#6a3d9a", _DOTTED, ">"),
    "cutout": MethodStyle("#cc79a7", _LONG, "p"),
    "cutout-color": MethodStyle("#8c564b", _DASH_DOT_DOT, "P"),
    "color-jitter": MethodStyle("#56b4e9", _SHORT, "X"),
    "none": MethodStyle("#c9c9c9", _SOLID, "o"),
}
_METHODS = {
    "ppo": MethodStyle("#1a1a1a", _SOLID, "o"),
    "ucb-drac": MethodStyle("#d62728", _SOLID, "s"),
    "ucb-drac+plr": MethodStyle("#ff7f50", _LONG, "s"),
    "rand-drac": MethodStyle("#9a9a00", _DOTTED, "h"),
    "ucb-rad": MethodStyle("#e57373", _SHORT, "D"),
    "drac-best": MethodStyle("#1f3b73", _SOLID, "D"),
    "rad-best": MethodStyle("#7189bf", _LONG, "D"),
    "thompson-drac": MethodStyle("#2e8b57", _SOLID, "p"),
    "discounted-ucb-drac": MethodStyle("#f4743b", _SHORT, "v"),
    "exp3-drac": MethodStyle("#a77bca", _DASH_DOT, "<"),
    "rl2-drac": MethodStyle("#b8860b", _DASH_DOT, "h"),
    "meta-drac": MethodStyle("#556b2f", _LONG, "v"),
    "plr": MethodStyle("#1b7fbd", _DOTTED, "D"),
    "rand-fm": MethodStyle("#7f7f00", _SHORT, "P"),
    "ibac-sni": MethodStyle("#a0522d", _DASH_DOT, "X"),
    "mixreg": MethodStyle("#c71585", _DASH_DOT_DOT, "^"),
    "daac": MethodStyle("#20b2aa", _LONG, "<"),
    "idaac": MethodStyle("#4b0082", _SHORT, "*"),
    "ppo-lstm": MethodStyle("#d4ac0d", _SHORT, "o"),
    "rl2-ppo": MethodStyle("#7d6608", _LONG, "^"),
    "reinforce": MethodStyle("#b0b0b0", _DOTTED, "v"),
    "reinforce-baseline": MethodStyle("#8fa3ad", _SHORT, "<"),
    "a2c": MethodStyle("#2e86c1", _DASH_DOT, "s"),
    "trpo": MethodStyle("#239b56", _LONG, "P"),
    "ppg": MethodStyle("#c0392b", _DASH_DOT_DOT, "p"),
    "dcpg": MethodStyle("#884ea0", _LONG, "h"),
    "ddcpg": MethodStyle("#5b2c6f", _DOTTED, "P"),
}
_OTHERS = ("#2f4f4f", "#ff69b4", "#228b22", "#4169e1", "#8a6d3b", "#8b008b", "#708090", "#008b8b")
"""Colours of what has none of its own, chosen by its name; none is near `ucb-drac`'s red."""

_FAMILIES = ("drac", "rad", "dra", "drc", "rad-rollout", "drac-meta-coef")
"""A family's number turns the dashes and markers of its augmentations."""

HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "oooo", "++++", "||||")
"""Patterns of areas, so that neighbours differ in grey."""


def of_method(label: str) -> MethodStyle:
    """Return the style of a label such as "ppo" or "ppo at 2,048 steps".

    A label that names settings keeps the colour of its method, paler, and has its own dashes.
    """
    method, settings = split_label(label)
    style = _METHODS.get(method) or _of_family(method) or _by_name(method)
    if not settings:
        return style
    turn = 1 + zlib.crc32(settings.encode())
    return MethodStyle(
        _paler(style.colour, 0.35),
        _DASHES[(_DASHES.index(style.dashes) + turn % 5 + 1) % len(_DASHES)],
        _MARKERS[(_MARKERS.index(style.marker) + turn % 11 + 1) % len(_MARKERS)],
    )


def of_augmentation(spec: str) -> MethodStyle:
    """Return the style of an augmentation, as a bandit's arm or a column."""
    return _AUGMENTATIONS.get(spec) or _by_name(spec)


def _of_family(method: str) -> MethodStyle | None:
    for turn, family in enumerate(_FAMILIES):
        augmentation = method.removeprefix(f"{family}-")
        if augmentation == method or augmentation not in _AUGMENTATIONS:
            continue
        style = of_augmentation(augmentation)
        return MethodStyle(
            _paler(style.colour, 0.25 * (turn > 0)),
            _DASHES[(_DASHES.index(style.dashes) + turn) % len(_DASHES)],
            _MARKERS[(_MARKERS.index(style.marker) + 3 * turn) % len(_MARKERS)],
        )
    return None


def _by_name(name: str) -> MethodStyle:
    number = zlib.crc32(name.encode())
    colour, rest = _OTHERS[number % len(_OTHERS)], number // len(_OTHERS)
    return MethodStyle(
        colour, _DASHES[rest % len(_DASHES)], _MARKERS[rest // len(_DASHES) % len(_MARKERS)]
    )


def _paler(colour: str, by: float) -> str:
    mixed = (round(255 * (part + (1 - part) * by)) for part in to_rgb(colour))
    return "#" + "".join(f"{part:02x}" for part in mixed)
