"""Names and specifications of augmentations; nothing here imports torch before `make` is called.

A specification is a name, or a name with literal arguments: "crop", "flip(axis='vertical')". It
is parsed, never evaluated.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

from augmentations.arguments import unknown

if TYPE_CHECKING:
    from augmentations.base import Augmentation

# The paper's eight, in the order of its bandit: with equal scores, the first arm is selected.
PAPER_ARMS = (
    "crop",
    "random-conv",
    "grayscale",
    "flip",
    "rotate",
    "cutout",
    "cutout-color",
    "color-jitter",
)

_TABLE: dict[str, type[Augmentation] | str] = {
    "crop": "augmentations.crop:RandomCrop",
    "random-conv": "augmentations.random_conv:RandomConv",
    "grayscale": "augmentations.color:Grayscale",
    "flip": "augmentations.flip:RandomFlip",
    "rotate": "augmentations.rotate:RandomRotate",
    "cutout": "augmentations.cutout:Cutout",
    "cutout-color": "augmentations.cutout:CutoutColor",
    "color-jitter": "augmentations.color:ColorJitter",
    "identity": "augmentations.identity:Identity",
}

# A name as it may be given ("kornia:Class" comes to mind), one that may be registered, and where
# its class is.
_NAME = re.compile(r"[A-Za-z_][\w.:-]*", re.ASCII)
_OWN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IMPORT = re.compile(r"[\w.]+:\w+", re.ASCII)
# Specifications that their slug tells apart from all others without a hash.
_ARGUMENT = r"[a-z][a-z_]*=('[a-z]+'|\d+|\d+\.\d+)"
_PLAIN = re.compile(rf"[a-z0-9-]+(\({_ARGUMENT}(, {_ARGUMENT})*\))?")
_SLUG_LENGTH = 60
_SPEC_LENGTH = 1000


def names() -> tuple[str, ...]:
    """Return the names of all augmentations: the paper's eight first, in its order."""
    return tuple(_TABLE)


def register(name: str, target: type[Augmentation] | str) -> None:
    """Make an augmentation known by a name of its own.

    Args:
        name: lower-case words joined by "-", e.g. "my-blur".
        target: an `Augmentation` class, or "package.module:Class" to import it when it is made.

    Raises:
        ValueError: if the name is malformed or stands for another class already, or the target
            is text of another form than "package.module:Class".
    """
    if not _OWN_NAME.fullmatch(name):
        raise ValueError(
            f"the name of an augmentation is lower-case words joined by '-'; got {name!r}"
        )
    if _TABLE.get(name, target) != target:
        raise ValueError(f"the augmentation {name!r} exists already: {_TABLE[name]}")
    if isinstance(target, str) and not _IMPORT.fullmatch(target):
        raise ValueError(f"{name!r} needs a class or 'package.module:Class'; got {target!r}")
    _TABLE[name] = target


def make(spec: str, **kwargs: Any) -> Augmentation:
    """Make an augmentation from its specification.

    Args:
        spec: "crop", or with arguments "flip(axis='vertical')".
        kwargs: further constructor arguments.

    Raises:
        ValueError: for a malformed specification, an unknown name (the nearest one and all valid
            ones are named), unknown, missing or twice given arguments, or impossible values.
    """
    name, arguments = parse(spec)
    _check_name(name)
    twice = sorted(arguments.keys() & kwargs.keys())
    if twice:
        raise ValueError(f"{', '.join(twice)}: given in {spec!r} and as a keyword; give it once")
    arguments |= kwargs
    cls = _load(name)
    _check_arguments(name, cls, arguments)
    return cls(**arguments)


def check(spec: str) -> str:
    """Return the canonical specification, having made sure that its name exists.

    Arguments are checked by `make`, which knows the class: this function does without torch.

    Raises:
        ValueError: if it is malformed or the name is unknown.
    """
    name, _ = parse(spec)
    _check_name(name)
    return canonical(spec)


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


def _check_name(name: str) -> None:
    if name not in _TABLE:
        raise ValueError(unknown("augmentation", name, names()))


def _load(name: str) -> type[Augmentation]:
    """Return the class behind a registered name."""
    target = _TABLE[name]
    if isinstance(target, str):
        module, _, attribute = target.partition(":")
        target = getattr(importlib.import_module(module), attribute)
    from augmentations.base import Augmentation  # here, because it imports torch

    if not (inspect.isclass(target) and issubclass(target, Augmentation)):
        raise ValueError(f"the augmentation {name!r} must be a subclass of Augmentation: {target}")
    return target


def _check_arguments(name: str, cls: type[Augmentation], arguments: dict[str, Any]) -> None:
    signature = inspect.signature(cls)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        for key in arguments:
            if key not in signature.parameters:
                allowed = signature.parameters
                raise ValueError(unknown(f"argument of {name}", key, allowed))
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ValueError(f"the augmentation {name!r}: {error}") from None


def _shorten(spec: object) -> str:
    text = repr(spec)
    return text if len(text) <= 80 else f"{text[:77]}..."
