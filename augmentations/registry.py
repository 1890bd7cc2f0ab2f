"""Which augmentations there are, and making them; torch is not imported before `make` is called.

A specification begins with a name of this registry ("crop": built in, registered, or a plug-in's),
with "kornia:Class", "torchvision:Class" or "package.module:Name"; literal arguments may follow
(`specs`).
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import warnings
from typing import TYPE_CHECKING, Any

from augmentations import plugins
from augmentations.arguments import by_name, check_accepted, hint
from augmentations.specs import canonical, parse, place_hint, slug

if TYPE_CHECKING:
    from augmentations.base import Augmentation

__all__ = [
    "PAPER_ARMS",
    "arguments_of",
    "canonical",
    "check",
    "load",
    "make",
    "names",
    "parse",
    "problem",
    "register",
    "slug",
]

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
    "crop": "augmentations.transforms.crop:RandomCrop",
    "random-conv": "augmentations.transforms.random_conv:RandomConv",
    "grayscale": "augmentations.transforms.color:Grayscale",
    "flip": "augmentations.transforms.flip:RandomFlip",
    "rotate": "augmentations.transforms.rotate:RandomRotate",
    "cutout": "augmentations.transforms.cutout:Cutout",
    "cutout-color": "augmentations.transforms.cutout:CutoutColor",
    "color-jitter": "augmentations.transforms.color:ColorJitter",
    "identity": "augmentations.transforms.identity:Identity",
    "translate": "augmentations.transforms.translate:RandomTranslate",
    "blur": "augmentations.transforms.blur:RandomBlur",
    "noise": "augmentations.transforms.noise:RandomNoise",
    "posterize": "augmentations.transforms.tone:RandomPosterize",
    "solarize": "augmentations.transforms.tone:RandomSolarize",
    "patch-shuffle": "augmentations.transforms.patch:PatchShuffle",
    "overlay": "augmentations.transforms.overlay:RandomOverlay",
    "compose": "augmentations.transforms.compose:Compose",
    "random-choice": "augmentations.transforms.compose:RandomChoice",
}

ELSEWHERE = (
    "that of another package has a name where the package is installed (pip install), any other is"
    " package.module:Name"
)
"""What a message says of a name that is unknown here."""

KORNIA = "kornia:"
_TORCHVISION = ("torchvision:", "torchvision.transforms.v2:")
_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_told: set[str] = set()
"""Problems with plug-ins that the user has been warned of."""


def names() -> tuple[str, ...]:
    """Return the names of all augmentations: the paper's eight first, in its order, plug-ins last.

    A plug-in that cannot have its name is left out with a UserWarning, once a process. The
    classes of kornia are not listed: see `kornia.augmentation`.
    """
    usable = [name for name in plugins.offered() if name not in _TABLE and not problem(name)]
    for name in plugins.offered():
        _warn(problem(name))
    return (*_TABLE, *usable)


def register(name: str, target: type[Augmentation] | str) -> None:
    """Make an augmentation known by a name of its own.

    Args:
        name: lower-case words joined by "-", e.g. "my-blur".
        target: an `Augmentation` class, or "package.module:Class" to import it when it is made.

    Raises:
        ValueError: if the name is malformed or stands for another class already, or the target
            is text of another form than "package.module:Class".
    """
    if not plugins.OWN_NAME.fullmatch(name):
        raise ValueError(
            f"the name of an augmentation is lower-case words joined by '-'; got {name!r}"
        )
    if _TABLE.get(name, target) != target:
        raise ValueError(f"the augmentation {name!r} exists already: {_TABLE[name]}")
    if isinstance(target, str) and not _PLACE.fullmatch(target):
        raise ValueError(f"{name!r} needs a class or 'package.module:Class'; got {target!r}")
    for point in plugins.offered().get(name, ()):
        if point.value != _place(target):
            other = plugins.distribution(point)
            raise ValueError(f"the augmentation {name!r} exists already: the plug-in {other}")
    _TABLE[name] = target


def make(spec: str, **kwargs: Any) -> Augmentation:
    """Make an augmentation from its specification.

    Args:
        spec: "crop", or with arguments "flip(axis='vertical')"; "kornia:Class" wraps a class of
            `kornia.augmentation`; "package.module:Name" is imported, from the working directory
            too. What is no `Augmentation` there, and all of "torchvision:Class", becomes a
            `Stateless`, which also takes `batch_wide=True`.
        kwargs: further constructor arguments.

    Raises:
        ValueError: for a malformed specification, an unknown name (the nearest one and all valid
            ones are named), a class that cannot be imported, unknown, missing or twice given
            arguments, or impossible values.
    """
    name, positional, arguments = parse(spec)
    target = _find(name)
    if _is_wrapped(name, target):
        from augmentations.stateless import wrap  # here: it imports torch

        return wrap(name, target, positional, {**arguments, **kwargs})
    arguments = by_name(name, target, positional, arguments)
    twice = sorted(arguments.keys() & kwargs.keys())
    if twice:
        raise ValueError(f"{', '.join(twice)}: given in {spec!r} and as a keyword; give it once")
    arguments |= kwargs
    if name.startswith(KORNIA):
        from augmentations.kornia_adapter import KorniaAugmentation

        return KorniaAugmentation(name.removeprefix(KORNIA), **arguments)
    cls = load(name)
    check_accepted(name, cls, arguments=arguments)
    made = cls(**arguments)
    if "_parameters" not in vars(made):  # torch's own error would come later, and mean little
        raise ValueError(
            f"the augmentation {spec!r}: {cls.__name__}.__init__ must call super().__init__()"
        )
    return made


def arguments_of(spec: str) -> dict[str, Any]:
    """Return the arguments of a specification, all by name; imports what it names.

    Raises:
        ValueError: as `make` does.
    """
    name, positional, arguments = parse(spec)
    return by_name(name, _find(name), positional, arguments) if positional else arguments


def check(spec: str) -> str:
    """Return the canonical specification, having made sure that its name exists.

    What needs torch or an import is left to `make`: the arguments, and the class behind
    "kornia:Class" and "package.module:Name".

    Raises:
        ValueError: if it is malformed or the name is unknown.
    """
    _check_name(parse(spec).name)
    return canonical(spec)


def place(name: str) -> str:
    """Return where the class behind a name is, "package.module:Class", without importing it.

    It is "" for kornia's and torchvision's, whose classes are found otherwise, and for a name that
    is unknown.
    """
    if name.startswith((KORNIA, _TORCHVISION[0])):
        return ""
    offers = plugins.offered().get(name, ())
    found = _TABLE.get(name) or next((point.value for point in offers), name)
    where = str(_place(found))
    return where if ":" in where else ""


def load(name: str) -> type[Augmentation]:
    """Return the class behind a name, or behind "package.module:Class".

    Raises:
        ValueError: if there is none, or it cannot be imported; it names the plug-in.
    """
    target = _find(name)
    if not _is_augmentation(target):
        raise ValueError(f"the augmentation {name!r} must be a subclass of Augmentation: {target}")
    found: type[Augmentation] = target
    return found


def _find(name: str) -> Any:
    """Return the object behind a name: a class, or anything that a module of the user's holds."""
    _check_name(name)
    if name.startswith(KORNIA):
        from augmentations.kornia_classes import find

        return find(name.removeprefix(KORNIA))
    if name.startswith(_TORCHVISION[0]):
        if importlib.util.find_spec("torchvision") is None:
            build = "in the build that fits torch"
            lacks = f"the augmentation {name!r}: there is no module 'torchvision'"
            raise ValueError(f"{lacks}: pip install torchvision, {build}")
        return plugins.load_place(name.replace(*_TORCHVISION), local=False)
    target: Any = _TABLE.get(name)
    if target is None:
        return plugins.load_place(name) if ":" in name else plugins.load(name)
    return plugins.load_place(target, local=False) if isinstance(target, str) else target


def _is_augmentation(target: object) -> bool:
    from augmentations.base import Augmentation  # here, because it imports torch

    return inspect.isclass(target) and issubclass(target, Augmentation)


def _is_wrapped(name: str, target: object) -> bool:
    """Whether a place was named whose object is none of ours: a function, or a class of others."""
    return ":" in name and not name.startswith(KORNIA) and not _is_augmentation(target)


def problem(name: str) -> str | None:
    """Return why no plug-in of this name is used, in one sentence; None if there is no reason."""
    if name not in plugins.offered():
        return None
    target = _TABLE.get(name)
    own = {point.value for point in plugins.offered()[name]} == {_place(target)}
    return plugins.problem(name, taken=target is not None and not own)


def _check_name(name: str) -> None:
    ignored = problem(name)
    if ignored and name not in _TABLE:
        raise ValueError(ignored)
    _warn(ignored)
    if ":" in name:
        if not _PLACE.fullmatch(name):
            forms = "kornia:Class or package.module:Class"
            raise ValueError(
                f"the augmentation {name!r} is not of the form {forms}{place_hint(name)}"
            )
    elif name not in _TABLE and name not in plugins.offered():
        near = hint(name, names()) or place_hint(name)
        raise ValueError(
            f"unknown augmentation {name!r}{near}: {ELSEWHERE}; choose from {', '.join(names())}"
        )


def _place(target: object) -> object:
    """Return a class as "package.module:Class", anything else as it is."""
    return f"{target.__module__}:{target.__qualname__}" if isinstance(target, type) else target


def _warn(sentence: str | None) -> None:
    if sentence and sentence not in _told:
        _told.add(sentence)
        warnings.warn(sentence, stacklevel=3)
