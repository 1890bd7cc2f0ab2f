"""Specifications of augmentations as text: their parts, their one spelling, their name in paths.

A specification is a name, or a name with literal arguments: "crop", "flip(axis='vertical')",
"kornia:RandomGaussianBlur((3, 3), sigma=(0.1, 2.0))", "my_package.my_module:my_function". It is
parsed, never evaluated. Nothing here imports torch or knows which names exist.
"""

from __future__ import annotations

import ast
import hashlib
import re
from typing import Any, NamedTuple

# A name as it may be given: of the registry, "kornia:Class" or "package.module:Class".
_NAME = re.compile(r"[A-Za-z_][\w.:-]*", re.ASCII)
_SHORT = {"kornia.augmentation:": "kornia:", "torchvision.transforms.v2:": "torchvision:"}
# Specifications that their slug tells apart from all others without a hash.
_ARGUMENT = r"[a-z][a-z_]*=('[a-z]+'|\d+|\d+\.\d+)"
_PLAIN = re.compile(rf"[a-z0-9-]+(\({_ARGUMENT}(, {_ARGUMENT})*\))?")
_SLUG_LENGTH = 60
_HASH = re.compile(r"(?<=.)-[0-9a-f]{8}\Z")
_SPEC_LENGTH = 1000


def canonical(spec: str) -> str:
    """Return the one spelling of a specification: "flip( axis = 'vertical' )" without the spaces.

    Arguments are sorted by name, after those without one, and "crop()" is "crop". The name need not
    exist.

    Raises:
        ValueError: if it is malformed.
    """
    name, positional, arguments = parse(spec)
    words = [*map(repr, positional), *(f"{key}={arguments[key]!r}" for key in sorted(arguments))]
    return f"{name}({', '.join(words)})" if words else name


def slug(spec: str) -> str:
    """Return a specification as a part of a path: "flip(axis='vertical')" -> "flip-axis-vertical".

    It consists of a-z, 0-9, "." and "-", at most 60 of them. A module is left out: of
    "my_package.blur:Blur(sigma=2)" it begins with "blur-sigma-2". Where what tells two
    specifications apart would be lost, eight digits of a hash of the specification are appended;
    no other slug ends like that: see `short`.

    Raises:
        ValueError: if it is malformed.
    """
    spec = canonical(spec)
    name = spec.partition("(")[0]
    own = spec if name.startswith((*_SHORT.values(),)) else spec[name.find(":") + 1 :]
    words = re.sub(r"[^a-z0-9.]+", "-", own.lower()).strip("-.") or "x"
    if _PLAIN.fullmatch(spec) and len(words) <= _SLUG_LENGTH and short(words) == words:
        return words
    digest = hashlib.sha256(spec.encode()).hexdigest()[:8]
    return f"{words[: _SLUG_LENGTH - len(digest) - 1].rstrip('-.')}-{digest}"


def short(slug: str) -> str:
    """Return a slug, or a method's identifier that ends in one, without the digits of its hash."""
    return _HASH.sub("", slug)


def as_place(name: str) -> str:
    """Return "package.module:Name" for that, for a dotted name, or for a file; else ""."""
    words = re.split(r"[./:\\]", name.removeprefix("./").replace(".py:", ":"))
    if words[-1] == "py":
        words[-1] = "Name"
    place = f"{'.'.join(words[:-1])}:{words[-1]}"
    return place if words[1:] and all(word.isidentifier() for word in words) else ""


def place_hint(name: str) -> str:
    """Return " (did you mean 'package.module:Name'?)" for a dotted name or a file, else ""."""
    place = as_place(name)
    return f" (did you mean {place!r}?)" if place not in ("", name) else ""


class Parsed(NamedTuple):
    """A specification's name, its arguments without a name, and those by name: all literals."""

    name: str
    positional: tuple[Any, ...]
    arguments: dict[str, Any]


def parse(spec: str) -> Parsed:
    """Split a specification into its parts.

    "kornia.augmentation:Class" is another spelling of "kornia:Class", and
    "torchvision.transforms.v2:Class" one of "torchvision:Class".

    Raises:
        ValueError: if it is not of the form name or name(value, ..., key=value, ...).
    """
    form = "a name or name(key=value, ...) with literal values, e.g. flip(axis='vertical')"
    problem = f"the augmentation {_shorten(spec)} is not {form}"
    name, bracket, rest = (part.strip() for part in spec.partition("("))
    if len(spec) > _SPEC_LENGTH:
        raise ValueError(problem)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{problem}{place_hint(name)}")
    try:
        positional, arguments = _literals(f"_({rest}") if bracket else ((), {})
    except SyntaxError as error:  # its text would name a file and a line that the user never saw
        raise ValueError(f"{problem} ({error.msg})") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{problem} ({error})") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"{problem} (it is nested too deeply)") from None
    for long, short in _SHORT.items():
        if name.startswith(long):
            name = short + name.removeprefix(long)
    return Parsed(name, positional, arguments)


def _literals(call: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the source text of one call: without names, and by name."""
    tree = ast.parse(call, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise ValueError("one pair of brackets must end it")
    positional = tuple(_literal(node, _words(call, node)) for node in tree.args)
    arguments: dict[str, Any] = {}
    for keyword in tree.keywords:
        if keyword.arg is None:
            raise ValueError("an argument has no name")
        if keyword.arg in arguments:
            raise ValueError(f"{keyword.arg} is given twice")
        given = f"{keyword.arg}={_words(call, keyword.value)}"
        arguments[keyword.arg] = _literal(keyword.value, given)
    return positional, arguments


def _words(call: str, node: ast.expr) -> str:
    return " ".join((ast.get_source_segment(call, node) or "").split())


def _literal(node: ast.expr, given: str) -> Any:
    """Return the value of an argument, which is given as "value" or "key=value"."""
    given = _cut(given)
    try:
        value = ast.literal_eval(node)
    except ValueError:  # its text would show an address in memory
        kinds = "a number, text, True, False or None, or a tuple, list or dict of them"
        raise ValueError(f"{given} is not {kinds}") from None
    # The canonical text must be read as the same value, and be the same in every process.
    if not _is_same(value, repr(value)):
        raise ValueError(f"{given} is not finite")
    if any(isinstance(part, ast.Set) for part in ast.walk(node)):
        raise ValueError(f"{given} contains a set, which has no order")
    return value


def _is_same(value: Any, text: str) -> bool:
    try:
        return bool(ast.literal_eval(text) == value)
    except ValueError:  # inf is a name, no literal
        return False


def _shorten(spec: object) -> str:
    return _cut(repr(spec))


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
