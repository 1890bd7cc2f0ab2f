"""Which augmentations there are, and making them; torch is not imported before `make` is called.

A specification begins with a name of this registry ("crop": built in, registered, or a plug-in's),
with "kornia:Class", or with "package.module:Class"; literal arguments may follow (`specs`).
"""

from __future__ import annotations

import inspect
import re
import warnings
from typing import TYPE_CHECKING, Any

from augmentations import plugins
from augmentations.arguments import unknown
from augmentations.specs import canonical, parse, slug

if TYPE_CHECKING:
    from augmentations.base import Augmentation

__all__ = [
    "PAPER_ARMS",
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

KORNIA = "kornia:"
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
            `kornia.augmentation`; "package.module:Class" is imported, from the working
            directory too.
        kwargs: further constructor arguments.

    Raises:
        ValueError: for a malformed specification, an unknown name (the nearest one and all valid
            ones are named), a class that cannot be imported, unknown, missing or twice given
            arguments, or impossible values.
    """
    name, arguments = parse(spec)
    _check_name(name)
    twice = sorted(arguments.keys() & kwargs.keys())
    if twice:
        raise ValueError(f"{', '.join(twice)}: given in {spec!r} and as a keyword; give it once")
    arguments |= kwargs
    if name.startswith(KORNIA):
        from augmentations.kornia_adapter import KorniaAugmentation  # here: it imports torch

        return KorniaAugmentation(name.removeprefix(KORNIA), **arguments)
    cls = load(name)
    _check_arguments(name, cls, arguments)
    made = cls(**arguments)
    if "_parameters" not in vars(made):  # torch's own error would come later, and mean little
        raise ValueError(
            f"the augmentation {spec!r}: {cls.__name__}.__init__ must call super().__init__()"
        )
    return made


def check(spec: str) -> str:
    """Return the canonical specification, having made sure that its name exists.

    What needs torch or an import is left to `make`: the arguments, and the class behind
    "kornia:Class" and "package.module:Class".

    Raises:
        ValueError: if it is malformed or the name is unknown.
    """
    name, _ = parse(spec)
    _check_name(name)
    return canonical(spec)


def load(name: str) -> type[Augmentation]:
    """Return the class behind a name, or behind "package.module:Class".

    Raises:
        ValueError: if there is none, or it cannot be imported; it names the plug-in.
    """
    _check_name(name)
    target: Any = _TABLE.get(name)
    if target is None:
        target = plugins.load_place(name) if ":" in name else plugins.load(name)
    elif isinstance(target, str):
        target = plugins.load_place(target, local=False)
    from augmentations.base import Augmentation  # here, because it imports torch

    if not (inspect.isclass(target) and issubclass(target, Augmentation)):
        raise ValueError(f"the augmentation {name!r} must be a subclass of Augmentation: {target}")
    return target


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
            raise ValueError(f"the augmentation {name!r} is not of the form {forms}")
    elif name not in _TABLE and name not in plugins.offered():
        raise ValueError(unknown("augmentation", name, names()))


def _place(target: object) -> object:
    """Return a class as "package.module:Class", anything else as it is."""
    return f"{target.__module__}:{target.__qualname__}" if isinstance(target, type) else target


def _warn(sentence: str | None) -> None:
    if sentence and sentence not in _told:
        _told.add(sentence)
        warnings.warn(sentence, stacklevel=3)


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
