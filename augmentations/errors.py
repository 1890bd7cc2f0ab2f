"""Errors of other people's code, such as a plug-in's, told in one line."""

from __future__ import annotations

import sys
import traceback
from types import FrameType

_OURS = ("augmentations", "ucb", "drac", "benchmark")
_BETWEEN = {"torch", "torchvision", "kornia", "numpy", *sys.stdlib_module_names}
"""What may stand between our code and others', and is neither."""


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, cut where it is very long."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:297]}..."


def told(error: BaseException) -> str:
    """Return an error's class, message and place: "KeyError: 'sigma' (in Blur.apply, line 9 of f)".

    The place is the last line that ran of the package that we called, whatever that called then; of
    an error of ours there is none. Where there is no message, as of a bare `assert`:
    "AssertionError in Blur.apply, line 20 of my_package/blur.py".
    """
    kind, text = type(error).__name__, one_line(error)
    _, place = origin(error)
    if not text:
        return f"{kind} {place}".rstrip()
    return f"{kind}: {text}" + (f" ({place})" if place else "")


def origin(error: BaseException) -> tuple[str, str]:
    """Return the package of others in which an error arose, and where; "" and "" for one of ours.

    See `told`; what stands above the frame that caught it does not count.
    """
    called = [
        (_package(frame), frame, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    called = [one for one in called if one[0] not in _BETWEEN]
    while called and called[-1][0] in _OURS:  # which theirs had called
        called.pop()
    if not called:
        return "", ""
    since = max((n for n, one in enumerate(called) if one[0] in _OURS), default=-1)
    theirs = called[since + 1 :]
    package, frame, line = next(one for one in reversed(theirs) if one[0] == theirs[0][0])
    return package, f"in {_function(frame)}, line {line} of {frame.f_code.co_filename}"


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _function(frame: FrameType) -> str:
    """Return "Class.method" of a frame; of Python 3.10 the object's class stands for its own."""
    name = frame.f_code.co_name
    own = f"{type(frame.f_locals['self']).__name__}.{name}" if "self" in frame.f_locals else name
    return getattr(frame.f_code, "co_qualname", own)
