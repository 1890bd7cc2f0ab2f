"""Completion of our command lines by shells: `drac --print-completion bash`. Imports no torch."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from augmentations.arguments import unknown
from drac import methods
from drac.errors import ConfigError
from drac.games import GAMES

Command = Callable[[Sequence[str]], int]

SHELLS = ("bash", "zsh", "tcsh")

ASK = "--ask-for-the-parser"
"""A command line of this very object has a command raise its parser; nobody can type it."""


class Asked(Exception):
    """Brings the parser that was asked for."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


def parser_of(prog: str, commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Return a parser of a whole program: a subparser for each of its commands."""
    parser = argparse.ArgumentParser(prog)
    subparsers = parser.add_subparsers()
    for name, command in commands.items():
        subparsers.add_parser(name, parents=[_asked(command)], add_help=False, help=name)
    return parser


def _asked(command: Command) -> argparse.ArgumentParser:
    try:
        command([ASK])
    except Asked as asked:
        return asked.parser
    raise AssertionError("a command that parses no command line")


def script(prog: str, commands: Mapping[str, Command], words: Sequence[str]) -> str:
    """Return what a shell is to read, so that it completes a program's command lines.

    Raises:
        ConfigError: if the words name no shell, or more than one.
    """
    if len(words) != 1:
        raise ConfigError(f"--print-completion takes one shell: {', '.join(SHELLS)}")
    if words[0] not in SHELLS:
        raise ConfigError(unknown("shell", words[0], SHELLS))
    import shtab

    parser = parser_of(prog, commands)
    _complete(parser, shtab.FILE)
    return str(shtab.complete(parser, words[0]))


def _complete(parser: argparse.ArgumentParser, file: Any) -> None:
    """Say what values its options have, where that is known."""
    known = {"game": GAMES, "method": [*methods.known()]}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _complete(each, file)
        elif action.dest.removesuffix("s") in known:
            action.choices = known[action.dest.removesuffix("s")]
        elif isinstance(action.metavar, str) and action.metavar.startswith("{"):
            action.choices = action.metavar.strip("{}").split(",")
        elif action.type is Path:
            action.complete = file  # type: ignore[attr-defined]
