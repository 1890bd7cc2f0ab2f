"""Specifications of augmentations as text: their parts, their one spelling, their name in paths.

A specification is a name, or a name with literal arguments: "crop", "flip(axis='vertical')",
"kornia:RandomGaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))", "my_package.my_module:MyClass".
It is parsed, never evaluated. Nothing here imports torch or knows which names exist.
"""

from __future__ import annotations

import ast
import hashlib
import re
from typing import Any

# A name as it may be given: of the registry, "kornia:Class" or "package.module:Class".
_NAME = re.compile(r"[A-Za-z_][\w.:-]*", re.ASCII)
# Specifications that their slug tells apart from all others without a hash.
_ARGUMENT = r"[a-z][a-z_]*=('[a-z]+'|\d+|\d+\.\d+)"
_PLAIN = re.compile(rf"[a-z0-9-]+(\({_ARGUMENT}(, {_ARGUMENT})*\))?")
_SLUG_LENGTH = 60
_SPEC_LENGTH = 1000


def canonical(spec: str) -> str:
    """Return the one spelling of a specification: "flip( axis = 'vertical' )" without the spaces.

    Arguments are sorted by name and "crop()" is "crop". The name need not exist.

    Raises:
        ValueError: if it is malformed.
    """
    name, arguments = parse(spec)
    if not arguments:
        return name
    return f"{name}({', '.join(f'{key}={arguments[key]!r}' for key in sorted(arguments))})"


def slug(spec: str) -> str:
    """Return a specification as a part of a path: "flip(axis='vertical')" -> "flip-axis-vertical".

    It consists of a-z, 0-9, "." and "-", at most 60 of them. Where characters that tell two
    specifications apart would be lost, eight digits of a hash are appended.

    Raises:
        ValueError: if it is malformed.
    """
    spec = canonical(spec)
    words = re.sub(r"[^a-z0-9.]+", "-", spec.lower()).strip("-.")
    if _PLAIN.fullmatch(spec) and len(words) <= _SLUG_LENGTH:
        return words
    digest = hashlib.sha256(spec.encode()).hexdigest()[:8]
    return f"{words[: _SLUG_LENGTH - len(digest) - 1].rstrip('-.')}-{digest}"


def parse(spec: str) -> tuple[str, dict[str, Any]]:
    """Split a specification into its name and its arguments, which are literals.

    Raises:
        ValueError: if it is not of the form name or name(key=value, ...).
    """
    form = "a name or name(key=value, ...) with literal values, e.g. flip(axis='vertical')"
    problem = f"the augmentation {_shorten(spec)} is not {form}"
    name, bracket, rest = (part.strip() for part in spec.partition("("))
    if not _NAME.fullmatch(name) or len(spec) > _SPEC_LENGTH:
        raise ValueError(problem)
    try:
        arguments = _literals(f"_({rest}") if bracket else {}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{problem} ({error})") from None
    return name, arguments


def _literals(call: str) -> dict[str, Any]:
    """Return the keyword arguments of the source text of one call."""
    tree = ast.parse(call, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise ValueError("one pair of brackets must end it")
    if tree.args:
        raise ValueError("an argument has no name")
    arguments: dict[str, Any] = {}
    for keyword in tree.keywords:
        if keyword.arg is None:
            raise ValueError("an argument has no name")
        if keyword.arg in arguments:
            raise ValueError(f"{keyword.arg} is given twice")
        # The canonical text must be read as the same value, and be the same in every process.
        value = ast.literal_eval(keyword.value)
        if ast.literal_eval(repr(value)) != value:
            raise ValueError(f"{keyword.arg} is not finite")
        if any(isinstance(node, ast.Set) for node in ast.walk(keyword.value)):
            raise ValueError(f"{keyword.arg} contains a set, which has no order")
        arguments[keyword.arg] = value
    return arguments


def _shorten(spec: object) -> str:
    text = repr(spec)
    return text if len(text) <= 80 else f"{text[:77]}..."
