"""The methods that can be trained: data here, objects in `drac.train`, no branch in the loop.

A run's method is one identifier, which is also its folder and its row in the tables:
"ppo", "drac-crop", "ucb-drac". A family such as "drac" takes an augmentation, so that
`--method drac --augmentation crop` and `--method drac-crop` are the same run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from augmentations import registry as augmentation_registry
from augmentations.arguments import unknown

_RAILEANU = "Raileanu et al. 2021, Automatic Data Augmentation for Generalization in Deep RL"


@dataclass(frozen=True)
class Method:
    """What a method is made of.

    Attributes:
        name: the identifier, or the prefix of a family ("drac" of "drac-crop").
        summary: one line for `--help` and the tables.
        source: where it was published.
        regularized: whether DrAC's two consistency terms are added to PPO's loss.
        selector: who chooses the augmentation of each update.
    """

    name: str
    summary: str
    source: str
    regularized: bool
    selector: Literal["none", "fixed", "sliding-window-ucb"]

    @property
    def is_family(self) -> bool:
        """Whether the method is completed by the name of an augmentation."""
        return self.selector == "fixed"


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="ppo",
            summary="PPO without augmentation",
            source="Schulman et al. 2017; Procgen settings of Cobbe et al. 2020",
            regularized=False,
            selector="none",
        ),
        Method(
            name="drac",
            summary="PPO regularized by one fixed augmentation (drac-crop, drac-flip, ...)",
            source=_RAILEANU,
            regularized=True,
            selector="fixed",
        ),
        Method(
            name="ucb-drac",
            summary="PPO regularized by the augmentation that a UCB bandit chooses each update",
            source=_RAILEANU,
            regularized=True,
            selector="sliding-window-ucb",
        ),
    )
}


def method_ids() -> tuple[str, ...]:
    """Every identifier that needs no further option: families are listed once an augmentation."""
    ids: list[str] = []
    for method in METHODS.values():
        if method.is_family:
            ids += [f"{method.name}-{name}" for name in augmentation_registry.names()]
        else:
            ids.append(method.name)
    return tuple(ids)


def family(method_id: str) -> Method:
    """Return the `Method` behind an identifier: "drac-crop" -> METHODS["drac"].

    Raises:
        ValueError: if no method fits; the message names the nearest.
    """
    if method_id in METHODS:
        return METHODS[method_id]
    for method in METHODS.values():
        prefix = f"{method.name}-"
        if method.is_family and method_id.startswith(prefix) and method_id != prefix:
            return method
    raise ValueError(unknown("method", method_id, method_ids()))


def resolve(
    method_id: str, augmentation: str | None, recorded: bool = False
) -> tuple[str, str | None]:
    """Bring the two spellings of a method into one.

    Args:
        method_id: "ppo", "ucb-drac", "drac" or "drac-<augmentation>".
        augmentation: a specification such as "crop" or "flip(axis='vertical')", or None.
        recorded: both are those of a run that was begun; what they name may be gone since.

    Returns:
        The identifier with the augmentation's slug ("drac-flip-axis-vertical") and the canonical
        specification; the latter is None where a method has no fixed augmentation.

    Raises:
        ValueError: for an unknown method or augmentation, a family without an augmentation, or
            an augmentation given to a method that has none or another one.
    """
    method = family(method_id)
    if not method.is_family:
        if augmentation is not None:
            raise ValueError(
                f"method {method_id!r} takes no --augmentation (given: {augmentation!r});"
                f" use --method drac, or --arms to choose what a bandit selects from"
            )
        return method_id, None
    suffix = method_id[len(method.name) + 1 :]
    if augmentation is None:
        if not suffix:
            raise ValueError(
                f"method {method_id!r} needs an augmentation: --method {method_id}-crop, or"
                f" --method {method_id} --augmentation crop; there are"
                f" {', '.join(augmentation_registry.names())}"
            )
        if not recorded and suffix not in augmentation_registry.names():
            ignored = augmentation_registry.problem(suffix)
            raise ValueError(ignored or unknown("method", method_id, method_ids()))
        augmentation = suffix
    check = augmentation_registry.canonical if recorded else augmentation_registry.check
    spec = check(augmentation)
    slug = augmentation_registry.slug(spec)
    if suffix not in ("", slug):
        raise ValueError(
            f"method {method_id!r} and augmentation {augmentation!r} contradict each other;"
            f" give one of them, or --method {method.name} --augmentation {augmentation}"
        )
    return f"{method.name}-{slug}", spec
