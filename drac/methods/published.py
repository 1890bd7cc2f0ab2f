"""The methods of the paper's tables and those they are compared with, in the order they are listed.

What each minimizes, and how ours differs from its source, is told in docs/methods.md. Sections of
Raileanu et al. are those of the ICLR 2021 submission.
"""

from __future__ import annotations

from drac.methods.method import Method

_PPO = "Schulman et al. 2017; Procgen settings of Cobbe et al. 2020"
_PPO_PAPER = "https://arxiv.org/abs/1707.06347"
_RAILEANU = "Raileanu et al. 2021, Automatic Data Augmentation for Generalization in Deep RL"
_RAILEANU_PAPER = "https://arxiv.org/abs/2006.12862"
_RAD = "Laskin et al. 2020, Reinforcement Learning with Augmented Data"
_RAD_PAPER = "https://arxiv.org/abs/2004.14990"
_XU = "Xu et al. 2018, Meta-Gradient Reinforcement Learning, applied to alpha_r"
_XU_PAPER = "https://arxiv.org/abs/1805.09801"
_LEE = "Lee et al. 2020, Network Randomization"
_LEE_PAPER = "https://arxiv.org/abs/1910.05396"
_IGL = "Igl et al. 2019, Selective Noise Injection and Information Bottleneck"
_IGL_PAPER = "https://arxiv.org/abs/1910.12911"
_WANG = "Wang et al. 2020, Mixture Regularization"
_WANG_PAPER = "https://arxiv.org/abs/2010.10814"
_JIANG = "Jiang et al. 2021, Prioritized Level Replay"
_JIANG_PAPER = "https://arxiv.org/abs/2010.03934"
_IDAAC = "Raileanu & Fergus 2021, Decoupling Value and Policy for Generalization in RL"
_IDAAC_PAPER = "https://arxiv.org/abs/2102.10330"

_DUAN = "Duan et al. 2016, RL^2; Wang et al. 2016, Learning to Reinforcement Learn"
_DUAN_PAPER = "https://arxiv.org/abs/1611.02779"
_HOCHREITER = "Hochreiter & Schmidhuber 1997, Long Short-Term Memory; PPO's of Huang et al. 2022"
_HOCHREITER_PAPER = "https://doi.org/10.1162/neco.1997.9.8.1735"
_WILLIAMS = "Williams 1992, Simple Statistical Gradient-Following Algorithms"
_WILLIAMS_PAPER = "https://doi.org/10.1007/BF00992696"
_MNIH = "Mnih et al. 2016, Asynchronous Methods for Deep Reinforcement Learning"
_MNIH_PAPER = "https://arxiv.org/abs/1602.01783"
_TRPO = "Schulman et al. 2015, Trust Region Policy Optimization"
_TRPO_PAPER = "https://arxiv.org/abs/1502.05477"

_MOON = "Moon et al. 2022, Rethinking Value Function Learning for Generalization in RL"
_MOON_PAPER = "https://arxiv.org/abs/2210.09960"
_COBBE = "Cobbe et al. 2021, Phasic Policy Gradient"
_COBBE_PAPER = "https://arxiv.org/abs/2009.04416"

_CONSISTENCY = ("aug_coef", "policy_target", "value_consistency_scale")
_PLR = (
    "plr_score",
    "plr_temperature",
    "plr_staleness",
    "plr_smoothing",
    "plr_replay",
    "plr_min_seen",
    "plr_cut_episodes",
)
_IMAGES = ("flip_axis", "cutout_color_scale")
_RECURRENT = ("recurrent",)
_META = ("meta_conv", "meta_inner_lr", "meta_learning_rate", "meta_train_share")
_META_COEF = ("meta_coef_learning_rate", "meta_coef_max")
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
    *("idaac_advantage_coef", "per_game"),
)

_PHASIC = (
    *("phasic_policy_epochs", "phasic_updates", "phasic_epochs", "phasic_segments"),
    "phasic_clone_coef",
)
_ONE_STEP = ("epochs", "minibatches", "clip")

_DRAC = "drac.objectives.drac:DrAC"
_SLIDING_WINDOW_UCB = "drac.arms.selectors:sliding_window_ucb"

ALL = (
    Method(name="ppo", summary="PPO without augmentation", source=_PPO, paper=_PPO_PAPER),
    Method(
        name="drac",
        summary="PPO regularized by one fixed augmentation (drac-crop, drac-flip, ...)",
        source=_RAILEANU,
        paper=_RAILEANU_PAPER,
        objective=_DRAC,
        augmentations="fixed",
        options=("augmentation", *_CONSISTENCY, *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="ucb-drac",
        summary="PPO regularized by the augmentation that a UCB bandit chooses each update",
        source=_RAILEANU,
        paper=_RAILEANU_PAPER,
        objective=_DRAC,
        augmentations="several",
        selector=_SLIDING_WINDOW_UCB,
        options=(*_CONSISTENCY, *_IMAGES, *_RECURRENT, *_UCB),
    ),
    Method(
        name="rand-drac",
        summary="PPO regularized by an augmentation drawn anew each update, all equally likely",
        source=f"{_RAILEANU}, section 4",
        paper=_RAILEANU_PAPER,
        objective=_DRAC,
        augmentations="several",
        selector="drac.arms.selectors:uniform",
        options=("arms", "bandit_reward_rows", *_CONSISTENCY, *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="rad",
        summary="PPO's own loss on augmented images (rad-crop, rad-flip, ...)",
        source=_RAD,
        paper=_RAD_PAPER,
        objective="drac.objectives.rad:RAD",
        augmentations="fixed",
        options=("augmentation", *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="rad-rollout",
        summary="PPO that plays on augmented images and learns from these (rad-rollout-crop, ...)",
        source=f"{_RAD}, its Procgen code",
        paper=_RAD_PAPER,
        augmentations="fixed",
        view="drac.arms.view:Augmented",
        options=("augmentation", *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="ucb-rad",
        summary="RAD with the augmentation that a UCB bandit chooses each update",
        source=f"{_RAILEANU}, section 4",
        paper=_RAILEANU_PAPER,
        objective="drac.objectives.rad:RAD",
        augmentations="several",
        selector=_SLIDING_WINDOW_UCB,
        options=(*_IMAGES, *_RECURRENT, *_UCB),
    ),
    Method(
        name="dra",
        summary="DrAC's policy term alone (dra-crop, dra-flip, ...)",
        source=f"{_RAILEANU}, its ablations (not in the ICLR 2021 submission)",
        paper=_RAILEANU_PAPER,
        objective="drac.objectives.drac:DrA",
        augmentations="fixed",
        options=("augmentation", *_CONSISTENCY, *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="drc",
        summary="DrAC's value term alone (drc-crop, drc-flip, ...)",
        source=f"{_RAILEANU}, its ablations (not in the ICLR 2021 submission)",
        paper=_RAILEANU_PAPER,
        objective="drac.objectives.drac:DrC",
        augmentations="fixed",
        options=("augmentation", *_CONSISTENCY, *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="drac-best",
        summary="PPO regularized by the augmentation that was found best for the game",
        source=_RAILEANU,
        paper=_RAILEANU_PAPER,
        objective=_DRAC,
        augmentations="best",
        options=("augmentation", "best_from", *_CONSISTENCY, *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="rad-best",
        summary="RAD with the augmentation that DrAC was found to be best with on the game",
        source=f"{_RAILEANU}, section 4",
        paper=_RAILEANU_PAPER,
        objective="drac.objectives.rad:RAD",
        augmentations="best",
        options=("augmentation", "best_from", *_IMAGES, *_RECURRENT),
    ),
    Method(
        name="meta-drac",
        summary="PPO regularized by a convolution that is meta-learned",
        source=f"{_RAILEANU}, section 3.3",
        paper=_RAILEANU_PAPER,
        objective=_DRAC,
        augmentations="learned",
        learned="drac.learner.meta_drac:learned_conv",
        learner="drac.learner.meta_drac:MetaLearner",
        options=(*_CONSISTENCY, *_META),
    ),
    Method(
        name="drac-meta-coef",
        summary="DrAC that adapts its weight alpha_r by a meta-gradient (drac-meta-coef-crop, ...)",
        source=_XU,
        paper=_XU_PAPER,
        objective=_DRAC,
        augmentations="fixed",
        learner="drac.learner.meta_coef:MetaCoefLearner",
        options=("augmentation", *_CONSISTENCY, *_IMAGES, *_META_COEF),
    ),
    Method(
        name="rand-fm",
        summary="PPO on images through a random convolution, with feature matching",
        source=_LEE,
        paper=_LEE_PAPER,
        objective="drac.objectives.rand_fm:RandFM",
        network="drac.networks.rand_fm:randomized_actor_critic",
        options=("clean_probability", "matching_coef", "eval_filters"),
    ),
    Method(
        name="ibac-sni",
        summary="PPO through an information bottleneck whose noise the rollout does without",
        source=_IGL,
        paper=_IGL_PAPER,
        objective="drac.objectives.ibac_sni:IBACSNI",
        network="drac.networks.ibac_sni:bottleneck_actor_critic",
        options=("bottleneck_coef", "sni_lambda", "latent_samples"),
    ),
    Method(
        name="mixreg",
        summary="PPO on mixtures of two images and of their advantages and returns",
        source=_WANG,
        paper=_WANG_PAPER,
        objective="drac.objectives.mixreg:Mixreg",
        options=("mix_alpha", "mix_advantages"),
    ),
    Method(
        name="plr",
        summary="PPO on training levels replayed by how much there seems to be left to learn",
        source=_JIANG,
        paper=_JIANG_PAPER,
        levels="drac.envs.plr:Prioritized",
        options=(*_PLR, *_RECURRENT),
    ),
    Method(
        name="ucb-drac+plr",
        summary="UCB-DrAC on the levels that prioritized level replay chooses",
        source=_JIANG,
        paper=_JIANG_PAPER,
        objective=_DRAC,
        augmentations="several",
        selector=_SLIDING_WINDOW_UCB,
        levels="drac.envs.plr:Prioritized",
        options=(*_CONSISTENCY, *_IMAGES, *_RECURRENT, *_UCB, *_PLR),
    ),
    Method(
        name="thompson-drac",
        summary="DrAC with the augmentation that Thompson sampling chooses each update",
        source="Thompson 1933; Gaussian with unknown variance: Honda and Takemura 2014",
        objective=_DRAC,
        augmentations="several",
        selector="drac.arms.selectors:thompson",
        options=(*_BANDIT, *_CONSISTENCY, *_IMAGES, *_RECURRENT, *_THOMPSON),
    ),
    Method(
        name="discounted-ucb-drac",
        summary="DrAC with the augmentation that a UCB bandit which forgets chooses each update",
        source="Garivier and Moulines 2008, Upper-Confidence Bound Policies for Non-Stationary"
        " Bandit Problems",
        objective=_DRAC,
        augmentations="several",
        selector="drac.arms.selectors:discounted_ucb",
        options=(*_BANDIT, *_CONSISTENCY, *_IMAGES, *_RECURRENT, *_DISCOUNTED_UCB),
    ),
    Method(
        name="exp3-drac",
        summary="DrAC with the augmentation that EXP3 draws each update",
        source="Auer et al. 2002, The Nonstochastic Multiarmed Bandit Problem",
        objective=_DRAC,
        augmentations="several",
        selector="drac.arms.selectors:exp3",
        options=(
            *_BANDIT,
            *_CONSISTENCY,
            *_IMAGES,
            *_RECURRENT,
            "exp3_exploration",
            "exp3_range_window",
        ),
    ),
    Method(
        name="rl2-drac",
        summary="DrAC with the augmentation that a recurrent policy draws each update",
        source=f"{_RAILEANU}, section 3.3; RL^2 of Duan et al. 2016",
        paper=_RAILEANU_PAPER,
        objective=_DRAC,
        augmentations="several",
        selector="drac.arms.selectors:rl2",
        options=(*_BANDIT, *_CONSISTENCY, *_IMAGES, *_RECURRENT, *_RL2),
    ),
    Method(
        name="daac",
        summary="policy and value networks that share nothing; the policy's also learns advantages",
        source=_IDAAC,
        paper=_IDAAC_PAPER,
        objective="drac.objectives.daac:DAAC",
        network="drac.networks.daac:daac_network",
        learner="drac.learner.daac:DecoupledLearner",
        options=_DECOUPLED,
        ignores=("epochs", "value_coef"),
    ),
    Method(
        name="idaac",
        summary="DAAC whose policy's features hide which of two observations came first",
        source=_IDAAC,
        paper=_IDAAC_PAPER,
        objective="drac.objectives.daac:IDAAC",
        network="drac.networks.daac:idaac_network",
        learner="drac.learner.daac:DecoupledLearner",
        options=(*_DECOUPLED, "idaac_order_coef", "idaac_order_hidden"),
        ignores=("epochs", "value_coef"),
    ),
    Method(
        name="reinforce",
        summary="the policy gradient with plain returns, one step a rollout",
        source=_WILLIAMS,
        paper=_WILLIAMS_PAPER,
        objective="drac.objectives.reinforce:Reinforce",
        learner="drac.learner.reinforce:ReinforceLearner",
        ignores=(*_ONE_STEP, "gae_lambda", "value_coef"),
    ),
    Method(
        name="reinforce-baseline",
        summary="REINFORCE with returns less a learned value of the state",
        source=_WILLIAMS,
        paper=_WILLIAMS_PAPER,
        objective="drac.objectives.reinforce:ReinforceBaseline",
        learner="drac.learner.reinforce:ReinforceLearner",
        ignores=(*_ONE_STEP, "gae_lambda"),
    ),
    Method(
        name="a2c",
        summary="the policy gradient with a critic's advantages, one step a rollout",
        source=_MNIH,
        paper=_MNIH_PAPER,
        objective="drac.objectives.a2c:A2C",
        learner="drac.learner.a2c:OneStepLearner",
        ignores=_ONE_STEP,
    ),
    Method(
        name="trpo",
        summary="a natural gradient step of the policy, within a bound of its KL divergence",
        source=_TRPO,
        paper=_TRPO_PAPER,
        objective="drac.objectives.trpo:TRPO",
        network="drac.networks.two_networks:two_networks",
        learner="drac.learner.trpo:TRPOLearner",
        options=("trpo_kl", "trpo_damping", "trpo_cg_steps", "trpo_value_epochs"),
        ignores=("epochs", "value_coef", "clip"),
    ),
    Method(
        name="ppg",
        summary="PPO's policy and a value network apart; phases that teach the policy's the value",
        source=_COBBE,
        paper=_COBBE_PAPER,
        objective="drac.objectives.ppg:PPG",
        network="drac.networks.ppg:ppg_network",
        learner="drac.learner.ppg:PPGLearner",
        options=_PHASIC,
        ignores=("epochs", "value_coef", "adam_eps", "max_grad_norm"),
    ),
    Method(
        name="dcpg",
        summary="PPO that learns the value in phases of its own, in which the policy stays",
        source=_MOON,
        paper=_MOON_PAPER,
        objective="drac.objectives.dcpg:DCPG",
        learner="drac.learner.dcpg:DCPGLearner",
        options=(*_PHASIC, "dcpg_value_coef"),
        ignores=("epochs", "value_coef"),
    ),
    Method(
        name="ddcpg",
        summary="DCPG whose phases also teach the features which transitions are true",
        source=_MOON,
        paper=_MOON_PAPER,
        objective="drac.objectives.dcpg:DCPG",
        network="drac.networks.ddcpg:dynamics_actor_critic",
        learner="drac.learner.dcpg:DDCPGLearner",
        options=(*_PHASIC, "dcpg_value_coef", "ddcpg_dynamics_coef"),
        ignores=("epochs", "value_coef"),
    ),
    Method(
        name="ppo-lstm",
        summary="PPO with an LSTM, which remembers what it has seen in the episode",
        source=_HOCHREITER,
        paper=_HOCHREITER_PAPER,
        recurrent=True,
        options=_RECURRENT,
    ),
    Method(
        name="rl2-ppo",
        summary="PPO with an LSTM that remembers through trials, several episodes of one level",
        source=_DUAN,
        paper=_DUAN_PAPER,
        network="drac.networks.rl2:rl2_actor_critic",
        levels="drac.envs.trials:Trials",
        recurrent=True,
        options=(*_RECURRENT, "episodes_per_trial"),
    ),
)
