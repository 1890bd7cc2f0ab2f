"""What a command prints must not end its work: a reader that went away, or no output at all."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

Result = TypeVar("Result")

FIRST_LINE_S, LINES_S = 2.0, 60.0
"""Without a terminal: seconds until a line says how much is done; then twice as long, at most."""


class Output(io.TextIOBase):
    """A text stream that goes on into nothing once its reader, such as `head`, went away.

    Args:
        stream: of a file descriptor; what is asked of it otherwise is passed on.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or pretend to."""
        return self._tried(lambda: self._stream.write(text), len(text))

    def flush(self) -> None:
        """Flush, or pretend to."""
        self._tried(self._stream.flush, None)

    def _tried(self, write: Callable[[], Result], otherwise: Result) -> Result:
        try:
            return write()
        except BrokenPipeError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)
            return otherwise

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What becomes of text that the encoding lacks."""
        return self._stream.errors


def console(plain_width: int) -> Console:
    """Return a console of stdout, as wide as COLUMNS or the terminal says, else `plain_width`."""
    from rich.console import Console

    found = Console(file=sys.stdout, highlight=False)
    if found.is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return found
    return Console(file=sys.stdout, highlight=False, width=plain_width)


def fitted(text: str, indent: str = "  ") -> str:
    """Wrap a line to the terminal, or to COLUMNS; leave it where neither says how wide it is."""
    width = shutil.get_terminal_size((0, 0)).columns
    if not width:
        return text
    wrapper = textwrap.TextWrapper(width, subsequent_indent=indent, break_on_hyphens=False)
    wrapper.break_long_words = False  # paths can be copied
    return wrapper.fill(text)


def columns(table: pd.DataFrame, keys: int) -> str:
    """Return a table as text; what the terminal has no room for goes on below.

    Args:
        table: numbers and texts.
        keys: how many of the first columns name the row; they are repeated.
    """
    width = shutil.get_terminal_size((0, 0)).columns or math.inf
    names, rest, blocks = [*table.columns[:keys]], [*table.columns[keys:]], []

    def text(shown: int) -> str:
        return table[names + rest[:shown]].to_string(index=False, float_format="{:.3f}".format)

    while rest:
        fitting = (n for n in range(len(rest), 1, -1) if text(n).find("\n") <= width)
        shown = next(fitting, 1)
        blocks.append(text(shown))
        rest = rest[shown:]
    return "\n\n".join(blocks)


def tell(sentence: str) -> None:
    """Print a sentence on stderr: wrapped in a terminal, elsewhere one line, for programs."""
    print(fitted(sentence) if sys.stderr.isatty() else sentence, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show on stderr how much is done: a bar in a terminal, elsewhere a line now and then.

    Args:
        what: is being done.
        total: of how many parts; None if nobody knows yet.

    Yields:
        What is to be called after each part, if need be with what is done from now on.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        with _lines(what, f" of {total:,}" if total else "") as advance:
            yield advance
        return
    columns = (SpinnerColumn(), *Progress.get_default_columns())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda name=None: shown.update(task, advance=1, description=name and escape(name))


@contextlib.contextmanager
def _lines(what: str, of_total: str) -> Iterator[Callable[..., None]]:
    """Print them from a thread of their own: a part may take long."""
    done, over = 0, threading.Event()

    def advance(name: str | None = None) -> None:
        nonlocal what, done
        what, done = name or what, done + 1

    def say() -> None:
        interval = FIRST_LINE_S
        while not over.wait(interval):
            interval = min(2 * interval, LINES_S)
            print(f"{what}: {done:,}{of_total}", file=sys.stderr, flush=True)

    speaker = threading.Thread(target=say, daemon=True)
    speaker.start()
    try:
        yield advance
    finally:
        over.set()
        speaker.join()


def print_json(version: int, **fields: Any) -> None:
    """Print one JSON object for programs.

    Args:
        version: its `format`, which is raised when a field goes or changes what it means.
        fields: what else it has; numbers that are not finite are null there.
    """
    print(json.dumps(_plain({"format": version, **fields}), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    """Return a value that JSON has, numbers of numpy as those of Python."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """Have what is printed for people go to stderr, if stdout is to be JSON."""
    with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def unbreakable() -> Iterator[None]:
    """Have stdout and stderr swallow what nobody reads, also where they were closed (`>&-`)."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_unbreakable, before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _unbreakable(stream: TextIO | None) -> TextIO:
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, Output):
        return stream
    try:
        stream.fileno()
    except (OSError, ValueError):  # in a test, or a notebook
        return stream
    return Output(stream)  # type: ignore[return-value]
