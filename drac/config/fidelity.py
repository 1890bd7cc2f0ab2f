"""The two readings of the method: the paper's text, and the code that made its numbers.

docs/fidelity.md has one row for each option named here.
"""

from __future__ import annotations

from typing import Any, Literal

Fidelity = Literal["paper", "released"]

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "residual": "impala",
        "policy_target": "exact",
        "value_consistency_scale": 1.0,
        "flip_axis": "horizontal",
        "cutout_color_scale": "unit",
        "bandit_reward_rows": "rollout",
        "meta_conv": "learned",
        "plr_min_seen": 0.0,
        "plr_cut_episodes": "mean",
        "mix_advantages": "normalized",
        "rl2_reward_input": "latest",
        "minibatch_by": "steps",
    },
    "released": {
        "residual": "released",
        "policy_target": "sampled",
        "value_consistency_scale": 0.5,
        "flip_axis": "vertical",
        "cutout_color_scale": "released",
        "bandit_reward_rows": "released",
        "meta_conv": "frozen",
        "plr_min_seen": 1.0,
        "plr_cut_episodes": "released",
        "mix_advantages": "raw",
        "rl2_reward_input": "previous",
        "minibatch_by": "envs",
    },
}
"""What `fidelity` sets: the options in which the paper's text and the released code differ."""
