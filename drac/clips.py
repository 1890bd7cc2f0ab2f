"""Clips as files: H.264 in MP4, which every browser plays, and GIF. FFmpeg's codecs, by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drac import files

if TYPE_CHECKING:
    import av
    from PIL import Image

FPS = 15
"""Frames a second, as in Procgen's own videos: one an environment step."""

SUFFIXES = (".mp4", ".gif")

# yuv420p and the moov atom in front are what browsers need; the rest makes flat areas small.
_H264 = {"crf": "20", "preset": "medium", "tune": "animation", "profile": "high"}
_MP4 = {"movflags": "+faststart"}


def write(path: Path, frames: Iterable[Image.Image]) -> int:
    """Write frames, as they come, into a clip that appears once it is complete.

    Args:
        path: its suffix, one of `SUFFIXES`, decides the format.
        frames: RGB, all of one size, both sides even.

    Returns:
        How many frames there were.

    Raises:
        ValueError: for another suffix, or no frames; nothing is left then.
    """
    import av

    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} must end in one of {', '.join(SUFFIXES)}")
    mp4 = path.suffix == ".mp4"
    convert = _yuv if mp4 else _palette
    number = 0
    with (
        files.replacing(path) as file,
        av.open(file.name, "w", format=path.suffix[1:], options=_MP4 if mp4 else {}) as out,
    ):
        if mp4:
            stream = out.add_stream("libx264", rate=FPS, options=_H264)
        else:
            stream = out.add_stream("gif", rate=FPS)
        stream.pix_fmt = "yuv420p" if mp4 else "pal8"
        for frame in frames:
            stream.width, stream.height = frame.size
            out.mux(stream.encode(convert(frame)))
            number += 1
        if not number:
            raise ValueError(f"no frames for {path}")
        out.mux(stream.encode())
    return number


def _yuv(frame: Image.Image) -> av.VideoFrame:
    import av

    return av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24")


def _palette(frame: Image.Image) -> av.VideoFrame:
    """Return a frame in 256 colours of its own."""
    import av

    paletted = frame.quantize(256)
    colors = np.array(paletted.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), 255, np.uint8)  # opaque
    palette[: len(colors), 1:] = colors
    pixels: Any = np.asarray(paletted), palette  # PyAV's types do not know of this pair
    return av.VideoFrame.from_ndarray(pixels, format="pal8")
