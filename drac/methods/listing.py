"""The list of methods, for people: `drac train --method help`, docs/methods.md. No torch here."""

from __future__ import annotations

import textwrap

from drac import methods

WIDTH = 100
"""Columns of the list, at most."""


def records() -> list[dict[str, str]]:
    """Return all methods: how each is to be typed, what it is, where it comes from."""
    rows = [(m.title, m.summary, m.source) for m in methods.known().values()]
    rows += [(name, "not available", why) for name, why in methods.problems().items()]
    return [dict(zip(("name", "summary", "source"), row, strict=True)) for row in rows]


def listing(width: int = WIDTH) -> str:
    """Return a table of them, as wide as a terminal of `width` columns, 50 at least."""
    width = max(50, min(width, WIDTH))
    rows = [tuple(record.values()) for record in records()]
    margin = 2 + max(len(title) for title, *_ in rows)
    lines = [f"{'method':{margin}}what it is, and where it comes from"]
    for title, *texts in rows:
        said = [
            line
            for text in texts
            for line in textwrap.wrap(text, width - margin, break_on_hyphens=False)
        ]
        lines += [f"{title:{margin}}{said[0]}", *(" " * margin + line for line in said[1:])]
    aliases = ", ".join(f"{alias} is {name}" for alias, name in methods.ALIASES.items())
    also = textwrap.fill(" ".join(_ALSO.split()), width, break_on_hyphens=False)
    return "\n".join([*lines, "", also, f"The paper's spelling: {aliases}."])


def markdown() -> str:
    """Return the table of docs/methods.md: the methods that are registered, in Markdown."""
    rows = [("method", "what it is", "source")]
    rows += [(f"`{m.title}`", m.summary, m.source) for m in methods.METHODS.values()]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|---|---|", *lines[1:]])


_ALSO = """\
<augmentation> is any that `drac augmentations list` names: drac-crop, drac-color-jitter; one with
options is --method drac --augmentation "flip(axis='vertical')". Which options a method has, and how
to add a method of your own, is in docs/methods.md."""
