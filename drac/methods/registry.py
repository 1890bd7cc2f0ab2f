"""The methods that can be trained, by name; `drac.train.state` makes objects from them.

A run's method is one identifier, which is also its folder and its row in the tables:
"ppo", "drac-crop", "ucb-drac". A family such as "drac" takes an augmentation, so that
`--method drac --augmentation crop` and `--method drac-crop` are the same run:
`drac.methods.spellings`.

Those of the papers are listed in `drac.methods.published`. A method of one's own is one more
`Method`, given to `register` or offered by an entry point (`drac.methods.plugins`,
docs/methods.md); what it is made of may lie in any package, as "package.module:Name". Nothing here
imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from augmentations import registry as augmentation_registry
from augmentations.arguments import hint
from augmentations.specs import as_place, place_hint
from drac.methods import plugins as method_plugins
from drac.methods import published
from drac.methods.method import Method

METHODS: dict[str, Method] = {}
"""Methods by name; see `register`. `known` has those of plug-ins too."""

ALIASES = {"crop-drac": "drac-crop"}
"""Other spellings of identifiers: what the paper calls them."""


def register(method: Method) -> None:
    """Add a method, which from then on can be trained, swept and tabulated by its name.

    Raises:
        ValueError: if there is one of that name, or the name is no plain word.
    """
    if method.name in METHODS:
        raise ValueError(f"there is a method {method.name!r} already")
    if not method.name or not all(c.isalnum() or c in "-+_" for c in method.name):
        raise ValueError(f"a method's name is made of letters, digits, - + and _: {method.name!r}")
    METHODS[method.name] = method


for _method in published.ALL:
    register(_method)


def known() -> Mapping[str, Method]:
    """Return all methods by name, with those of plug-ins, which are imported on the first call."""
    method_plugins.load(METHODS, register)
    return METHODS


def problems() -> Mapping[str, str]:
    """Return why plug-ins are ignored, in a sentence for each name."""
    known()
    return method_plugins.problems()


def options() -> frozenset[str]:
    """Return every field of the config that only some methods have."""
    return frozenset(name for method in known().values() for name in method.options)


def options_of_others(method_id: str) -> frozenset[str]:
    """Return the fields of the config that a method does not look at, and some other does."""
    method = get(method_id)
    return (options() - {*method.options}) | {*method.ignores}


def with_option(option: str) -> tuple[str, ...]:
    """Return the names of the methods that have an option; families as "drac-...".

    Empty for one that all have but those which ignore it.
    """
    return tuple(
        f"{method.name}-..." if method.is_family else method.name
        for method in known().values()
        if option in method.options
    )


def method_ids() -> tuple[str, ...]:
    """Every identifier that needs no further option: families are listed once an augmentation."""
    ids: list[str] = []
    for method in known().values():
        if method.is_family:
            ids += [f"{method.name}-{name}" for name in augmentation_registry.names()]
        else:
            ids.append(method.name)
    return tuple(ids)


def get(method_id: str) -> Method:
    """Return the `Method` behind an identifier: "drac-crop" -> METHODS["drac"].

    Raises:
        ValueError: if no method fits; the message names the nearest.
    """
    method_id = ALIASES.get(method_id, method_id)
    if method_id in known():
        return METHODS[method_id]
    families = [
        method
        for method in METHODS.values()
        if method.is_family
        and method_id.startswith(f"{method.name}-")
        and method_id != f"{method.name}-"
    ]
    if not families:
        raise ValueError(unknown(method_id))
    return max(families, key=lambda method: len(method.name))  # rad-rollout-crop is no rad-...


def find(method_id: str) -> Method | None:
    """Return `get`, or None for a name that is no method here: of a plug-in that is gone."""
    try:
        return get(method_id)
    except ValueError:
        return None


def _with_family(spec: str) -> str:
    """Return " (did you mean 'drac-package.module:Name'?)" for an augmentation alone, else ""."""
    name, bracket, rest = spec.partition("(")
    place = name if name in augmentation_registry.names() else as_place(name)
    return f" (did you mean {f'drac-{place}{bracket}{rest}'!r}?)" if place else ""


def unknown(method_id: str) -> str:
    """One sentence: the nearest of all identifiers, and what there is, or what a family lacks."""
    names = [method.title for method in known().values()]
    if method_id in problems():
        return problems()[method_id]
    near = hint(method_id, method_ids()) or _with_family(method_id)
    said = f"unknown method {method_id!r}{near}"
    for method in METHODS.values():
        augmentation = method_id.removeprefix(f"{method.name}-")
        if method.is_family and augmentation not in ("", method_id):
            place = place_hint(augmentation)
            lacks = f"there is no augmentation {augmentation!r} here{place}"
            return f"{said}: {lacks}; {augmentation_registry.ELSEWHERE}"
    return f"{said}; choose from {', '.join(names)}"
