"""What comes from outside: other packages' entry points, and modules named by the user.

A package offers an augmentation with an entry point, whose object is an `Augmentation` class:

    [project.entry-points."procgen_drac.augmentations"]
    my-blur = "my_package.blur:MyBlur"

Their names are read from the installed packages' metadata; a plug-in is imported when it is made.
There may be groups of entry points for other things than augmentations: see `Kind`.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from augmentations.arguments import hint
from augmentations.errors import told

Offered = TypeVar("Offered")
Result = TypeVar("Result")

GROUP = "procgen_drac.augmentations"
OWN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""A name under which an augmentation may be registered."""


class PluginError(ValueError):
    """What a plug-in was asked to do failed. The message is one sentence that names it."""


@dataclass(frozen=True)
class Kind:
    """What the entry points of a group offer; `noun` names it in messages."""

    group: str
    noun: str

    def __str__(self) -> str:
        """Return the noun with its article."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"


AUGMENTATIONS = Kind(GROUP, "augmentation")


@functools.cache
def offered(kind: Kind = AUGMENTATIONS) -> dict[str, tuple[metadata.EntryPoint, ...]]:
    """Return the plug-ins by name, in the order of the alphabet; several may want the same name.

    The metadata are read once a process. Nothing is imported.
    """
    found: dict[str, dict[tuple[str, str], metadata.EntryPoint]] = {}
    for point in metadata.entry_points(group=kind.group):
        # A package may be found twice, such as installed and in the working directory.
        found.setdefault(point.name, {}).setdefault((distribution(point), point.value), point)
    return {name: tuple(found[name].values()) for name in sorted(found)}


def distribution(point: metadata.EntryPoint) -> str:
    """Return the name and the version of the package that offers a plug-in."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else f"of {point.value}"


def providers(name: str, kind: Kind = AUGMENTATIONS) -> tuple[str, ...]:
    """Return the name and version of every package that offers a plug-in of this name."""
    return tuple(distribution(point) for point in offered(kind).get(name, ()))


def problem(name: str, taken: bool = False, kind: Kind = AUGMENTATIONS) -> str | None:
    """Return why no plug-in can be used under this name, in one sentence; None if one can.

    Args:
        name: one that `offered` lists.
        taken: whether another one has the name already, and keeps it.
        kind: of plug-in.
    """
    packages = " and ".join(providers(name, kind))
    if not OWN_NAME.fullmatch(name):
        return (
            f"the plug-in {packages} names {kind} {name!r}; a name is lower-case words"
            f" joined by '-', so it is ignored"
        )
    if taken:
        return (
            f"the plug-in {packages} names {kind} {name!r}, but that name is taken:"
            f" {name!r} stays what it was and the plug-in's is ignored"
        )
    if len(providers(name, kind)) > 1:
        return (
            f"the {kind.noun} {name!r} is offered by several plug-ins, {packages}: none is used;"
            f" uninstall all but one"
        )
    return None


def load(name: str, kind: Kind = AUGMENTATIONS) -> Any:
    """Import what the plug-in of this name offers.

    Raises:
        ValueError: if that fails; it names the plug-in and its error.
    """
    (point,) = offered(kind)[name]
    try:
        return point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in's module may raise anything; others work
        raise ValueError(
            f"the {kind.noun} {name!r} cannot be used, as the plug-in {distribution(point)} could"
            f" not be imported: {told(error)}"
        ) from error


def usable(name: str, kind: Kind, wanted: type[Offered], taken: bool = False) -> Offered:
    """Import the plug-in of this name and return its object, of a class that the kind asks for.

    Args:
        name: one that `offered` lists.
        kind: of plug-in.
        wanted: the class of its object; a function without arguments may make one.
        taken: see `problem`.

    Raises:
        ValueError: in one sentence that names the plug-in.
    """
    if sentence := problem(name, taken, kind):
        raise ValueError(sentence)
    found = load(name, kind)
    (package,) = providers(name, kind)
    start = f"the {kind.noun} {name!r} of the plug-in {package} cannot be used"
    if callable(found) and not isinstance(found, wanted):
        try:
            found = found()
        except (Exception, SystemExit) as error:  # a user's function may raise anything
            raise ValueError(f"{start}: its function raised {told(error)}") from error
    if not isinstance(found, wanted):
        raise ValueError(f"{start}: it is no {wanted.__name__} but {type(found).__name__}")
    return found


def united(own: Mapping[str, Offered], kind: Kind, wanted: type[Offered]) -> dict[str, Offered]:
    """Return objects of ours and those of all plug-ins of a kind, by name.

    One that cannot be used is left out with a UserWarning.
    """

    def found(name: str) -> list[Offered]:
        try:
            return [usable(name, kind, wanted, taken=name in own)]
        except ValueError as error:
            warnings.warn(str(error), stacklevel=3)
            return []

    return {**own, **{name: one for name in offered(kind) for one in found(name)}}


def called(kind: Kind, name: str, function: Callable[[], Result]) -> Result:
    """Call what a plug-in offers; ours may raise as they like.

    Raises:
        PluginError: in one sentence that names the plug-in, for whatever it raises.
    """
    packages = providers(name, kind)
    if not packages:
        return function()
    try:
        return function()
    except Exception as error:
        raise PluginError(
            f"the {kind.noun} {name!r} of the plug-in {packages[0]} failed: {told(error)}"
        ) from error


def load_place(place: str, local: bool = True) -> Any:
    """Import "package.module:Class".

    Args:
        place: where the class is.
        local: look in the working directory too. As with `python -m` it comes first while the
            module is imported, wherever it stands; one that was not on the path stays there, but
            last. Only for a place that the user wrote.

    Raises:
        ValueError: if there is no such module or class, or the import fails.
    """
    name, _, attribute = place.partition(":")
    here = str(Path.cwd())
    known = not {"", here}.isdisjoint(sys.path)
    if local:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's module may raise anything
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{name}.".startswith(f"{missing}."):
            where = f", neither installed nor in {here}" if local else ""
            raise ValueError(
                f"the augmentation {place!r}: there is no module {name!r}{where}"
            ) from None
        raise ValueError(
            f"the augmentation {place!r}: the module {name!r} could not be imported: {told(error)}"
        ) from error
    finally:
        if local:
            sys.path.remove(here)
            sys.path += [] if known else [here]
    if not hasattr(module, attribute):
        own = [key for key, value in vars(module).items() if _defined_in(name, value)]
        where = getattr(module, "__file__", None) or name
        raise ValueError(
            f"the augmentation {place!r}: {where} has no {attribute!r}{hint(attribute, own)}; it"
            f" has {', '.join(own) or 'neither a class nor a function'}"
        )
    return getattr(module, attribute)


def _defined_in(module: str, value: object) -> bool:
    """Whether a class, or a function, is of a module or of one inside it."""
    of = getattr(value, "__module__", None) or ""
    return isinstance(value, type | FunctionType) and f"{of}.".startswith(f"{module}.")
