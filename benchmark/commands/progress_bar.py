"""How much is done, on stderr, which is shown while what is printed goes into a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERVAL_S = 2.0
"""Where there is no terminal a line is printed that often, and none of what is done sooner."""


@contextmanager
def bar(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show how much of something is done: a bar in a terminal, elsewhere a line now and then.

    Args:
        what: is being done.
        total: of how many parts; None if nobody knows yet.

    Yields:
        What is to be called after each part, if need be with what is done from now on.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what, f" of {total:,}" if total else "")
        return
    columns = (SpinnerColumn(), *Progress.get_default_columns())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda name=None: shown.update(task, advance=1, description=name)


def _lines(what: str, of_total: str) -> Callable[..., None]:
    done, said_at = 0, time.monotonic()

    def advance(name: str | None = None) -> None:
        nonlocal what, done, said_at
        what, done = name or what, done + 1
        if time.monotonic() - said_at > INTERVAL_S:
            said_at = time.monotonic()
            print(f"{what}: {done:,}{of_total}", file=sys.stderr, flush=True)

    return advance
