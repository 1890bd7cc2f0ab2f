"""One frozen, validated configuration per run. Nothing here imports torch.

`TrainConfig` is flat because its fields are the command line's flags. A field that the paper and
the released code read differently takes its default from the preset named by `fidelity`
(docs/fidelity.md has one row for each); giving the field overrides the preset.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from augmentations import PAPER_ARMS
from augmentations import registry as augmentation_registry
from augmentations.arguments import unknown
from drac import best, methods, spellings
from drac.counts import Count, shown
from drac.fidelity import PRESETS, Fidelity
from drac.games import GAMES

FORMAT = 1
"""Version of config.json. Raised when an old file can no longer be read as it is."""

CONTINUABLE = frozenset({"steps", "checkpoint_every", "threads", "env_groups", "cuda_graphs"})
"""Fields that may change when a run is continued; any other difference is an error."""

MAX_LEVELS = 10_000
"""Among which a method can choose: it keeps some 25 KB of each, and draws from all."""


class ConfigError(ValueError):
    """A configuration that cannot be run. The message is one sentence, fit for the terminal."""


_DIFFERS = "; --fidelity sets it"


class TrainConfig(BaseModel):
    """Everything that decides a run's result, and nothing else.

    Raises:
        pydantic.ValidationError: (a ValueError) for unknown fields and impossible values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # What to run
    game: str = Field("coinrun", description=", ".join(GAMES))
    method: str = Field("ucb-drac", description="ppo, drac-<augmentation> or ucb-drac")
    seed: int = Field(0, ge=0, lt=2**31, description="root of every random number in the run")
    steps: Count = Field(25_000_000, gt=0, description="environment steps, e.g. 25M, 500k, 1e6")
    fidelity: Fidelity = Field("paper", description="the paper's equations, or the released code")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if there is one")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="auto: bf16 autocast where the hardware has it, else float32"
    )
    threads: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto", description="of the network on CPU; auto: OMP_NUM_THREADS, else every core"
    )
    env_groups: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = Field(
        "auto",
        description="groups of envs, stepped while others are served; auto: 2 on CUDA, else 1",
    )
    tf32: bool = Field(False, description="TF32 for float32 on CUDA: faster, 10 bits of mantissa")
    cuda_graphs: bool = Field(True, description="replay recorded gradient steps on CUDA")

    # Environment
    mode: Literal["easy", "hard"] = Field("easy", description="Procgen's distribution mode")
    levels: str = Field("0-199", description="training levels A-B, both included")
    num_envs: int = Field(64, ge=1, le=4096, description="environments stepped side by side")
    num_steps: int = Field(256, ge=1, description="steps of each environment in a rollout")

    # PPO
    learning_rate: float = Field(5e-4, gt=0, description="Adam's step size")
    adam_eps: float = Field(1e-5, gt=0, description="Adam's epsilon")
    gamma: float = Field(0.999, ge=0, le=1, description="discount")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="lambda of GAE")
    epochs: int = Field(3, ge=1, description="passes over each rollout")
    minibatches: int = Field(8, ge=1, description="gradient steps per pass")
    clip: float = Field(0.2, gt=0, description="clip range of the ratio and of the value")
    entropy_coef: float = Field(0.01, ge=0, description="weight of the entropy bonus")
    value_coef: float = Field(0.5, ge=0, description="weight of the value loss")
    max_grad_norm: float = Field(0.5, gt=0, description="gradients are clipped to this norm")
    reward_gamma: float = Field(0.99, ge=0, le=1, description="discount of reward normalization")
    reward_clip: float = Field(10.0, gt=0, description="normalized rewards are clipped to +-this")
    hidden_size: int = Field(256, ge=1, description="width of the layer under the two heads")
    residual: Literal["impala", "released"] = Field(
        "impala", description="skip connection of x, or of relu(x)" + _DIFFERS
    )
    micro_batch: int = Field(
        128, ge=1, description="images per forward pass on CPU; the gradient step is the same"
    )

    # DrAC
    augmentation: str | None = Field(None, description="for --method drac: crop, flip, ...")
    best_from: str | None = Field(
        None, description="CSV of each game's best for drac-best, rad-best; none: the published"
    )
    aug_coef: float = Field(0.1, ge=0, description="alpha_r, weight of the consistency terms")
    policy_target: Literal["exact", "sampled"] = Field(
        "exact", description="exact KL, or cross-entropy of a sampled action" + _DIFFERS
    )
    value_consistency_scale: float = Field(
        1.0, ge=0, description="factor of the squared value difference" + _DIFFERS
    )
    flip_axis: Literal["horizontal", "vertical"] = Field(
        "horizontal", description="which axis the augmentation flip mirrors" + _DIFFERS
    )
    cutout_color_scale: Literal["unit", "released"] = Field(
        "unit", description="colours in [0,1], or the released code's 0..254" + _DIFFERS
    )

    # Choosing the augmentation
    arms: tuple[str, ...] = Field(
        PAPER_ARMS, description="what ucb-drac chooses from, in order: any augmentations"
    )
    ucb_exploration: float = Field(0.1, ge=0, description="c in Q + c sqrt(ln t / N)")
    ucb_window: int = Field(10, ge=1, description="rewards of an arm that its mean Q covers")
    ucb_initial: Literal["prior", "try-each-once"] = Field(
        "prior", description="Q=0, N=1 for untried arms, or every arm once first"
    )
    ucb_reward: Literal["raw", "standardized"] = Field(
        "raw", description="mean return, or that less a running mean over a running std"
    )
    bandit_reward_rows: Literal["rollout", "released"] = Field(
        "rollout", description="average returns over T rows, or over T+1 with a zero" + _DIFFERS
    )

    # meta-drac
    meta_conv: Literal["learned", "frozen"] = Field(
        "learned", description="whether the convolution is meta-learned" + _DIFFERS
    )
    meta_inner_lr: float = Field(5e-4, gt=0, description="step size of the inner step")
    meta_learning_rate: float = Field(5e-4, gt=0, description="Adam's step size of the convolution")
    meta_train_share: float = Field(
        0.9, gt=0, lt=1, description="part of the rollout for the inner step, the rest is outer"
    )

    # rand-fm
    clean_probability: float = Field(
        0.1, ge=0, le=1, description="alpha, share of updates on clean images in place of random"
    )
    matching_coef: float = Field(0.002, ge=0, description="beta, weight of feature matching")
    eval_filters: int = Field(
        10, ge=0, le=1000, description="M, random inputs that evaluation averages; 0: the clean one"
    )

    # ibac-sni
    bottleneck_coef: float = Field(1e-4, ge=0, description="beta, weight of the latent's KL")
    sni_lambda: float = Field(
        0.5, ge=0, le=1, description="share of the policy without noise in the policy's loss"
    )
    latent_samples: int = Field(12, ge=1, le=1000, description="noisy latents of each image")

    # mixreg
    mix_alpha: float = Field(
        0.2, gt=0, description="images are mixed by Beta(this, this); on easy, PLR's authors: 0.01"
    )

    # Prioritized level replay
    plr_score: Literal["value-l1", "gae"] = Field(
        "value-l1",
        description="score of a level: mean of |GAE|, or of GAE, over an episode's steps",
    )
    plr_temperature: float = Field(
        0.1, gt=0, description="beta in rank^(-1/beta), a level's weight among the seen ones"
    )
    plr_staleness: float = Field(
        0.1, ge=0, le=1, description="rho, weight of levels not drawn for long"
    )
    plr_smoothing: float = Field(
        1.0, gt=0, le=1, description="weight of a level's newest score; 1: only the newest counts"
    )
    plr_replay: Literal["proportionate"] | float = Field(
        "proportionate",
        description="probability of a seen level; proportionate: the share of levels seen",
    )
    plr_min_seen: float = Field(
        0.0, ge=0, le=1, description="share of levels seen before any is replayed" + _DIFFERS
    )

    # thompson-drac
    thompson_prior_mean: float = Field(0.0, description="what an arm's mean return is expected as")
    thompson_prior_weight: float = Field(0.01, gt=0, description="of that mean, in rewards")
    thompson_prior_shape: float = Field(1.0, gt=0, description="of the variance's inverse gamma")
    thompson_prior_scale: float = Field(0.01, gt=0, description="likewise, in squared returns")

    # discounted-ucb-drac
    discounted_ucb_discount: float = Field(
        0.99, gt=0, le=1, description="weight of a reward after one more update"
    )
    discounted_ucb_exploration: float = Field(0.1, ge=0, description="c in X + c sqrt(ln n / N)")

    # exp3-drac
    exp3_exploration: float = Field(0.08, gt=0, le=1, description="share of uniform choices")
    exp3_range_window: int = Field(
        100, ge=2, description="last rewards, whose lowest is 0 and whose highest is 1 to EXP3"
    )

    # rl2-drac
    rl2_hidden_size: int = Field(32, ge=1, description="of the recurrent policy")
    rl2_learning_rate: float = Field(5e-4, gt=0, description="of that policy")
    rl2_entropy_coef: float = Field(0.001, ge=0, description="weight of that policy's entropy")
    rl2_reward_input: Literal["latest", "previous"] = Field(
        "latest", description="reward it sees beside the last arm: its own, or older" + _DIFFERS
    )
    minibatch_by: Literal["steps", "envs"] = Field(
        "steps", description="rl2-drac: minibatches of any steps, or of whole envs" + _DIFFERS
    )

    # DAAC and IDAAC; the defaults are those of their released code
    idaac_policy_epochs: int = Field(1, ge=1, description="passes of the policy over each rollout")
    idaac_value_epochs: int = Field(9, ge=1, description="passes of the value over a rollout")
    idaac_value_every: int = Field(
        1, ge=1, description="updates of the policy for each update of the value"
    )
    idaac_advantage_coef: float = Field(
        0.25, ge=0, description="alpha_a, weight of the advantage head's loss"
    )
    idaac_order_coef: float = Field(
        0.001, ge=0, description="alpha_i, weight of hiding the order of observations"
    )
    idaac_order_hidden: int = Field(
        0, ge=0, description="hidden layer of the order classifier; 0: it is linear"
    )

    # Evaluation and saving
    eval_every: Count = Field(500_000, ge=0, description="steps between evaluations; 0: at the end")
    eval_episodes: int = Field(100, ge=1, description="episodes on each split per evaluation")
    eval_envs: int = Field(64, ge=1, le=4096, description="environments used by an evaluation")
    checkpoint_every: float = Field(10.0, ge=0, description="minutes between checkpoints")

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
            wanted = methods.family(data["method"]).augmentations == "best" and game in GAMES
            if wanted and not (recorded and spec):
                spec = best.augmentation(game, data.get("best_from"), spec)
            data["augmentation"] = spec
        return data

    @pydantic.field_validator("game")
    @classmethod
    def _known_game(cls, game: str) -> str:
        if game not in GAMES:
            raise ValueError(unknown("game", game, GAMES))
        return game

    @pydantic.field_validator("levels")
    @classmethod
    def _level_range(cls, levels: str) -> str:
        match = re.fullmatch(r"\s*(\d{1,10})\s*-\s*(\d{1,10})\s*", levels)
        if not match:
            raise ValueError(f"levels {shown(levels)} must be A-B with 0 <= A <= B, e.g. 0-199")
        first, last = int(match.group(1)), int(match.group(2))
        if first > last:
            raise ValueError(f"levels {levels!r} are empty: the first must not exceed the last")
        if last >= 2**31 - 1:
            raise ValueError(f"levels {levels!r} must lie below {2**31 - 1}")
        return f"{first}-{last}"

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
        with contextlib.suppress(TypeError, ValueError):
            if 0 <= float(replay) <= 1:
                return float(replay)
        raise ValueError(
            f"plr_replay {shown(replay)} must be 'proportionate' or a probability in 0..1"
        )

    @pydantic.model_validator(mode="after")
    def _possible(self) -> TrainConfig:
        if self.rollout_size % self.minibatches:
            raise ValueError(
                f"num_envs {self.num_envs} x num_steps {self.num_steps} = {self.rollout_size} is"
                f" not divisible by minibatches {self.minibatches}"
            )
        if self.minibatches_of_envs and self.num_envs % self.minibatches:
            raise ValueError(
                f"num_envs {self.num_envs} is not divisible by minibatches {self.minibatches},"
                f" which minibatch_by 'envs' needs"
            )
        if isinstance(self.env_groups, int) and self.num_envs % self.env_groups:
            raise ValueError(
                f"num_envs {self.num_envs} is not divisible by env_groups {self.env_groups}"
            )
        if self.rollout_size < 2:
            raise ValueError("one step of one env is no rollout: it needs at least 2 samples")
        if methods.family(self.method).chooses_levels and len(self.train_levels) > MAX_LEVELS:
            raise ValueError(
                f"levels {self.levels!r} are {len(self.train_levels):,}; method {self.method!r}"
                f" chooses among {MAX_LEVELS:,} at most, as it keeps the beginning of each"
            )
        if self.steps < self.rollout_size:
            raise ValueError(
                f"steps {self.steps} are fewer than one rollout: num_envs {self.num_envs} x"
                f" num_steps {self.num_steps} = {self.rollout_size}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _has_its_options(self) -> TrainConfig:
        """Refuse a value for an option that the method does not have."""
        defaults = preset_defaults(self.fidelity)
        own = methods.family(self.method).options
        if absent := sorted({*own} - type(self).model_fields.keys()):
            raise ValueError(f"method {self.method!r} lists options that no run has: {absent}")
        for name in sorted(methods.foreign(self.method) & type(self).model_fields.keys()):
            if getattr(self, name) != defaults[name]:
                others = methods.having(name)
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
        """Whether minibatches are whole envs: `minibatch_by`, for a method that has the option."""
        has_it = "minibatch_by" in methods.family(self.method).options
        return has_it and self.minibatch_by == "envs"

    @property
    def train_levels(self) -> range:
        """The training levels as a range of Procgen level seeds."""
        first, last = self.levels.split("-")
        return range(int(first), int(last) + 1)

    @property
    def augmentation_specs(self) -> tuple[str, ...]:
        """What the run augments with: one specification, a bandit's arms, or nothing to be named.

        The latter are PPO and the methods that learn their augmentation.
        """
        specs = (self.augmentation,) if self.augmentation else self.arms
        return () if methods.family(self.method).augmentations in ("none", "learned") else specs

    def to_json(self) -> str:
        """Return the text of config.json."""
        return json.dumps({"format": FORMAT, **self.model_dump(mode="json")}, indent=2) + "\n"

    @classmethod
    def from_json(cls, path: Path) -> TrainConfig:
        """Read a config.json; its augmentations need not be installed: see `drac.provenance`.

        Raises:
            ConfigError: if the file is missing, damaged or of a format we do not know.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            version = data.pop("format")
        except KeyError:
            raise ConfigError(f"{path} is no configuration of a run: it has no format") from None
        except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            raise ConfigError(f"{path} cannot be read as a run's configuration ({error})") from None
        if version != FORMAT:
            known = f"this version reads format {FORMAT}"
            raise ConfigError(f"{path} has format {shown(version)}; {known}")
        return build(_without_foreign_options(data), what=str(path), recorded=True)

    def continue_from(self, saved: TrainConfig, where: Path) -> TrainConfig:
        """Return this config as the continuation of the run that `saved` began.

        What is "auto" here becomes what was resolved there.

        Raises:
            ConfigError: naming every field that differs but must not.
        """
        auto = {name: getattr(saved, name) for name, value in self if value == "auto"}
        wanted = self.model_copy(update=auto)
        differing = [
            f"{name} is {getattr(saved, name)!r} there and {value!r} here"
            for name, value in wanted
            if name not in CONTINUABLE and value != getattr(saved, name)
        ]
        if differing:
            raise ConfigError(
                f"{where} holds a run with another configuration: {'; '.join(differing)};"
                f" choose another --run-dir or --experiment"
            )
        if wanted.steps < saved.steps:
            raise ConfigError(
                f"{where} holds a run of {saved.steps} steps, more than the {wanted.steps} asked"
                f" for; a run can be continued, not shortened"
            )
        return wanted


def _without_foreign_options(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the run's method does not look at; version 0.1 saved it."""
    try:
        foreign = methods.foreign(str(data.get("method")))
    except ValueError:  # an unknown method is for `build` to tell
        return data
    return {name: value for name, value in data.items() if name not in foreign}


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


def explain(error: pydantic.ValidationError) -> str:
    """Turn pydantic's report into one sentence with the names of the flags."""
    sentences = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "value_error":
            sentences.append(str(problem["ctx"]["error"]))
        elif problem["type"] == "extra_forbidden":
            sentences.append(unknown("option", name, TrainConfig.model_fields))
        else:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            sentences.append(f"{name} {shown(problem['input'])} is not possible: {message}")
    return "; ".join(sentences)


def preset_defaults(fidelity: str) -> dict[str, Any]:
    """Defaults of every field under a fidelity preset, for the command line's `--help`."""
    defaults = {name: field.default for name, field in TrainConfig.model_fields.items()}
    known = fidelity if fidelity in get_args(Fidelity) else "paper"
    return {**defaults, **PRESETS[known], "fidelity": known}
