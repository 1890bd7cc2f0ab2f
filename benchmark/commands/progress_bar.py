"""A bar that shows on stderr how much is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show on stderr how much of something is done, if that is a terminal.

    Yields:
        What is to be called after each part of `total`.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = not console.is_terminal  # else rich prints empty lines
    with Progress(console=console, transient=True, disable=hidden) as shown:
        task = shown.add_task(what, total=total)
        yield lambda: shown.advance(task)
