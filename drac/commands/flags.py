"""Command-line flags made from the config's fields. Imports no torch."""

from __future__ import annotations

import argparse
import codecs
import dataclasses
import errno
import io
import itertools
import math
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from augmentations.arguments import hint as nearest
from augmentations.arguments import unknown
from drac.commands import completion, help_text, others_flags
from drac.commands.openmp import spin_briefly
from drac.commands.output import tell, unbreakable
from drac.config import TrainConfig
from drac.config.quantities import count_text, parse_count
from drac.errors import OTHERS_CODE_FAILED, ConfigError, NonFinite, OthersCodeError
from drac.runs import provenance

Command = Callable[[Sequence[str]], int]
Field = tuple[str, Any, Any]
"""(name, type, `option`), for `dataclasses.make_dataclass`."""

TRACEBACK = "DRAC_TRACEBACK"
"""A variable: an error of a plug-in's is printed with its traceback, as in a sweep's logs."""

_BOOLEAN = "{true,false}"
_HELP_ALL = "--help-all"
_NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)


def option(default: Any, text: str, metavar: str = "", group: str = "", rare: bool = False) -> Any:
    """Return a field of a dataclass that is a flag.

    Args:
        default: the flag's; one that is false, such as None or (), is left out of the help.
        text: for the help.
        metavar: what stands for the value there, such as "N"; by default the type, such as PATH.
        group: under which it is listed; "" for the command's own.
        rare: whether --help-all alone shows it.
    """
    about = {"help": text, "metavar": metavar, "group": group, "rare": rare}
    return dataclasses.field(default=default, metadata=about)


def positional(text: str, metavar: str = "") -> Any:
    """Return a field of a dataclass for what stands on the command line without a flag."""
    return dataclasses.field(metadata={"help": text, "positional": True, "metavar": metavar})


def config_fields(defaults: Mapping[str, Any], exclude: Iterable[str] = ()) -> list[Field]:
    """Return a field for every one of the config's.

    Values stay text here: `drac.config.build` reads them, and its errors are one sentence.
    """
    fields: list[Field] = []
    group = help_text.groups(list(TrainConfig.model_fields))
    for name, info in TrainConfig.model_fields.items():
        if name in exclude:
            continue
        kind: Any = tuple[str, ...] if name == "arms" else str | None
        default, metavar = defaults[name], "" if name == "arms" else _metavar(name)
        if default is None:
            metavar = "FILE" if name == "best_from" else "SPEC"
        elif name != "arms":
            kind, default = str, _default(default)
        about = (info.description or "", metavar, group[name], name not in help_text.FIRST)
        fields.append((name, kind, option(default, *about)))
    return fields


def _default(value: Any) -> str:
    """Return a default as one would type it: 25M."""
    if isinstance(value, bool):
        return str(value).lower()
    return count_text(value) if isinstance(value, int) and value >= 1000 else str(value)


def _metavar(name: str) -> str:
    kind = TrainConfig.model_fields[name].annotation
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    names = {int: "N", float: "X", bool: _BOOLEAN}
    return names.get(kind, "TEXT") if isinstance(kind, type) else "N"


def peek(argv: Sequence[str], flag: str) -> str | None:
    """Return the value that a flag has on a command line, before it is parsed: the last one."""
    value = None
    for word, following in zip(argv, [*argv, None][1:], strict=True):
        if word == flag:
            value = following
        elif word.startswith(f"{flag}="):
            value = word.partition("=")[2]
    return value


def named(argv: Sequence[str]) -> set[str]:
    """Return the flags that a command line gives, as fields: "--num-envs=8" is num_envs."""
    words = itertools.takewhile(lambda word: word != "--", argv)
    given = (word[2:].partition("=")[0] for word in words if word.startswith("--"))
    return {name.replace("-", "_") for name in given}


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong, in place of printing it."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; {self.prog} --help lists the options")


def parse(flags_type: type, argv: Sequence[str], prog: str, description: str) -> Any:
    """Parse a command line into a dataclass of `option` and `positional`; --help prints and exits.

    Where there are rare options, --help is short and --help-all shows them too.
    Fields are texts, paths, tuples of them (any number of words), and switches.

    Raises:
        ConfigError: for a flag that does not exist (the message names the nearest), one without
            its value, and words that belong to no flag.
    """
    asked = bool(argv) and argv[0] is completion.ASK
    parser, values = _parser(flags_type, prog, description, asked or _HELP_ALL in argv)
    if asked:
        raise completion.Asked(parser)
    given, stray = parser.parse_known_args([*_words(argv, values, parser)])
    if stray:
        parser.error(f"{shlex.join(stray)} belongs to no option")
    return flags_type(
        **{name: tuple(v) if isinstance(v, list) else v for name, v in vars(given).items()}
    )


def _parser(
    flags_type: type, prog: str, description: str, every: bool
) -> tuple[_Parser, dict[str, bool]]:
    """Return the parser of a command, and whether each of its flags has exactly one value.

    Its help shows `every` option, or those that are not rare.
    """
    parser = _Parser(
        prog, description=description, formatter_class=help_text.Formatter, allow_abbrev=False
    )
    kinds, usage = get_type_hints(flags_type), f"{prog} [-h] [OPTIONS]"
    values: dict[str, bool] = {"--help": False}
    fields = dataclasses.fields(flags_type)
    if rare := [field.name for field in fields if field.metadata.get("rare")]:
        parser.add_argument(_HELP_ALL, action="help", help=f"show all options, {len(rare)} more")
        values[_HELP_ALL] = False
    titles = dict.fromkeys(field.metadata.get("group") or "" for field in fields)
    listed = {
        title: parser.add_argument_group(title) if title else parser
        for title in sorted(titles, key=lambda title: title.startswith(help_text.ONLY))
    }
    for field in fields:
        about = _argument(field, kinds[field.name])
        if field.name in rare and not every:
            about["help"] = argparse.SUPPRESS
        if field.metadata.get("positional"):
            parser.add_argument(field.name, **about)
            usage += f" [{about['metavar']} ...]" if "nargs" in about else f" {about['metavar']}"
        else:
            name = f"--{field.name.replace('_', '-')}"
            listed[field.metadata["group"]].add_argument(name, default=field.default, **about)
            values[name] = "type" in about and "nargs" not in about
    parser.usage = usage
    return parser, values


def _argument(field: dataclasses.Field[Any], kind: Any) -> dict[str, Any]:
    """Return what argparse is to know of a field of this type."""
    default = field.default if field.default is not dataclasses.MISSING else None
    shown = " ".join(default) if isinstance(default, tuple) else default
    text = field.metadata["help"] + (f" (default: {shown})" if shown else "")
    about: dict[str, Any] = {"help": text.replace("%", "%%")}
    if kind is bool:
        return {**about, "action": "store_true"}
    several = get_origin(kind) is tuple
    of = next(k for k in (kind, *get_args(kind)) if k in (str, Path))
    about |= {"type": of, "metavar": field.metadata.get("metavar") or _METAVARS[of]}
    if about["metavar"] == _BOOLEAN:  # the flag alone says true
        about |= {"nargs": "?", "const": "true"}
    return {**about, "nargs": "*"} if several else about


_METAVARS = {str: "TEXT", Path: "PATH"}


def _words(argv: Sequence[str], values: Mapping[str, bool], parser: _Parser) -> Iterator[str]:
    """Spell a command line as argparse needs it: --flag=value, which may begin with a dash."""
    words = iter(argv)
    for word in words:
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        if word == "--":  # what follows is no flag, though it may begin with a dash
            yield from (word, *words)
        elif not word.startswith("--"):
            yield word
        elif flag not in values:
            near = others_flags.hint(flag, values) or nearest(flag, values)
            parser.error(f"unknown option {flag!r}{near}")
        elif not values[flag]:
            yield from (flag, value) if equals else (flag,)
        else:
            value = value if equals else next(words, "--")
            if value == "--" or (not equals and value.startswith(("--", "-h"))):
                parser.error(f"missing value for argument {flag!r}")
            yield f"{flag}={value}"


def whole_number(name: str, given: str, at_least: int, below: float = math.inf) -> int:
    """Read a flag's count, such as "100" or "1k".

    Raises:
        ConfigError: if it is none, too small or too large.
    """
    try:
        number = parse_count(given)
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None
    if number < at_least:
        raise ConfigError(f"{name} must be at least {at_least}, not {number}")
    if number >= below:
        raise ConfigError(f"{name} must be below {below}, not {number}")
    return number


def require_known(kind: str, given: str, known: Collection[str]) -> None:
    """Check that a name is one of those that are known.

    Raises:
        ConfigError: if it is not; the message names the nearest.
    """
    if given not in known:
        raise ConfigError(unknown(kind, given, known))


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

    A `ConfigError`, or a path that no file can have, becomes one line on stderr and status 2; a
    failing disk, used up memory, or a loss that is not finite, one line and status 1; an
    `OthersCodeError` status 3; Ctrl-C 130.
    """
    spin_briefly()
    _print_anything()
    with unbreakable():
        return _run_command(prog, usage, commands, argv)


def _traceback(cause: BaseException | None) -> str:
    """Print the traceback of an error of others' code, if that is wanted, or say how to want it."""
    if cause is None:
        return ""
    if not os.environ.get(TRACEBACK):
        return f"; {TRACEBACK}=1 prints the traceback"
    traceback.print_exception(cause)
    return ""


def _run_command(
    prog: str, usage: str, commands: Mapping[str, Command], argv: Sequence[str] | None
) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    name, rest = (words[0], words[1:]) if words else ("help", [])
    try:
        if name in ("-h", "--help", "help"):
            print(help_text.wrapped(usage.strip()))
            return 0 if words else 2
        if name in ("-V", "--version"):
            print(f"{prog} {provenance.version('procgen-drac')}")
            return 0
        if name == "--print-completion" and " " not in prog:
            print(completion.script(prog, commands, rest))
            return 0
        if name is completion.ASK:
            raise completion.Asked(completion.parser_of(prog, commands))
        require_known("command", name, commands)
        return commands[name](rest)
    except ConfigError as error:
        where = f"{prog} {name}" if name in commands else prog
        sentence = str(error).replace("\n", " ")  # a path, or torch, may contain line breaks
        tell(f"{where}: error: {sentence}{_traceback(error.__cause__)}")
        return 2
    except OthersCodeError as error:
        tell(f"{prog} {name}: error: {error}")
        return OTHERS_CODE_FAILED
    except KeyboardInterrupt:
        print(f"\n{prog} {name}: stopped", file=sys.stderr)
        return 130
    # A loss; memory; a full disk, or a path that no check foresaw.
    except (NonFinite, MemoryError, OSError) as error:
        tell(f"{prog} {name}: error: {error}")
        return 2 if getattr(error, "errno", None) in _NO_PATH else 1
