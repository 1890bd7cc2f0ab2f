"""Errors of other people's code, such as a plug-in's, told in one line."""

from __future__ import annotations

import traceback


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, cut where it is very long."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:297]}..."


def told(error: BaseException) -> str:
    """Return an error's class and message: "KeyError: 'sigma'".

    If it has no message, as that of a bare `assert`, the place where it was raised stands for it:
    "AssertionError in apply, line 20 of my_package/gamma.py".
    """
    kind, text = type(error).__name__, one_line(error)
    frames = traceback.extract_tb(error.__traceback__)
    if text or not frames:
        return f"{kind}: {text}".removesuffix(": ")
    last = frames[-1]
    return f"{kind} in {last.name}, line {last.lineno} of {last.filename}"
