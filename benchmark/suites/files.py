"""Suites as TOML files: the built-in ones beside this file, and the user's own."""

from __future__ import annotations

import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

from augmentations.arguments import hint, unknown
from benchmark.suites.lines import At, Lines
from benchmark.suites.suite import Options, Part, Suite, foreign
from benchmark.suites.words import parse_games, parse_methods, parse_seeds
from drac import methods
from drac.config import TrainConfig
from drac.errors import ConfigError, shown
from drac.files import untrusted
from drac.games import GAMES
from drac.methods import spellings
from drac.runs import named

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "built_in"
ENDING = ".toml"
RUNS = Path("results/runs")
"""Where methods are looked for that go by the short names of their runs, unless it is said."""
LIMIT = 2**20
"""Bytes of a file; ours have some hundreds."""

TOP = ("summary", "methods", "games", "seeds", "steps", "fidelity", "options")
TABLES = ("method", "game", "part")
PART = ("methods", "games", "seeds", "suffix", "options")
_OPTIONS = tuple(name for name in TrainConfig.model_fields if name not in ("method", "game"))
_RANGES = "a number, a range such as '0-9', or a list of them"


def built_in() -> dict[str, str]:
    """Return the names of the built-in suites and what they are, in a line."""
    return {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))["summary"]
        for path in sorted(FOLDER.glob(f"*{ENDING}"))
    }


def path_of(name: str) -> Path:
    """Return the file of a suite: what ends in ".toml" is one, all else a built-in suite's name.

    Raises:
        ConfigError: naming the nearest and the valid names.
    """
    if name.endswith(ENDING):
        return Path(name)
    if name not in (known := [path.stem for path in sorted(FOLDER.glob(f"*{ENDING}"))]):
        raise ConfigError(unknown("suite", name, [*known, f"or a file NAME{ENDING}"]))
    return FOLDER / f"{name}{ENDING}"


def get(name: str, runs: Path = RUNS) -> Suite:
    """Return a built-in suite, or that of a file whose name ends in ".toml": see `read`.

    Raises:
        ConfigError: naming the nearest and the valid names; or what is wrong with the file, and in
            which line.
    """
    return read(path_of(name), runs)


def text_of(path: Path) -> str:
    """Return the text of a suite's file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return untrusted.read(path, LIMIT).decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read as a suite: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as a suite: {error}") from None


def read(path: Path, runs: Path = RUNS) -> Suite:
    """Read a suite from a TOML file, and check every run of it.

    Args:
        path: of the file.
        runs: the folder of all experiments, for methods that are called as their runs in tables.

    Raises:
        ConfigError: with the file and the line, for an unknown key, an option that the methods
            lack, a run that is there twice, or an impossible value.
    """
    return _File(path, text_of(path), runs).suite()


class _File:
    """A suite's file while it is read: what it says, and where."""

    def __init__(self, path: Path, text: str, runs: Path) -> None:
        self._path, self._lines, self._runs = path, Lines(text), runs
        try:
            self._data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            said = re.sub(r" \(at line (\d+), column (\d+)\)", r" (line \1, column \2)", str(error))
            raise ConfigError(f"{path} is no TOML: {said}") from None
        except RecursionError:
            raise ConfigError(f"{path} is no TOML: it is nested too deeply") from None

    def suite(self) -> Suite:
        """Return what the file says."""
        data = self._table((), self._data, (*TOP, *TABLES))
        shared = self._options(("options",), data.get("options", {}))
        for name in ("steps", "fidelity"):
            if name in data and name in shared:
                self._refuse(("options", name), f"{name} is given twice, here and above")
        shared = {name: data[name] for name in ("steps", "fidelity") if name in data} | shared
        suite = Suite(
            name=self._path.stem,
            summary=" ".join(str(data.get("summary", "")).split()),
            methods=self._methods((), data, shared) or (),
            games=self._several(("games",), data, parse_games) or GAMES,
            seeds=self._several(("seeds",), data, parse_seeds, _RANGES) or (0,),
            options=shared,
            parts=tuple(self._parts(data.get("part", [{}]), shared)),
        )
        if not suite.every_method:
            self._refuse((), "it names no methods")
        suite = Suite(**{**vars(suite), "special": self._special(data, suite)})
        self._check_options(suite)
        self._check_doubles(suite)
        try:
            deque(suite.runs(), maxlen=0)
        except ConfigError as error:
            self._refuse(self._blamed(str(error)), str(error))
        return suite

    def _parts(self, parts: Any, shared: Mapping[str, Any]) -> Iterator[Part]:
        if not isinstance(parts, list) or not parts:
            self._refuse(("part",), "part must be tables, each under [[part]]")
        for number, part in enumerate(parts):
            at = ("part", number)
            self._table(at, part, PART)
            suffix = part.get("suffix", "")
            if not isinstance(suffix, str) or not re.fullmatch("[A-Za-z0-9._+-]{0,100}", suffix):
                said = f"suffix {shown(suffix)} must be letters, digits, '.', '_', '+' or '-'"
                self._refuse((*at, "suffix"), said)
            options = self._options((*at, "options"), part.get("options", {}))
            yield Part(
                methods=self._methods(at, part, {**shared, **options}),
                games=self._several((*at, "games"), part, parse_games),
                seeds=self._several((*at, "seeds"), part, parse_seeds, _RANGES),
                options=options,
                suffix=suffix,
            )

    def _methods(
        self, at: At, table: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[str, ...] | None:
        """Return the methods of a table in the spelling of their runs."""
        augmentation = options.get("augmentation")

        def parse(words: Sequence[str]) -> tuple[str, ...]:
            given = parse_methods(words, augmentation)
            if augmentation is None:
                given = tuple(named.typed(name, self._runs) for name in given)
            try:
                families = {name: methods.get(name).is_family for name in given}
                found = {
                    name: spellings.resolve(name, augmentation if families[name] else None)[0]
                    for name in given
                }
                # A specification stays one: its slug would not say what it is.
                return tuple(name if {":", "("} & {*name} else found[name] for name in given)
            except ValueError as error:
                raise ConfigError(str(error)) from None

        return self._several((*at, "methods"), table, parse)

    def _several(
        self,
        at: At,
        table: Mapping[str, Any],
        parse: Callable[[Sequence[str]], tuple[Any, ...]],
        allowed: str = "a list of names, or 'all'",
    ) -> tuple[Any, ...] | None:
        """Return what the words of a list stand for; None if it is not there."""
        if (key := at[-1]) not in table:
            return None
        words = table[key] if isinstance(table[key], list) else [table[key]]
        kinds = (str, int) if parse is parse_seeds else (str,)
        if not words or any(type(word) not in kinds for word in words):
            self._refuse(at, f"{key} {shown(table[key])} must be {allowed}")
        try:
            found = [name for word in words for name in parse([str(word)])]
        except ConfigError as error:
            self._refuse(at, str(error))
        twice = next((name for name, count in Counter(found).items() if count > 1), None)
        if twice is not None:
            self._refuse(at, f"{key} have {twice!r} twice, which would double its runs")
        return tuple(found)

    def _special(self, data: Mapping[str, Any], suite: Suite) -> dict[tuple[str, str], Options]:
        """Return the options of single methods, games, and methods on games."""
        found: dict[tuple[str, str], Options] = {}
        every_game = {game for part in suite.parts for game in part.games or suite.games}
        for game, options in self._named(("game",), data.get("game", {}), sorted(every_game)):
            found["", game] = self._options(("game", game), options)
        for word, table in self._named(("method",), data.get("method", {}), suite.every_method):
            self._table(("method", word), table)
            method = named.typed(word, self._runs)
            own = {name: value for name, value in table.items() if name != "game"}
            found[method, ""] = self._options(("method", word), own)
            at = ("method", word, "game")
            for game, options in self._named(at, table.get("game", {}), sorted(every_game)):
                found[method, game] = self._options((*at, game), options)
        return found

    def _named(self, at: At, table: Any, names: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Yield a table's tables, whose names are the suite's methods or games."""
        for name, value in self._table(at, table).items():
            if name not in names and named.typed(name, self._runs) not in names:
                said = unknown(f"{at[-1]} of the suite", name, names)
                self._refuse((*at, name), said)
            yield name, value

    def _table(self, at: At, value: Any, known: Collection[str] = ()) -> Mapping[str, Any]:
        """Return a table; refuse what is none, and a key that is not known if any are."""
        if not isinstance(value, dict):
            name = next(key for key in reversed(at) if isinstance(key, str))
            self._refuse(at, f"{name} must be a table, not {shown(value)}")
        for key in value:
            if known and key not in known:
                more = f"; {key} is an option: put it under [options]" if key in _OPTIONS else ""
                self._refuse((*at, key), unknown("key", key, known) + more)
        return value

    def _options(self, at: At, value: Any) -> dict[str, Any]:
        for name in self._table(at, value):
            if name not in _OPTIONS or name == "seed":
                said = f"unknown option {name!r}{hint(name, _OPTIONS)}"
                self._refuse((*at, name), f"{said}; drac train --help lists them all")
        return {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}

    def _check_options(self, suite: Suite) -> None:
        """Refuse options that none of the methods has which they are for."""
        placed: list[tuple[At, Options, tuple[str, ...]]] = [
            (("options",), suite.options, suite.every_method)
        ]
        for number, part in enumerate(suite.parts):
            own = part.methods or suite.methods
            placed.append((("part", number, "options"), part.options, own))
        for (method, game), options in suite.special.items():
            at: At = ("method", method) if method else ()
            at += ("game", game) if game else ()
            placed.append((at, options, (method,) if method else suite.every_method))
        for at, options, names in placed:
            absent = frozenset.intersection(*(foreign(name) for name in names))
            for name in options:
                if name in absent:
                    near = hint(name, [own for own in _OPTIONS if own not in absent])
                    having = methods.with_option(name)
                    belongs = f"; it belongs to {', '.join(having)}" if having else ""
                    said = f"method {names[0]!r} has no option {name}"
                    if len(names) > 1:
                        said = f"no method of the suite has the option {name}"
                    self._refuse((*at, name), said + near + belongs)

    def _check_doubles(self, suite: Suite) -> None:
        seen: dict[tuple[Any, ...], int] = {}
        for number, part in enumerate(suite.parts):
            product_of = (part.methods or suite.methods, part.games or suite.games)
            for method, game, seed in product(*product_of, part.seeds or suite.seeds):
                first = seen.setdefault((part.suffix, method, game, seed), number)
                if first != number:
                    name, above = f"{method}/{game}/seed{seed}", self._lines.of(("part", first))
                    said = f"the run {name} is there twice: also in the part of line {above}"
                    self._refuse(("part", number), said)

    def _blamed(self, message: str) -> At:
        """Return where the option stands that a message names first."""
        found = {at: re.search(rf"\b{re.escape(str(at[-1]))}\b", message) for at in self._lines}
        named = [(match.start(), at) for at, match in found.items() if match and at[-1] in _OPTIONS]
        return min(named, key=lambda place: place[0], default=(0, ()))[1]

    def _refuse(self, at: At, message: str) -> NoReturn:
        line = self._lines.of(at)
        raise ConfigError(f"{self._path}{f', line {line}' if line else ''}: {message}")
