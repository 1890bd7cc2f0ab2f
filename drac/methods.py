"""The methods that can be trained: data here, objects made from it in `drac.training`.

A run's method is one identifier, which is also its folder and its row in the tables:
"ppo", "drac-crop", "ucb-drac". A family such as "drac" takes an augmentation, so that
`--method drac --augmentation crop` and `--method drac-crop` are the same run: `drac.spellings`.

A method of one's own is one more `Method`, given to `register` or offered by an entry point
(`drac.method_plugins`, docs/methods.md); what it is made of may lie in any package, as
"package.module:Name". Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from augmentations import registry as augmentation_registry
from augmentations.arguments import hint

_PPO = "Schulman et al. 2017; Procgen settings of Cobbe et al. 2020"
_RAILEANU = "Raileanu et al. 2021, Automatic Data Augmentation for Generalization in Deep RL"
_RAD = "Laskin et al. 2020, Reinforcement Learning with Augmented Data"
_LEE = "Lee et al. 2020, Network Randomization"
_IGL = "Igl et al. 2019, Selective Noise Injection and Information Bottleneck"
_WANG = "Wang et al. 2020, Mixture Regularization"
_JIANG = "Jiang et al. 2021, Prioritized Level Replay"

_IDAAC = "Raileanu & Fergus 2021, Decoupling Value and Policy for Generalization in RL"

_CONSISTENCY = ("aug_coef", "policy_target", "value_consistency_scale")
_PLR = (
    "plr_score",
    "plr_temperature",
    "plr_staleness",
    "plr_smoothing",
    "plr_replay",
    "plr_min_seen",
)
_IMAGES = ("flip_axis", "cutout_color_scale")
_META = ("meta_conv", "meta_inner_lr", "meta_learning_rate", "meta_train_share")
_UCB = ("arms", "ucb_exploration", "ucb_window", "ucb_initial", "ucb_reward", "bandit_reward_rows")
_BANDIT = ("arms", "bandit_reward_rows")
_THOMPSON = tuple(f"thompson_prior_{name}" for name in ("mean", "weight", "shape", "scale"))
_RL2 = (
    *("rl2_hidden_size", "rl2_learning_rate", "rl2_entropy_coef", "rl2_reward_input"),
    "minibatch_by",
)
_DISCOUNTED_UCB = ("discounted_ucb_discount", "discounted_ucb_exploration")
_DECOUPLED = (
    *("idaac_policy_epochs", "idaac_value_epochs", "idaac_value_every"),
    "idaac_advantage_coef",
)


@dataclass(frozen=True)
class Method:
    """What a method is made of. Objects are named as "package.module:Name".

    Attributes:
        name: the identifier, or the prefix of a family ("drac" of "drac-crop").
        summary: one line for `--method help` and the tables.
        source: where it was published.
        objective: what a gradient step minimizes: made from the config, a
            `drac.objectives.Objective`.
        augmentations: which ones it uses: none; one, fixed by the method's name; one that was found
            to be the game's best (`drac.best`); those among which its selector chooses; or one
            that the method learns.
        learned: the augmentation of a method that learns it: a function of the config.
        selector: who chooses the augmentation of each update: a function of config and arms.
        network: a function of config, number of actions, shape of observations and generator.
        learner: who takes the gradient steps; constructed as `drac.learner.Learner` is.
        levels: who chooses the training levels: made from the config, a `drac.levels.Levels`.
        options: fields of the config that this method has and others have not.
        ignores: fields of the config that others have and this method has not.
    """

    name: str
    summary: str
    source: str
    objective: str = "drac.objectives.ppo:PPO"
    augmentations: Literal["none", "fixed", "best", "several", "learned"] = "none"
    learned: str = ""
    selector: str = "drac.selectors:fixed_arm"
    network: str = "drac.networks:actor_critic"
    learner: str = "drac.learner:Learner"
    levels: str = "drac.levels:ProcgensOwn"
    options: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()

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


_DRAC = "drac.objectives.drac:DrAC"
_SLIDING_WINDOW_UCB = "drac.selectors:sliding_window_ucb"

for _method in (
    Method(name="ppo", summary="PPO without augmentation", source=_PPO),
    Method(
        name="drac",
        summary="PPO regularized by one fixed augmentation (drac-crop, drac-flip, ...)",
        source=_RAILEANU,
        objective=_DRAC,
        augmentations="fixed",
        options=("augmentation", *_CONSISTENCY, *_IMAGES),
    ),
    Method(
        name="ucb-drac",
        summary="PPO regularized by the augmentation that a UCB bandit chooses each update",
        source=_RAILEANU,
        objective=_DRAC,
        augmentations="several",
        selector=_SLIDING_WINDOW_UCB,
        options=(*_CONSISTENCY, *_IMAGES, *_UCB),
    ),
    Method(
        name="rand-drac",
        summary="PPO regularized by an augmentation drawn anew each update, all equally likely",
        source=f"{_RAILEANU}, section 5.3",
        objective=_DRAC,
        augmentations="several",
        selector="drac.selectors:uniform",
        options=("arms", "bandit_reward_rows", *_CONSISTENCY, *_IMAGES),
    ),
    Method(
        name="rad",
        summary="PPO's own loss on augmented images (rad-crop, rad-flip, ...)",
        source=_RAD,
        objective="drac.objectives.rad:RAD",
        augmentations="fixed",
        options=("augmentation", *_IMAGES),
    ),
    Method(
        name="ucb-rad",
        summary="RAD with the augmentation that a UCB bandit chooses each update",
        source=f"{_RAILEANU}, section 5.3",
        objective="drac.objectives.rad:RAD",
        augmentations="several",
        selector=_SLIDING_WINDOW_UCB,
        options=(*_IMAGES, *_UCB),
    ),
    Method(
        name="dra",
        summary="DrAC's policy term alone (dra-crop, dra-flip, ...)",
        source=f"{_RAILEANU}, section 5.3",
        objective="drac.objectives.drac:DrA",
        augmentations="fixed",
        options=("augmentation", *_CONSISTENCY, *_IMAGES),
    ),
    Method(
        name="drc",
        summary="DrAC's value term alone (drc-crop, drc-flip, ...)",
        source=f"{_RAILEANU}, section 5.3",
        objective="drac.objectives.drac:DrC",
        augmentations="fixed",
        options=("augmentation", *_CONSISTENCY, *_IMAGES),
    ),
    Method(
        name="drac-best",
        summary="PPO regularized by the augmentation that was found best for the game",
        source=_RAILEANU,
        objective=_DRAC,
        augmentations="best",
        options=("augmentation", "best_from", *_CONSISTENCY, *_IMAGES),
    ),
    Method(
        name="rad-best",
        summary="RAD with the augmentation that DrAC was found to be best with on the game",
        source=f"{_RAILEANU}, section 5.3",
        objective="drac.objectives.rad:RAD",
        augmentations="best",
        options=("augmentation", "best_from", *_IMAGES),
    ),
    Method(
        name="meta-drac",
        summary="PPO regularized by a convolution that is meta-learned",
        source=f"{_RAILEANU}, section 3.3",
        objective=_DRAC,
        augmentations="learned",
        learned="drac.meta:learned_conv",
        learner="drac.meta:MetaLearner",
        options=(*_CONSISTENCY, *_META),
    ),
    Method(
        name="rand-fm",
        summary="PPO on images through a random convolution, with feature matching",
        source=_LEE,
        objective="drac.objectives.rand_fm:RandFM",
        network="drac.networks_random:randomized_actor_critic",
        learner="drac.objectives.rand_fm:RedrawingLearner",
        options=("clean_probability", "matching_coef", "eval_filters"),
    ),
    Method(
        name="ibac-sni",
        summary="PPO through an information bottleneck whose noise the rollout does without",
        source=_IGL,
        objective="drac.objectives.ibac_sni:IBACSNI",
        network="drac.networks_bottleneck:bottleneck_actor_critic",
        options=("bottleneck_coef", "sni_lambda", "latent_samples"),
    ),
    Method(
        name="mixreg",
        summary="PPO on mixtures of two images and of their advantages and returns",
        source=_WANG,
        objective="drac.objectives.mixreg:Mixreg",
        learner="drac.objectives.mixreg:PairingLearner",
        options=("mix_alpha",),
    ),
    Method(
        name="plr",
        summary="PPO on training levels replayed by how much there seems to be left to learn",
        source=_JIANG,
        levels="drac.levels:Prioritized",
        options=_PLR,
    ),
    Method(
        name="ucb-drac+plr",
        summary="UCB-DrAC on the levels that prioritized level replay chooses",
        source=_JIANG,
        objective=_DRAC,
        augmentations="several",
        selector=_SLIDING_WINDOW_UCB,
        levels="drac.levels:Prioritized",
        options=(*_CONSISTENCY, *_IMAGES, *_UCB, *_PLR),
    ),
    Method(
        name="thompson-drac",
        summary="DrAC with the augmentation that Thompson sampling chooses each update",
        source="Thompson 1933; Gaussian with unknown variance: Honda and Takemura 2014",
        objective=_DRAC,
        augmentations="several",
        selector="drac.selectors:thompson",
        options=(*_BANDIT, *_CONSISTENCY, *_IMAGES, *_THOMPSON),
    ),
    Method(
        name="discounted-ucb-drac",
        summary="DrAC with the augmentation that a UCB bandit which forgets chooses each update",
        source="Garivier and Moulines 2008, Upper-Confidence Bound Policies for Non-Stationary"
        " Bandit Problems",
        objective=_DRAC,
        augmentations="several",
        selector="drac.selectors:discounted_ucb",
        options=(*_BANDIT, *_CONSISTENCY, *_IMAGES, *_DISCOUNTED_UCB),
    ),
    Method(
        name="exp3-drac",
        summary="DrAC with the augmentation that EXP3 draws each update",
        source="Auer et al. 2002, The Nonstochastic Multiarmed Bandit Problem",
        objective=_DRAC,
        augmentations="several",
        selector="drac.selectors:exp3",
        options=(*_BANDIT, *_CONSISTENCY, *_IMAGES, "exp3_exploration", "exp3_range_window"),
    ),
    Method(
        name="rl2-drac",
        summary="DrAC with the augmentation that a recurrent policy draws each update",
        source=f"{_RAILEANU}, section 3.2; RL^2 of Duan et al. 2016",
        objective=_DRAC,
        augmentations="several",
        selector="drac.selectors:rl2",
        options=(*_BANDIT, *_CONSISTENCY, *_IMAGES, *_RL2),
    ),
    Method(
        name="daac",
        summary="policy and value networks that share nothing; the policy's also learns advantages",
        source=_IDAAC,
        objective="drac.objectives.daac:DAAC",
        network="drac.decoupled:daac_network",
        learner="drac.decoupled_learner:DecoupledLearner",
        options=_DECOUPLED,
        ignores=("epochs", "value_coef"),
    ),
    Method(
        name="idaac",
        summary="DAAC whose policy's features hide which of two observations came first",
        source=_IDAAC,
        objective="drac.objectives.daac:IDAAC",
        network="drac.decoupled:idaac_network",
        learner="drac.decoupled_learner:DecoupledLearner",
        options=(*_DECOUPLED, "idaac_order_coef", "idaac_order_hidden"),
        ignores=("epochs", "value_coef"),
    ),
):
    register(_method)


def known() -> Mapping[str, Method]:
    """Return all methods by name, with those of plug-ins, which are imported on the first call."""
    from drac import method_plugins  # here, because it needs this module

    method_plugins.load()
    return METHODS


def options() -> frozenset[str]:
    """Return every field of the config that only some methods have."""
    return frozenset(name for method in known().values() for name in method.options)


def foreign(method_id: str) -> frozenset[str]:
    """Return the fields of the config that a method does not look at, and some other does."""
    method = family(method_id)
    return (options() - {*method.options}) | {*method.ignores}


def having(option: str) -> tuple[str, ...]:
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


def family(method_id: str) -> Method:
    """Return the `Method` behind an identifier: "drac-crop" -> METHODS["drac"].

    Raises:
        ValueError: if no method fits; the message names the nearest.
    """
    method_id = ALIASES.get(method_id, method_id)
    if method_id in known():
        return METHODS[method_id]
    for method in METHODS.values():
        prefix = f"{method.name}-"
        if method.is_family and method_id.startswith(prefix) and method_id != prefix:
            return method
    raise ValueError(unknown(method_id))


def unknown(method_id: str) -> str:
    """One sentence: the nearest of all identifiers, and the methods, families by their prefix."""
    from drac import method_plugins

    if method_id in method_plugins.problems():
        return method_plugins.problems()[method_id]
    names = [method.title for method in known().values()]
    near = hint(method_id, method_ids())
    return f"unknown method {method_id!r}{near}; choose from {', '.join(names)}"
