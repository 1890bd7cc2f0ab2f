"""What a method is: data that names the objects it is made of. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Literal, get_args

from drac.errors import ConfigError

Part = Literal["objective", "learned", "selector", "network", "learner", "levels", "view"]
"""The attributes of a `Method` that name an object."""


@dataclass(frozen=True)
class Method:
    """What a method is made of. Objects are named as "package.module:Name".

    Attributes:
        name: the identifier, or the prefix of a family ("drac" of "drac-crop").
        summary: one line for `--method help` and the tables.
        source: where it was published.
        paper: address of the source; "" if it cannot be read anywhere.
        objective: what a gradient step minimizes: made from the config, a
            `drac.objectives.objective.Objective`.
        augmentations: which ones it uses: none; one, fixed by the method's name; one that was found
            to be the game's best (`drac.methods.best_augmentations`); those among which its
            selector chooses; or one that the method learns.
        learned: the augmentation of a method that learns it: a function of the config.
        selector: who chooses the augmentation of each update: a function of config and arms.
        network: a function of config, number of actions, shape of observations and generator.
        learner: who takes the gradient steps; constructed as `drac.learner.Learner` is.
        levels: who chooses the training levels: made from the config, a `drac.envs.levels.Levels`.
        view: what the agent sees of frames while it plays; constructed as `drac.arms.view.Clean`.
        recurrent: whether it always has the LSTM that the option `recurrent` gives to others.
        options: fields of the config that this method has and others have not.
        ignores: fields of the config that others have and this method has not.
    """

    name: str
    summary: str
    source: str
    paper: str = ""
    objective: str = "drac.objectives.ppo:PPO"
    augmentations: Literal["none", "fixed", "best", "several", "learned"] = "none"
    learned: str = ""
    selector: str = "drac.arms.selectors:fixed_arm"
    network: str = "drac.networks.lstm:actor_critic"
    learner: str = "drac.learner:Learner"
    levels: str = "drac.envs.levels:ProcgensOwn"
    view: str = "drac.arms.view:Clean"
    recurrent: bool = False
    options: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()

    def part(self, kind: Part) -> Any:
        """Return the object that the method names, from whichever package has it.

        Raises:
            ValueError: if there is none; the message names it.
        """
        name = getattr(self, kind)
        try:
            return resolve_name(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"method {self.name!r} has no {kind} {name!r}: {error}") from error

    def require_parts(self) -> None:
        """Raise ConfigError unless everything that the method names is there."""
        for kind in get_args(Part):
            if getattr(self, kind):
                try:
                    self.part(kind)
                except ValueError as error:
                    raise ConfigError(str(error)) from None

    @property
    def chooses_levels(self) -> bool:
        """Whether the training levels are another's choice than Procgen's own."""
        return self.levels != Method.levels

    @property
    def is_family(self) -> bool:
        """Whether the method is completed by the name of an augmentation."""
        return self.augmentations == "fixed"

    @property
    def title(self) -> str:
        """The name as it is to be typed: "drac-<augmentation>" for a family."""
        return f"{self.name}-<augmentation>" if self.is_family else self.name
