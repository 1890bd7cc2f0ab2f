"""What augmentations there are: what each does, its options, and where it comes from."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import augmentations
from augmentations import Augmentation, plugins, registry
from drac.arms import build
from drac.errors import ConfigError

BUILT_IN = "built-in"


@dataclass(frozen=True)
class Entry:
    """One registered augmentation.

    Attributes:
        name: as in specifications.
        source: "built-in", a plug-in's distribution and version, or a module of yours.
        summary: the first line of the class's docstring.
        options: the constructor's arguments as they are written in a specification, with
            their defaults; "..." stands for a value that must be given.
        error: why it cannot be used; "" if it can.
    """

    name: str
    source: str
    summary: str = ""
    options: str = ""
    error: str = ""

    @property
    def spec(self) -> str:
        """The name with all options, as a specification."""
        return f"{self.name}({self.options})" if self.options else self.name


def entries() -> list[Entry]:
    """Describe every augmentation; what cannot be used comes with the reason."""
    with warnings.catch_warnings():
        # Plug-ins that cannot have the name they want: the list says so itself.
        warnings.simplefilter("ignore", UserWarning)
        usable = [_entry(name) for name in augmentations.names()]
    ignored = [
        Entry(name, _source(name), error=problem)
        for name in plugins.offered()
        if (problem := registry.problem(name))
    ]
    return [*usable, *ignored]


def _entry(name: str) -> Entry:
    try:
        cls = registry.load(name)
    except ValueError as error:  # the others work nevertheless
        return Entry(name, _source(name), error=str(error))
    return Entry(name, _source(name, cls), _summary(cls), _options(cls))


def _source(name: str, cls: type[Augmentation] | None = None) -> str:
    if cls and cls.__module__.split(".")[0] == "augmentations":
        return BUILT_IN
    return ", ".join(plugins.providers(name)) or (cls.__module__ if cls else "registered")


def _summary(cls: type[Augmentation]) -> str:
    own = cls.__dict__.get("__doc__") or ""  # not the docstring of Augmentation itself
    return own.strip().partition("\n")[0]


def _options(cls: type[Augmentation]) -> str:
    words = []
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        required = parameter.default is parameter.empty
        words.append(f"{parameter.name}={'...' if required else repr(parameter.default)}")
    return ", ".join(words)


def make(specs: Sequence[str]) -> dict[str, Augmentation]:
    """Make augmentations from their specifications; without any, all that need no options.

    Returns:
        canonical specification -> augmentation, in the order given.

    Raises:
        ConfigError: if one cannot be made, or is given twice.
    """
    if not specs:
        return _makeable()
    made: dict[str, Augmentation] = {}
    for spec in specs:
        augmentation = build.make(spec)
        name = augmentations.canonical(spec)
        if name in made:
            raise ConfigError(f"the augmentation {name} is given twice")
        made[name] = augmentation
    return made


def _makeable() -> dict[str, Augmentation]:
    made: dict[str, Augmentation] = {}
    for entry in entries():
        if entry.error or "=..." in entry.options:
            continue
        with contextlib.suppress(ConfigError):  # a plug-in that refuses its own defaults
            made[entry.name] = build.make(entry.name)
    return made
