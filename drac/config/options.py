"""Every option of a run, with its default, range and description. Nothing here imports torch.

The options are flat because they are the command line's flags, in its order. Which method has which
is told by `drac.methods`; what a fidelity preset sets is told by `drac.config.fidelity`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from augmentations import PAPER_ARMS
from drac.config.fidelity import Fidelity
from drac.config.quantities import Count, Interval
from drac.games import GAMES, Mode

_DIFFERS = "; --fidelity sets it"


class Options(BaseModel):
    """The fields of `drac.config.TrainConfig`, which checks what they are together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _of_a_usual_size(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what float32 would take for 0 or for infinity."""
        if isinstance(value, float) and value and not 1e-30 <= abs(value) <= 1e30:
            raise ValueError(
                f"{info.field_name} {value!r} must be 0, or from 1e-30 to 1e30 in size"
            )
        return value

    # What to run
    game: str = Field("coinrun", description=", ".join(GAMES))
    method: str = Field(
        "ucb-drac", description="ppo, drac-crop, ucb-drac, ...; --method help lists all"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="root of every random number in the run")
    steps: Count = Field(
        25_000_000, gt=0, le=2**53, description="environment steps, e.g. 25M, 500k, 1e6"
    )
    init_from: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="begin with the weights of this run or policy, e.g. RUNS/ppo/{game}/seed{seed}",
    )
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
    compile: bool = Field(
        False, description="compile the network (torch.compile) on CUDA; rounds in another way"
    )

    # Environment
    mode: Mode = Field(
        "easy", description="Procgen's distribution mode; some games lack the last three"
    )
    levels: str = Field(
        "0-199", description="training levels A-B, both included; all: the full distribution"
    )
    num_envs: int = Field(64, ge=1, le=4096, description="environments stepped side by side")
    num_steps: int = Field(
        256, ge=1, le=2**20, description="steps of each environment in a rollout"
    )

    # PPO
    learning_rate: float = Field(5e-4, gt=0, description="Adam's step size")
    adam_eps: float = Field(1e-5, gt=0, description="Adam's epsilon")
    gamma: float = Field(0.999, ge=0, le=1, description="discount")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="lambda of GAE")
    epochs: int = Field(3, ge=1, le=1000, description="passes over each rollout")
    minibatches: int = Field(8, ge=1, le=2**20, description="gradient steps per pass")
    clip: float = Field(0.2, gt=0, description="clip range of the ratio and of the value")
    entropy_coef: float = Field(0.01, ge=0, description="weight of the entropy bonus")
    value_coef: float = Field(0.5, ge=0, description="weight of the value loss")
    max_grad_norm: float = Field(0.5, gt=0, description="gradients are clipped to this norm")
    reward_gamma: float = Field(0.99, ge=0, le=1, description="discount of reward normalization")
    reward_clip: float = Field(10.0, gt=0, description="normalized rewards are clipped to +-this")
    hidden_size: int = Field(
        256, ge=1, le=16_384, description="width of the layer under the two heads"
    )
    residual: Literal["impala", "released"] = Field(
        "impala", description="skip connection of x, or of relu(x)" + _DIFFERS
    )
    micro_batch: int = Field(
        128,
        ge=1,
        le=2**20,
        description="images per forward pass on CPU; the gradient step is the same",
    )
    recurrent: bool = Field(
        False, description="an LSTM under the heads, which remembers through an episode"
    )

    # DrAC
    augmentation: str | None = Field(
        None, description="for the families (drac, rad, dra, drc): crop, flip, ..."
    )
    best_from: str | None = Field(
        None, description="CSV of each game's best augmentation; none: the published"
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
        PAPER_ARMS, description="what a bandit chooses from, in order: any augmentations"
    )
    ucb_exploration: float = Field(0.1, ge=0, description="c in Q + c sqrt(ln t / N)")
    ucb_window: int = Field(
        10, ge=1, le=10**6, description="rewards of an arm that its mean Q covers"
    )
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

    # drac-meta-coef
    meta_coef_learning_rate: float = Field(0.001, ge=0, description="Adam's step size of alpha_r")
    meta_coef_max: float = Field(1.0, gt=0, description="alpha_r stays within 0 and this")

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
    mix_advantages: Literal["normalized", "raw"] = Field(
        "normalized",
        description="normalized: over the rollout, then mixed; raw: mixed, then normalized over the"
        " minibatch" + _DIFFERS,
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
    plr_cut_episodes: Literal["mean", "released"] = Field(
        "mean",
        description="score of an episode that the rollout cuts off: of its steps; released: with"
        " one more row, -V of the state that follows" + _DIFFERS,
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
        100,
        ge=2,
        le=10**6,
        description="last rewards, whose lowest is 0 and whose highest is 1 to EXP3",
    )

    # rl2-drac
    rl2_hidden_size: int = Field(32, ge=1, le=4096, description="of the recurrent policy")
    rl2_learning_rate: float = Field(5e-4, gt=0, description="of that policy")
    rl2_entropy_coef: float = Field(0.001, ge=0, description="weight of that policy's entropy")
    rl2_reward_input: Literal["latest", "previous"] = Field(
        "latest", description="reward it sees beside the last arm: its own, or older" + _DIFFERS
    )
    minibatch_by: Literal["steps", "envs"] = Field(
        "steps", description="minibatches of any steps, or of whole envs" + _DIFFERS
    )

    # rl2-ppo
    episodes_per_trial: int = Field(
        2, ge=1, le=1000, description="episodes of one level that are remembered together"
    )

    # DAAC and IDAAC; the defaults are those of their released code
    per_game: Literal["none", "published"] = Field(
        "none", description="published: what the authors chose for each game, of the following"
    )
    idaac_policy_epochs: int = Field(
        1, ge=1, le=1000, description="passes of the policy over each rollout"
    )
    idaac_value_epochs: int = Field(
        9, ge=1, le=1000, description="passes of the value over a rollout"
    )
    idaac_value_every: int = Field(
        1, ge=1, le=10**6, description="updates of the policy for each update of the value"
    )
    idaac_advantage_coef: float = Field(
        0.25, ge=0, description="alpha_a, weight of the advantage head's loss"
    )
    idaac_order_coef: float = Field(
        0.001, ge=0, description="alpha_i, weight of hiding the order of observations"
    )
    idaac_order_hidden: int = Field(
        0, ge=0, le=4096, description="hidden layer of the order classifier; 0: it is linear"
    )

    # TRPO
    trpo_kl: float = Field(0.01, gt=0, description="bound of a step's mean KL divergence, in nats")
    trpo_damping: float = Field(0.1, ge=0, description="added to the Fisher matrix's diagonal")
    trpo_cg_steps: int = Field(10, ge=1, le=1000, description="steps of conjugate gradients")
    trpo_value_epochs: int = Field(
        3, ge=1, le=1000, description="passes of the value over a rollout"
    )

    # PPG and DCPG
    phasic_policy_epochs: int = Field(
        1, ge=1, le=1000, description="E_pi and E_V, passes over each rollout"
    )
    phasic_updates: int = Field(
        32, ge=1, le=10**4, description="N_pi, updates to an auxiliary phase; their frames are kept"
    )
    phasic_epochs: int = Field(
        6, ge=0, le=1000, description="E_aux, passes of an auxiliary phase; 0: there is none"
    )
    phasic_segments: int = Field(
        4, ge=1, le=2**20, description="rollouts of one env in a minibatch of an auxiliary phase"
    )
    phasic_clone_coef: float = Field(
        1.0, ge=0, description="beta_clone, weight of keeping the policy in an auxiliary phase"
    )
    dcpg_value_coef: float = Field(
        1.0, ge=0, description="weight of keeping the value in DCPG's policy phase"
    )
    ddcpg_dynamics_coef: float = Field(
        1.0, ge=0, description="weight of telling true transitions from false ones"
    )

    # Evaluation and saving
    eval_every: Count = Field(
        500_000, ge=0, le=2**53, description="steps between evaluations; 0: at the end"
    )
    eval_episodes: int = Field(
        100, ge=1, le=10**7, description="episodes on each split per evaluation"
    )
    eval_envs: int = Field(64, ge=1, le=4096, description="environments used by an evaluation")
    checkpoint_every: Interval = Field(
        10.0, description="between checkpoints: minutes, as 10 or 2.5m, or steps, as 500k-steps"
    )
    disk_wait: float = Field(
        60.0, ge=0, description="minutes to try again while a disk is full or read-only"
    )
    on_nan: Literal["stop", "skip"] = Field(
        "stop", description="stop at a gradient step that is not finite, or count it and go on"
    )
