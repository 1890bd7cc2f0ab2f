"""The first lines of a log that is committed: the command, the machine and the time."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from checkout import ROOT

_PLACES = ("--log", "--folder", "--state", "--machine")
"""Options of which the command need not tell."""


def add_log(parser: argparse.ArgumentParser) -> None:
    """Add the options of a script that writes a log."""
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="where the table goes")
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    parser.add_argument("--machine", default=machine, help="what the log is to say of it")


def written(given: argparse.Namespace, argv: Sequence[str], begun: float, table: list[str]) -> str:
    """Return a log, and write it to --log; `begun` is of time.monotonic."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    words = [w for n, w in enumerate(argv) if not {*argv[max(n - 1, 0) : n + 1]} & {*_PLACES}]
    command = shlex.join(["python", os.path.relpath(sys.argv[0], ROOT), *words])
    lines = [
        f"command: {command}",
        f"machine: {given.machine}; {platform.system()}, {versions}",
        f"time: {time.monotonic() - begun:,.0f} s, peak memory {peak:.0f} MiB",
        "",
        *table,
    ]
    if given.log:
        given.log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "\n".join(lines)
