"""Clips as files: H.264 in MP4, which every browser plays, and GIF. FFmpeg's codecs, by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drac.envs import ProcgenVectorEnv
from drac.files import atomic

if TYPE_CHECKING:
    import av
    from PIL import Image

FPS: int = ProcgenVectorEnv.metadata["render_fps"]
"""Frames a second: one an environment step."""

SUFFIXES = (".mp4", ".gif")

# yuv420p and the moov atom in front are what browsers need; the rest makes flat areas small.
# One thread, so that a clip does not depend on the machine's number of cores.
_H264 = {"threads": "1", "crf": "20", "preset": "medium", "tune": "animation", "profile": "high"}
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
    convert = _rgb if mp4 else _Paletted()
    number = 0
    with (
        atomic.replacing(path) as file,
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


def _rgb(frame: Image.Image) -> av.VideoFrame:
    import av

    return av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24")


class _Paletted:
    """Makes frames of one palette: half of it the first frame's colours, half a coarse cube.

    With a single palette, a transparent entry and no dithering FFmpeg writes what changes only.
    """

    def __init__(self) -> None:
        self._palette: NDArray[np.uint8] | None = None

    def __call__(self, frame: Image.Image) -> av.VideoFrame:
        import av
        from PIL import Image

        if self._palette is None:
            own = np.array(frame.quantize(128).getpalette(), np.uint8).reshape(-1, 3)
            cube = np.indices((5, 5, 5)).reshape(3, -1).T * 63
            colors = np.concatenate([own, cube]).astype(np.uint8)
            self._chosen = Image.new("P", (1, 1))
            self._chosen.putpalette(colors.tobytes())
            self._palette = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
            self._palette[: len(colors)] = np.insert(colors, 0, 255, axis=1)
        paletted = frame.quantize(palette=self._chosen, dither=Image.Dither.NONE)
        # PyAV's types do not know of this pair.
        pixels: Any = np.asarray(paletted), self._palette
        return av.VideoFrame.from_ndarray(pixels, format="pal8")
