"""Moving whole batches of pixels, without a Python loop over images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from augmentations.base import match_format

# Images whose temporaries fit a CPU's cache: larger pieces run at half the speed or less.
_CPU_PIECE = 64


def take_pixels(obs: Tensor, source: Tensor) -> Tensor:
    """Gather every pixel of the output from a place in the same image.

    Args:
        obs: images.
        source: for each output pixel, in rows, where it comes from: `row * W + column`.

    Shape:
        - obs: (B, C, H, W)
        - source: (B, H * W), int64
        - output: (B, C, H, W), in the memory format of `obs`
    """
    batch, channels, height, width = obs.shape
    first = torch.arange(batch, device=obs.device)[:, None] * (height * width)
    # Channels last, a pixel is one row of three numbers, and the gather one index_select.
    pixels = obs.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    taken = pixels.index_select(0, (first + source).flatten())
    return match_format(taken.view(batch, height, width, channels).permute(0, 3, 1, 2), obs)


def in_pieces(function: Callable[..., Tensor], obs: Tensor, *params: Tensor) -> Tensor:
    """Return `function(obs, *params)`, on CPU computed in pieces that fit the cache.

    Shape:
        - obs, each of params, output: B in the first dimension
    """
    size = _CPU_PIECE if obs.device.type == "cpu" else max(1, obs.shape[0])
    pieces = zip(*(tensor.split(size) for tensor in (obs, *params)), strict=True)
    done = [function(*piece) for piece in pieces]
    return done[0] if len(done) == 1 else torch.cat(done)
