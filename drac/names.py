"""Ends a command, in one sentence, if another module has taken the name of a package of ours.

The commands import this before anything else: a file `augmentations.py` in a folder of the user's
would otherwise end them with an error of imports that names no reason.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def taken() -> str:
    """Return that sentence; "" if Python finds our packages beside this one."""
    ours = Path(__file__).resolve().parents[1]
    for name in ("augmentations", "ucb"):
        found = importlib.util.find_spec(name)
        path = Path(found.origin).resolve() if found and found.origin else None
        if path and path.parent != ours / name:
            return (
                f"{path} has the name of the package {name} of procgen-drac and comes before it on"
                f" Python's path: rename it, or take its folder off the path (PYTHONPATH; with"
                f" python -m, the working folder)"
            )
    return ""


if sentence := taken():
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2)
