"""Methods of other packages: entry points whose object is a `Method`, or a function that makes one.

    [project.entry-points."procgen_drac.methods"]
    my-method = "my_package.method:METHOD"

Which options and augmentations a method has is in its `Method`, so that all of them are imported
when a method is first looked up, unlike augmentations. A module that only holds the `Method`, with
everything else named as "package.module:Name", costs next to nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

from augmentations import plugins
from drac.methods.method import Method

KIND = plugins.Kind("procgen_drac.methods", "method")

_problems: dict[str, str] | None = None
"""Why a plug-in is ignored, by its name; None before they were looked for."""


def load(methods: Mapping[str, Method], register: Callable[[Method], None]) -> None:
    """Register the methods of all plug-ins, once a process.

    Args:
        methods: those there are already, by name.
        register: adds one.

    One that cannot be used is left out with a UserWarning; whoever asks for it is told why.
    """
    global _problems
    if _problems is not None:
        return
    _problems = {}  # now already: a plug-in's module may look methods up itself
    for name in plugins.offered(KIND):
        if sentence := _problem(name, methods, register):
            _problems[name] = sentence
            warnings.warn(sentence, stacklevel=2)


def problems() -> Mapping[str, str]:
    """Return why plug-ins are ignored, in a sentence for each name, once they were loaded."""
    return _problems or {}


def _problem(name: str, methods: Mapping[str, Method], register: Callable[[Method], None]) -> str:
    """Register what the plug-in of this name offers; return why that is not possible, or ""."""
    try:
        method = plugins.usable(name, KIND, Method, taken=name in methods)
        if method.name != name:
            (package,) = plugins.providers(name, KIND)
            start = f"the method {name!r} of the plug-in {package} cannot be used"
            raise ValueError(f"{start}: its Method is called {method.name!r}")
        register(method)
    except ValueError as error:
        return str(error)
    return ""
