"""Checks of what users pass in: one clear sentence with what was given and what is allowed."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any


def unknown(kind: str, given: str, valid: Iterable[str]) -> str:
    """One sentence for a name that does not exist: what was given, the nearest, the valid ones."""
    options = list(valid)
    choices = f"choose from {', '.join(options)}" if options else "there are none to choose from"
    return f"unknown {kind} {given!r}{hint(given, options)}; {choices}"


def hint(given: str, valid: Iterable[str]) -> str:
    """Return " (did you mean 'crop'?)" for the nearest name, whatever its case; "" if none is."""
    by_lower = {name.lower(): name for name in valid}
    near = difflib.get_close_matches(given.lower(), by_lower, n=3)
    alike = (by_lower[name] for name in near if _alike(given.lower(), name))
    return f" (did you mean {name!r}?)" if (name := next(alike, None)) else ""


def _alike(given: str, name: str) -> bool:
    """Whether two close names are so word by word: one that is the same makes a long name close."""
    words, others = (re.split(r"[\W_]", text) for text in (given, name))
    if len(words) == len(others):
        pairs = zip(words, others, strict=True)
        return all(difflib.get_close_matches(word, [other]) for word, other in pairs)
    return name.startswith(given) or bool(difflib.get_close_matches(given, [name], cutoff=0.75))


def by_name(
    name: str, target: Callable[..., Any], positional: Sequence[Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all arguments by the names that the target's signature has for them.

    Raises:
        ValueError: if there are too many without a name, or one is given twice.
    """
    if not positional:
        return {**arguments}
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in inspect.signature(target).parameters.values() if p.kind in kinds]
    if len(positional) > len(named):
        most = f"at most {len(named)} arguments without their names"
        raise ValueError(f"the augmentation {name!r} takes {most}; got {len(positional)}")
    first = dict(zip(named, positional, strict=False))
    if twice := sorted(first.keys() & arguments.keys()):
        raise ValueError(f"the augmentation {name!r}: {', '.join(twice)} is given twice")
    return {**first, **arguments}


def check_accepted(
    name: str,
    target: Callable[..., Any],
    positional: Sequence[Any] = (),
    arguments: Mapping[str, Any] | None = None,
) -> None:
    """Raise a ValueError unless the signature of a class or function takes the arguments.

    Builtins may have no signature; they are left to refuse what they do not take themselves.
    """
    arguments = arguments or {}
    try:
        signature = inspect.signature(target)
    except ValueError:
        return
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        for key in arguments:
            if key not in signature.parameters:
                raise ValueError(unknown(f"argument of {name}", key, signature.parameters))
    try:
        signature.bind(*positional, **arguments)
    except TypeError as error:
        raise ValueError(f"the augmentation {name!r}: {error}") from None


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of the allowed words."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}")


def check_integer(name: str, value: Any, low: int) -> None:
    """Raise a ValueError unless `value` is an integer of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low}; got {value!r}")


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raise a ValueError unless `value` is a real number in [low, high] (NaN is not)."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise ValueError(f"{name} must be a number in [{low}, {high}]; got {value!r}")


def check_range(name: str, low: Any, high: Any, most: float) -> None:
    """Raise a ValueError unless 0 <= low <= high <= most: the arguments min_`name`, max_`name`."""
    check_number(f"min_{name}", low, 0.0, most)
    check_number(f"max_{name}", high, low, most)
