"""Valid configurations, drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from augmentations import PAPER_ARMS
from drac import methods
from drac.config import TrainConfig
from drac.games import GAMES

SPECS = (*PAPER_ARMS, "identity", "flip(axis='vertical')", "flip(axis='horizontal')", "crop(pad=4)")


@st.composite
def configs(draw: st.DrawFn) -> TrainConfig:
    """Any valid config: every field may differ from its default."""
    positive = st.floats(1e-12, 1e12)
    minibatches, envs, factor = (draw(st.integers(1, n)) for n in (16, 64, 16))
    envs = max(envs, 2)  # one sample is no rollout
    values: dict[str, Any] = {
        "game": st.sampled_from(GAMES),
        "seed": st.integers(0, 2**31 - 1),
        "fidelity": st.sampled_from(("paper", "released")),
        "device": st.sampled_from(("auto", "cpu", "cuda")),
        "precision": st.sampled_from(("auto", "float32", "bf16")),
        "mode": st.sampled_from(("easy", "hard")),
        "steps": st.integers(envs * minibatches * factor, 2**53),
        "aug_coef": st.floats(0, 1e3),
        "learning_rate": positive,
        "adam_eps": positive,
        "gamma": st.floats(0, 1),
        "gae_lambda": st.floats(0, 1),
        "epochs": st.integers(1, 100),
        "clip": positive,
        "entropy_coef": st.floats(0, 10),
        "value_coef": st.floats(0, 10),
        "max_grad_norm": positive,
        "reward_gamma": st.floats(0, 1),
        "reward_clip": positive,
        "hidden_size": st.integers(1, 4096),
        "residual": st.sampled_from(("impala", "released")),
        "micro_batch": st.integers(1, 10**6),
        "policy_target": st.sampled_from(("exact", "sampled")),
        "value_consistency_scale": st.floats(0, 10),
        "flip_axis": st.sampled_from(("horizontal", "vertical")),
        "cutout_color_scale": st.sampled_from(("unit", "released")),
        "arms": st.lists(st.sampled_from(SPECS), min_size=1, max_size=6, unique=True),
        "ucb_exploration": st.floats(0, 10),
        "ucb_window": st.integers(1, 1000),
        "ucb_initial": st.sampled_from(("prior", "try-each-once")),
        "ucb_reward": st.sampled_from(("raw", "standardized")),
        "bandit_reward_rows": st.sampled_from(("rollout", "released")),
        "plr_score": st.sampled_from(("value-l1", "gae")),
        "plr_temperature": positive,
        "plr_staleness": st.floats(0, 1),
        "plr_smoothing": st.floats(0, 1, exclude_min=True),
        "plr_replay": st.one_of(st.just("proportionate"), st.floats(0, 1)),
        "plr_min_seen": st.floats(0, 1),
        "eval_every": st.integers(0, 2**53),
        "eval_episodes": st.integers(1, 10**6),
        "eval_envs": st.integers(1, 4096),
        "checkpoint_every": st.one_of(st.floats(0, 1e6), st.just("500000steps")),
        "disk_wait": st.floats(0, 1e6),
        "on_nan": st.sampled_from(("stop", "skip")),
    }
    given_ = draw(st.fixed_dictionaries({}, optional=values))
    first, size = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))
    given_ |= {"levels": f"{first}-{first + size}"} if draw(st.booleans()) else {}
    names = ("ppo", "ucb-drac", "drac", "drac-rotate", "ucb-drac+plr")
    given_["method"] = draw(st.sampled_from(names))
    if given_["method"] == "drac":
        given_["augmentation"] = draw(st.sampled_from(SPECS))
    foreign = methods.options() - {*methods.get(given_["method"]).options}
    given_ = {name: value for name, value in given_.items() if name not in foreign}
    shape = {"num_envs": envs, "num_steps": minibatches * factor, "minibatches": minibatches}
    given_.setdefault("steps", 25_000_000)
    if methods.get(given_["method"]).chooses_levels:
        given_.pop("levels", None)
    return TrainConfig(**given_, **shape)
