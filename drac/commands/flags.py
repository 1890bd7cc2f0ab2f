"""Command-line flags made from the config's fields. Imports no torch."""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import tyro

from augmentations.arguments import unknown
from drac import methods
from drac.config import TrainConfig, preset_defaults
from drac.config.quantities import parse_count
from drac.errors import ConfigError, NonFinite

Command = Callable[[Sequence[str]], int]
Field = tuple[str, Any, Any]
"""(name, type, default), for `dataclasses.make_dataclass`."""

FEW = 4
"""So many methods that have an option are named in its help."""


def text(help_text: str, metavar: str) -> Any:
    """Return the type of a flag that is passed on as text, to be checked where it is used."""
    return Annotated[str, tyro.conf.arg(help=help_text, metavar=metavar)]


def config_fields(defaults: Mapping[str, Any], exclude: Iterable[str] = ()) -> list[Field]:
    """Return a field for every one of the config's.

    Values stay text here: `drac.config.build` reads them, and its errors are one sentence.
    """
    fields: list[Field] = []
    for name, info in TrainConfig.model_fields.items():
        if name in exclude:
            continue
        help_text, default = (info.description or "") + _of_methods(name), defaults[name]
        if name == "arms":
            annotation: Any = Annotated[tuple[str, ...], tyro.conf.arg(help=help_text)]
        elif default is None:
            metavar = "FILE" if name == "best_from" else "SPEC"
            annotation = Annotated[str | None, tyro.conf.arg(help=help_text, metavar=metavar)]
        else:
            annotation, default = text(help_text, _metavar(name)), str(default)
        fields.append((name, annotation, default))
    return fields


def _of_methods(name: str) -> str:
    """Return "; only plr, ucb-drac+plr" for an option that few methods have."""
    having = methods.with_option(name)
    return f"; only {', '.join(having)}" if 0 < len(having) <= FEW else ""


def _metavar(name: str) -> str:
    kind = TrainConfig.model_fields[name].annotation
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    return {int: "N", float: "X"}.get(kind, "TEXT") if isinstance(kind, type) else "N"


def as_argv(config: TrainConfig) -> list[str]:
    """Return the flags of `drac train` that give this config: what differs from the defaults."""
    defaults = preset_defaults(config.fidelity)
    words = ["--game", config.game, "--method", config.method, "--seed", str(config.seed)]
    if config.fidelity != "paper":
        words += ["--fidelity", config.fidelity]
    for name, value in config:
        if name in ("game", "method", "seed", "fidelity") or value == defaults[name]:
            continue
        if name == "augmentation" and config.method.endswith(f"-{value}"):
            continue  # the method says it
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def peek(argv: Sequence[str], flag: str) -> str | None:
    """Return the value that a flag has on a command line, before it is parsed: the last one."""
    value = None
    for word, following in zip(argv, [*argv, None][1:], strict=True):
        if word == flag:
            value = following
        elif word.startswith(f"{flag}="):
            value = word.partition("=")[2]
    return value


def parse(flags_type: type, argv: Sequence[str], prog: str, description: str) -> Any:
    """Parse a command line into a dataclass; tyro prints the help.

    Raises:
        ConfigError: for a flag that does not exist (the message names the nearest), one without
            its value, and words that belong to no flag.
    """
    known = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(flags_type)]
    for word in argv:
        flag = word.partition("=")[0].replace("_", "-")
        if flag.startswith("--") and flag not in (*known, "--help"):
            nearest, _, _ = unknown("option", flag, known).partition("; choose from")
            raise ConfigError(f"{nearest}; {prog} --help lists the options")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(flags_type, args=list(argv), prog=prog, description=description)
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
    raise ConfigError(f"{_sentence(said.getvalue())}; {prog} --help lists the options")


def _sentence(box: str) -> str:
    """Return what tyro says in the box that it draws around an error: the first text in it.

    Where it may not draw lines, a title stands above the first rule instead of in the frame.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)  # a terminal's colours
    lines = [line.strip(" │") for line in plain.splitlines() if not line.startswith(("╭", "╰"))]
    groups = re.split(r"^[─-]{3,}$", "\n".join(lines), flags=re.MULTILINE)
    text = groups[0 if "╭" in plain or len(groups) == 1 else 1]
    joined = " ".join(text.split()).rstrip(".")
    return joined[:1].lower() + joined[1:]


def whole_number(name: str, given: str, at_least: int) -> int:
    """Read a flag's count, such as "100" or "1k".

    Raises:
        ConfigError: if it is none, or too small.
    """
    try:
        number = parse_count(given)
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None
    if number < at_least:
        raise ConfigError(f"{name} must be at least {at_least}, not {number}")
    return number


def _print_anything() -> None:
    """Have what the terminal's encoding lacks printed in its escaped form: no run ends by that."""
    codecs.register_error("drac", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(errors="drac")


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    try:  # of a path in bytes that are no text to this locale: the very bytes
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def run_command(
    prog: str, usage: str, commands: Mapping[str, Command], argv: Sequence[str] | None
) -> int:
    """Run one of a program's commands and return its exit status.

    A `ConfigError` becomes one line on stderr and status 2; a failing disk, or a loss that is not
    finite, one line and status 1; Ctrl-C 130.
    """
    _print_anything()
    words = list(sys.argv[1:] if argv is None else argv)
    name, rest = (words[0], words[1:]) if words else ("help", [])
    try:
        try:
            if name in ("-h", "--help", "help"):
                print(usage.strip())
                return 0 if words else 2
            if name not in commands:
                raise ConfigError(unknown("command", name, commands))
            return commands[name](rest)
        finally:
            sys.stdout.flush()
    except ConfigError as error:
        where = f"{prog} {name}" if name in commands else prog
        sentence = str(error).replace("\n", " ")  # a path, or torch, may contain line breaks
        print(f"{where}: error: {sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{prog} {name}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (NonFinite, OSError) as error:  # a loss; a full disk, a path that no check foresaw
        print(f"{prog} {name}: error: {error}", file=sys.stderr)
        return 1
