"""The two spellings of a method, "drac-crop" and "drac" with "crop", brought into one.

Nothing here imports torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from augmentations import registry as augmentation_registry
from augmentations.specs import short, slug
from drac import methods


def shown(method_ids: Iterable[str]) -> dict[str, str]:
    """Return what methods are called where people read of them together, by identifier.

    It is the identifier without the digits of a hash, where no other of them, and no method that
    is here, is called so: "drac-vignette" of "drac-vignette-4b1ec91e".
    """
    ids = {*method_ids}
    counts = Counter(map(short, ids))
    return {one: short(one) if counts[short(one)] == 1 and _is_free(one) else one for one in ids}


def _is_free(method_id: str) -> bool:
    return short(method_id) == method_id or short(method_id) not in methods.method_ids()


def name(method_id: str) -> str:
    """Return what a method is called where it is alone: see `shown`."""
    return shown((method_id,))[method_id]


def arms(specs: Iterable[str]) -> dict[str, str]:
    """Return what augmentations are called in tables and legends, by specification: see `shown`.

    "vignette-strength-0.9" of "mylab.vignette:Vignette(strength=0.9)"; of what is no specification
    (a file may hold anything) what is given.
    """
    ids = {spec: _as_method(spec) for spec in specs}
    called = shown(ids.values())
    return {spec: called[made].removeprefix("drac-") for spec, made in ids.items()}


def _as_method(spec: str) -> str:
    try:
        return f"drac-{slug(spec)}"
    except ValueError:
        return spec


def resolve(
    method_id: str, augmentation: str | None, recorded: bool = False
) -> tuple[str, str | None]:
    """Bring the two spellings of a method into one.

    Args:
        method_id: "ppo", "ucb-drac", "drac" or "drac-<augmentation>", whatever specification that
            is: "drac-mine:Invert", "drac-flip(axis='vertical')".
        augmentation: a specification such as "crop" or "flip(axis='vertical')", or None.
        recorded: both are those of a run that was begun; what they name may be gone since.

    Returns:
        The identifier with the augmentation's slug ("drac-flip-axis-vertical") and the canonical
        specification; the latter is None where a method has no fixed augmentation, and where the
        best one has still to be looked up (`drac.methods.best_augmentations`).

    Raises:
        ValueError: for an unknown method or augmentation, a family without an augmentation, or
            an augmentation given to a method that has none or another one.
    """
    method_id = methods.ALIASES.get(method_id, method_id)
    method = methods.get(method_id)
    check = augmentation_registry.canonical if recorded else augmentation_registry.check
    if method.augmentations == "best":
        return method_id, None if augmentation is None else check(augmentation)
    if not method.is_family:
        if augmentation is not None:
            raise ValueError(
                f"method {method_id!r} takes no --augmentation (given: {augmentation!r});"
                f" use --method drac, or --arms to choose what a bandit selects from"
            )
        return method_id, None
    suffix = method_id[len(method.name) + 1 :]
    if not {":", "("}.isdisjoint(suffix):  # a specification, not a name or a slug
        augmentation, suffix = augmentation or suffix, augmentation_registry.slug(check(suffix))
    if augmentation is None:
        if not suffix:
            raise ValueError(
                f"method {method_id!r} needs an augmentation: --method {method_id}-crop, or"
                f" --method {method_id} --augmentation crop; there are"
                f" {', '.join(augmentation_registry.names())}"
            )
        if not recorded and suffix not in augmentation_registry.names():
            ignored = augmentation_registry.problem(suffix)
            raise ValueError(ignored or methods.unknown(method_id))
        augmentation = suffix
    spec = check(augmentation)
    slug = augmentation_registry.slug(spec)
    if suffix not in ("", slug):
        raise ValueError(
            f"method {method_id!r} and augmentation {augmentation!r} contradict each other;"
            f" give one of them, or --method {method.name} --augmentation {augmentation}"
        )
    if methods.find(f"{method.name}-{slug}") is not method:
        raise ValueError(
            f"method {method.name!r} with the augmentation {augmentation!r} would be called"
            f" {method.name}-{slug}, but that is another method;"
            f" the augmentation needs another name"
        )
    return f"{method.name}-{slug}", spec
