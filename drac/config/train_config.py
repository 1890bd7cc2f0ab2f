"""One frozen, validated configuration per run. Nothing here imports torch.

`TrainConfig` is flat because its fields are the command line's flags. A field that the paper and
the released code read differently takes its default from the preset named by `fidelity`
(docs/fidelity.md has one row for each); giving the field overrides the preset.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pydantic

from augmentations import registry as augmentation_registry
from augmentations.arguments import hint, unknown
from drac import methods
from drac.config import level_list
from drac.config.fidelity import PRESETS, Fidelity
from drac.config.options import Options
from drac.errors import (
    ConfigError,
    shown,
)
from drac.files import untrusted
from drac.games import EXPLORATION_LEVELS, GAMES, require_mode
from drac.methods import best_augmentations as best
from drac.methods import per_game, spellings

FORMAT = 1
"""Version of config.json. Raised when an old file can no longer be read as it is."""

CONTINUABLE = frozenset(
    {"steps", "checkpoint_every", "disk_wait", "on_nan", "threads", "env_groups", "cuda_graphs"}
)
"""Fields that may change when a run is continued; any other difference is an error."""

MAX_LEVELS = 10_000
"""Among which a method can choose: it keeps some 25 KB of each, and draws from all."""


class TrainConfig(Options):
    """Everything that decides a run's result, and nothing else.

    Raises:
        pydantic.ValidationError: (a ValueError) for unknown fields and impossible values.
    """

    if TYPE_CHECKING:  # values may also be text, as on the command line: steps="1M"

        def __init__(self, **options: Any) -> None: ...

    @pydantic.model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any, info: pydantic.ValidationInfo) -> Any:
        """Take what was not given from the fidelity preset, and unite the spellings of a method."""
        if not isinstance(data, dict):
            return data
        data = {**PRESETS.get(str(data.get("fidelity", "paper")), {}), **data}
        method, spec = (
            data.get("method", cls.model_fields["method"].default),
            data.get("augmentation"),
        )
        if isinstance(method, str) and (spec is None or isinstance(spec, str)):
            recorded = bool(info.context)  # see `build`
            data["method"], spec = spellings.resolve(method, spec, recorded)
            game = data.get("game", cls.model_fields["game"].default)
            wanted = methods.get(data["method"]).augmentations == "best" and game in GAMES
            if wanted and not (recorded and spec):
                spec = best.augmentation(game, data.get("best_from"), spec)
            data["augmentation"] = spec
            if methods.get(data["method"]).recurrent:
                if str(data.get("recurrent", True)).lower() == "false":
                    raise ValueError(f"method {data['method']!r} is recurrent: leave recurrent out")
                data["recurrent"] = True
            if data.get("per_game") == "published":
                data = cls._published(data, str(game))
        default = Options.model_fields["levels"].default
        level = EXPLORATION_LEVELS.get(str(data.get("game", cls.model_fields["game"].default)))
        if data.get("mode") == "exploration" and level and data.get("levels", default) == default:
            data["levels"] = f"{level}-{level}"
        return data

    @classmethod
    def _published(cls, data: dict[str, Any], game: str) -> dict[str, Any]:
        """Add what was published for the game; another value than that is refused."""
        settings = {
            name: cls.model_fields[name].default
            for name in per_game.NAMES & {*methods.get(data["method"]).options}
        }
        settings |= per_game.published(data["method"], game)
        for name, value in settings.items():
            if name in data and str(data[name]) not in (str(value), str(float(value))):
                raise ValueError(
                    f"{name} {shown(data[name])} is not what was published for {game}, {value};"
                    f" leave it or per_game out"
                )
        return {**data, **settings}

    @pydantic.field_validator("game")
    @classmethod
    def _known_game(cls, game: str) -> str:
        if game not in GAMES:
            raise ValueError(unknown("game", game, GAMES))
        return game

    @pydantic.field_validator("levels")
    @classmethod
    def _level_range(cls, levels: str) -> str:
        return level_list.training_levels(levels)

    @pydantic.field_validator("arms")
    @classmethod
    def _known_arms(cls, arms: tuple[str, ...], info: pydantic.ValidationInfo) -> tuple[str, ...]:
        check = augmentation_registry.canonical if info.context else augmentation_registry.check
        specs = tuple(map(check, arms))
        if not specs:
            raise ValueError("arms are empty: name at least one augmentation")
        twice = sorted({spec for spec in specs if specs.count(spec) > 1})
        if twice:
            raise ValueError(f"arms name {', '.join(twice)} more than once")
        return specs

    @pydantic.field_validator("plr_replay", mode="plain")
    @classmethod
    def _probability(cls, replay: Any) -> Literal["proportionate"] | float:
        if replay == "proportionate":
            return "proportionate"
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            if 0 <= float(replay) <= 1:
                return float(replay)
        raise ValueError(
            f"plr_replay {shown(replay)} must be 'proportionate' or a probability in 0..1"
        )

    @pydantic.model_validator(mode="after")
    def _possible(self) -> TrainConfig:
        method = methods.get(self.method)
        require_mode(self.game, self.mode)
        level = EXPLORATION_LEVELS.get(self.game)
        if self.mode == "exploration" and self.levels != f"{level}-{level}":
            raise ValueError(
                f"{self.game}'s exploration mode has one level, {level}: leave levels out"
            )
        if "minibatches" not in method.ignores and self.rollout_size % self.minibatches:
            raise ValueError(
                f"num_envs {self.num_envs} x num_steps {self.num_steps} = {self.rollout_size} is"
                f" not divisible by minibatches {self.minibatches}"
            )
        if self.minibatches_of_envs and self.num_envs % self.minibatches:
            raise ValueError(
                f"num_envs {self.num_envs} is not divisible by minibatches {self.minibatches},"
                f" which {'recurrent' if self.recurrent else 'minibatch_by envs'} needs"
            )
        if "phasic_segments" in method.options and (
            self.phasic_updates * self.num_envs % self.phasic_segments
        ):
            raise ValueError(
                f"phasic_updates {self.phasic_updates} x num_envs {self.num_envs} is not divisible"
                f" by phasic_segments {self.phasic_segments}"
            )
        if "ddcpg_dynamics_coef" in method.options and (
            self.phasic_segments * (self.num_steps - 1) < 2
        ):
            raise ValueError(
                f"phasic_segments {self.phasic_segments} x (num_steps {self.num_steps} - 1) are"
                f" fewer than the 2 transitions that method 'ddcpg' compares"
            )
        if "meta_coef_max" in method.options and self.aug_coef > self.meta_coef_max:
            raise ValueError(
                f"aug_coef {self.aug_coef}, with which alpha_r begins, is more than meta_coef_max"
                f" {self.meta_coef_max}"
            )
        if isinstance(self.env_groups, int) and self.num_envs % self.env_groups:
            raise ValueError(
                f"num_envs {self.num_envs} is not divisible by env_groups {self.env_groups}"
            )
        if self.rollout_size < 2:
            raise ValueError("one step of one env is no rollout: it needs at least 2 samples")
        if self.eval_episodes % self.trial:
            raise ValueError(
                f"eval_episodes {self.eval_episodes} are not divisible by episodes_per_trial"
                f" {self.trial}"
            )
        if method.chooses_levels:
            self._require_few_levels(self.train_levels)
        if self.compile and method.augmentations == "learned":
            raise ValueError(f"method {self.method!r} differentiates the network: no compile there")
        if self.steps < self.rollout_size:
            raise ValueError(
                f"steps {self.steps} are fewer than one rollout: num_envs {self.num_envs} x"
                f" num_steps {self.num_steps} = {self.rollout_size}"
            )
        return self

    def _require_few_levels(self, levels: range | Literal["test"]) -> None:
        few = f"method {self.method!r} chooses among {MAX_LEVELS:,} at most"
        if levels == "test":
            raise ValueError(f"levels 'all' have no end; {few}, such as 0-199")
        if len(levels) > MAX_LEVELS:
            raise ValueError(
                f"levels {self.levels!r} are {len(levels):,}; {few}, as it keeps the beginning of"
                f" each"
            )

    @pydantic.model_validator(mode="after")
    def _has_its_options(self) -> TrainConfig:
        """Refuse a value for an option that the method does not have."""
        defaults = preset_defaults(self.fidelity)
        own = methods.get(self.method).options
        if absent := sorted({*own} - type(self).model_fields.keys()):
            raise ValueError(f"method {self.method!r} lists options that no run has: {absent}")
        for name in sorted(methods.options_of_others(self.method) & type(self).model_fields.keys()):
            if getattr(self, name) != defaults[name]:
                others = methods.with_option(name)
                belongs = f"; it belongs to {', '.join(others)}" if others else ""
                raise ValueError(f"method {self.method!r} has no option {name}{belongs}")
        return self

    @property
    def rollout_size(self) -> int:
        """Environment steps of one update."""
        return self.num_envs * self.num_steps

    @property
    def num_updates(self) -> int:
        """Whole rollouts that fit into `steps` (1,525 of 16,384 steps in 25M)."""
        return self.steps // self.rollout_size

    @property
    def minibatches_of_envs(self) -> bool:
        """Whether minibatches are whole envs: `recurrent`, or `minibatch_by` where there is it."""
        asked = {"recurrent": self.recurrent, "minibatch_by": self.minibatch_by == "envs"}
        return any(asked.get(name, False) for name in methods.get(self.method).options)

    @property
    def trial(self) -> int:
        """Episodes of a trial, in which the agent remembers; 1 of a method that plays none."""
        has_it = "episodes_per_trial" in methods.get(self.method).options
        return self.episodes_per_trial if has_it else 1

    @property
    def kept_rollouts(self) -> int:
        """Rollouts whose frames the method keeps beside the current one: `phasic_updates`, or 0."""
        has_phases = "phasic_updates" in methods.get(self.method).options and self.phasic_epochs > 0
        return self.phasic_updates if has_phases else 0

    @property
    def train_levels(self) -> range | Literal["test"]:
        """The training levels as a range of Procgen level seeds; all of them are "test"."""
        if self.levels == level_list.ALL:
            return "test"
        first, last = self.levels.split("-")
        return range(int(first), int(last) + 1)

    @property
    def augmentation_specs(self) -> tuple[str, ...]:
        """What the run augments with: one specification, a bandit's arms, or nothing to be named.

        The latter are PPO and the methods that learn their augmentation.
        """
        specs = (self.augmentation,) if self.augmentation else self.arms
        return () if methods.get(self.method).augmentations in ("none", "learned") else specs

    def to_json(self) -> str:
        """Return the text of config.json."""
        return json.dumps({"format": FORMAT, **self.model_dump(mode="json")}, indent=2) + "\n"

    @classmethod
    def from_json(cls, path: Path, root: Path | None = None) -> TrainConfig:
        """Read a config.json; its augmentations need not be installed: see `drac.runs.provenance`.

        Args:
            path: the file.
            root: a folder above it below which no link is followed; by default its own.

        Raises:
            ConfigError: if the file is missing, damaged or of a format we do not know.
        """
        try:
            data = untrusted.read_json(path, root=root or path.parent)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read as a run's configuration ({error})") from None
        return cls.from_data(data, str(path))

    @classmethod
    def from_data(cls, data: Any, what: str) -> TrainConfig:
        """Return the config that the JSON of a config.json stands for; `what` names its source.

        Raises:
            ConfigError: see `from_json`.
        """
        if not isinstance(data, dict):
            raise ConfigError(f"{what} cannot be read as a run's configuration (no JSON object)")
        version = data.get("format", None)
        if version is None:
            raise ConfigError(f"{what} is no configuration of a run: it has no format")
        if type(version) is not int or version != FORMAT:
            known = f"this version reads format {FORMAT}"
            raise ConfigError(f"{what} has format {shown(version)}; {known}")
        values = {name: value for name, value in data.items() if name != "format"}
        # A config.json says which augmentation it was: no other file that it names is opened.
        if values.get("best_from") is not None and not values.get("augmentation"):
            raise ConfigError(f"{what}: best_from without the augmentation that was found there")
        seed = values.get("seed")
        if type(seed) is int and 0 <= seed < 2**31:
            with contextlib.suppress(ConfigError):  # said below, with its source
                return _recorded(json.dumps(values | {"seed": 0})).model_copy(update={"seed": seed})
        return build(values, what=what, recorded=True)

    def continue_from(self, saved: TrainConfig, where: Path, reached: int = 0) -> TrainConfig:
        """Return this config as the continuation of the run that `saved` began.

        What is "auto" here becomes what was resolved there. Fewer steps than were asked for then
        end the run earlier.

        Args:
            saved: what config.json holds.
            where: the run's folder, for messages.
            reached: steps that the run has been trained for.

        Raises:
            ConfigError: naming every field that differs but must not; or if more steps are trained
                than are asked for now.
        """
        auto = {name: getattr(saved, name) for name, value in self if value == "auto"}
        wanted = self.model_copy(update=auto)
        differing = [
            f"{name} is {getattr(saved, name)!r} there and {value!r} here"
            for name, value in wanted
            if name not in CONTINUABLE and value != getattr(saved, name)
        ]
        if differing:
            place = shlex.quote(str(where))
            raise ConfigError(
                f"{where} holds a run with another configuration: {'; '.join(differing)};"
                f" to go on with its own: drac train --config {place} --run-dir {place}; else"
                f" choose another --experiment, or start over with --fresh"
            )
        if wanted.num_updates * wanted.rollout_size < reached:
            raise ConfigError(
                f"{where} holds a run that has reached step {reached:,}, more than the"
                f" {wanted.steps:,} asked for; drac train --finish completes it where it stands"
            )
        return wanted


def build(values: dict[str, Any], what: str = "", recorded: bool = False) -> TrainConfig:
    """Build a config from plain values, with errors in one sentence, which `what` begins.

    If they are `recorded`, those of a run that was begun, its augmentations need not be installed.

    Raises:
        ConfigError: instead of pydantic's ValidationError.
    """
    try:
        return TrainConfig.model_validate(values, context={"recorded": True} if recorded else None)
    except pydantic.ValidationError as error:
        raise ConfigError((f"{what}: " if what else "") + explain(error)) from None


@functools.lru_cache(maxsize=1024)
def _recorded(text: str) -> TrainConfig:
    """Build a recorded config from JSON; those of a sweep are alike but for their seeds."""
    return build(json.loads(text), recorded=True)


def explain(error: pydantic.ValidationError) -> str:
    """Turn pydantic's report into one sentence with the names of the flags."""
    sentences = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "value_error":
            sentences.append(str(problem["ctx"]["error"]))
        elif problem["type"] == "extra_forbidden":
            near = hint(name, TrainConfig.model_fields)
            sentences.append(
                f"unknown option {shown(name)}{near}; drac train --help lists them all"
            )
        else:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            sentences.append(f"{name} {shown(problem['input'])} is not possible: {message}")
    return "; ".join(sentences)


def preset_defaults(fidelity: str) -> dict[str, Any]:
    """Defaults of every field under a fidelity preset, for the command line's `--help`."""
    defaults = {name: field.default for name, field in TrainConfig.model_fields.items()}
    known = fidelity if fidelity in get_args(Fidelity) else "paper"
    return {**defaults, **PRESETS[known], "fidelity": known}
