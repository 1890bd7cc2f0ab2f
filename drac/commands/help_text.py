"""What --help shows: wrapped to the terminal, options in groups. Imports no torch."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap

from drac import methods

FEW = 4
"""Options that so many methods have are a group of their help."""

GENERAL = {
    "device": "device and speed",
    "mode": "environment",
    "learning_rate": "optimization",
    "augmentation": "augmentations",
    "arms": "choosing the augmentation",
    "eval_every": "evaluation and saving",
}
"""The first option of a run in each group of those that most methods have."""

FIRST = frozenset(
    {"game", "method", "seed", "steps", "fidelity", "device", "levels", "num_envs"}
    | {"augmentation", "arms", "eval_every", "eval_episodes"}
)
"""Options of a run that --help shows; --help-all shows all."""

ONLY = "only "


def groups(names: list[str]) -> dict[str, str]:
    """Return the group of each of a run's options, in their order; "" is of the command itself."""
    found, general = {}, ""
    for name in names:
        general = GENERAL.get(name, general)
        having = methods.with_option(name)
        found[name] = f"{ONLY}{', '.join(having)}" if 0 < len(having) <= FEW else general
    return found


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Wraps to the terminal: prose, lists line by line, but no command; no word at its hyphen."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return wrapped(text, width)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def wrapped(text: str, width: int = 0) -> str:
    """Wrap a description: paragraphs that have indented lines are lists, others prose.

    Args:
        text: what is said; the lines of a list may go on in a line with at least four spaces.
        width: in columns; 0 for the terminal's.
    """
    width = width or shutil.get_terminal_size().columns - 2
    return "\n\n".join(
        "\n".join(_line(line, width) for line in _joined(part))
        if "\n  " in part or ": drac" in part
        else textwrap.fill(part, width, break_on_hyphens=False)
        for part in text.split("\n\n")
    )


_COMMAND = re.compile(r"(\w+:)?\s*drac(-bench)? ")


def _joined(part: str) -> list[str]:
    lines: list[str] = []
    for line in part.splitlines():
        if lines and line.startswith("    ") and not _COMMAND.match(line):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return lines


def _line(line: str, width: int) -> str:
    if _COMMAND.match(line):
        return line
    column = re.match(r"\s*(- |\S+\s{2,})?", line)
    hanging = " " * (column.end() if column else 0)
    return textwrap.fill(line, width, subsequent_indent=hanging, break_on_hyphens=False)
