"""Frames of a clip: the game on the left; on the right what the agent sees, thinks and does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from drac.config.quantities import number_of
from drac.games import ACTIONS
from drac.pictures.playing import Moment

HEIGHT = 512
PANEL = 336
SIZE = (512 + PANEL, HEIGHT)
"""Width and height; both even, as H.264's colours need."""

_LEFT = 512 + 16
_RIGHT = SIZE[0] - 16
_THUMBNAIL = 112
_BARS_TOP, _BAR = 196, 20
_LABEL = 104  # width of the action's name
_PERCENT = 46

# Readable in grey too: the action that is taken is marked by a triangle and bold type.
_PAPER, _INK, _SOFT, _RULE = "#14171c", "#f2f4f7", "#a3abb8", "#39414d"
_BAR_COLOR, _TAKEN_COLOR = "#5b7fa6", "#ffb14e"


@dataclass(frozen=True)
class Caption:
    """What stands above: which agent this is, and where it plays."""

    title: str
    subtitle: str = ""


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    import matplotlib  # which comes with a font

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def _fitted(text: str, width: int, size: int, bold: bool = False) -> str:
    """Shorten a text that is too wide; an ellipsis says so."""
    font = _font(size, bold)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def paint(seen: Moment, caption: Caption) -> Image.Image:
    """Draw one frame, RGB of `SIZE`.

    The frame of an episode's last step has its outcome written over the game.
    """
    frame = Image.new("RGB", SIZE, _PAPER)
    frame.paste(Image.fromarray(seen.picture), (0, 0))
    draw = ImageDraw.Draw(frame)
    _write_head(draw, seen, caption)
    sight = Image.fromarray(seen.obs).resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.NEAREST)
    frame.paste(sight, (_RIGHT - _THUMBNAIL, 62))
    draw.text((_RIGHT, 177), "what it sees", _SOFT, _font(11), anchor="rt")
    _write_bars(draw, seen)
    if seen.episode:
        _write_outcome(draw, seen)
    return frame


def _write_head(draw: ImageDraw.ImageDraw, seen: Moment, caption: Caption) -> None:
    width = _RIGHT - _LEFT
    draw.text((_LEFT, 12), _fitted(caption.title, width, 16, True), _INK, _font(16, True))
    draw.text((_LEFT, 35), _fitted(caption.subtitle, width, 12), _SOFT, _font(12))
    so_far = seen.episode.episode_return if seen.episode else seen.episode_return
    facts = (
        ("level", f"{seen.level_seed}"),
        ("step", f"{seen.step}"),
        ("return", f"{so_far:g}"),
        ("value", f"{seen.value:.2f}"),
    )
    for row, (name, text) in enumerate(facts):
        top = 62 + 28 * row
        draw.text((_LEFT, top + 4), name, _SOFT, _font(12))
        draw.text((_LEFT + 50, top), _fitted(text, width - _THUMBNAIL - 62, 17), _INK, _font(17))


def _write_bars(draw: ImageDraw.ImageDraw, seen: Moment) -> None:
    left, right = _LEFT + _LABEL + 6, _RIGHT - _PERCENT - 4
    draw.line((_LEFT, _BARS_TOP - 6, _RIGHT, _BARS_TOP - 6), _RULE)
    for action, (name, probability) in enumerate(zip(ACTIONS, seen.probabilities, strict=True)):
        taken = action == seen.action
        top = _BARS_TOP + _BAR * action
        middle = top + _BAR // 2
        color = _INK if taken else _SOFT
        draw.text((_LEFT + _LABEL, middle), name, color, _font(13, taken), anchor="rm")
        if taken:
            draw.polygon(((_LEFT, middle - 5), (_LEFT, middle + 5), (_LEFT + 7, middle)), _INK)
        draw.rectangle((left, top + 4, right, top + _BAR - 5), outline=_RULE)
        length = round(float(probability) * (right - left))
        if length:
            fill = _TAKEN_COLOR if taken else _BAR_COLOR
            draw.rectangle((left, top + 4, left + length, top + _BAR - 5), fill)
        percent = f"{100 * probability:.0f} %"
        draw.text((_RIGHT, middle), percent, color, _font(13, taken), anchor="rm")


def _write_outcome(draw: ImageDraw.ImageDraw, seen: Moment) -> None:
    assert seen.episode is not None
    length = number_of(seen.episode.length, "step")
    text = f"over: return {seen.episode.episode_return:g} after {length}"
    draw.rectangle((0, HEIGHT - 44, 511, HEIGHT - 1), _PAPER)
    draw.text((256, HEIGHT - 22), text, _INK, _font(18, True), anchor="mm")
