"""Does an agent see what matters? Its policy, value and features where only the picture differs.

The paper's Table 2 (Raileanu et al. 2021, section 4.4). The agent plays; each situation that it
comes into is shown to it again with another background, and answers and features are compared.

The paper's code for it is not public. Here the other backgrounds are those of the same game
(`drac.evaluate.backgrounds`), there those of the other games, on a training level; how many
observations it took it does not say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from drac.envs import ProcgenVectorEnv
from drac.envs.procgen_env import Split
from drac.evaluate import backgrounds, invariance
from drac.evaluate.episodes import evaluating, split_name
from drac.evaluate.variants import PLAIN, SECOND, Trajectory, trajectories
from drac.games import Mode
from drac.networks import ActorCritic
from drac.networks.remembering import Agent
from drac.seeding import seed_sequence, stream_seed

if TYPE_CHECKING:
    import pandas as pd

MAX_STEPS = 200
"""Observations of an episode that are compared: its first ones."""

VARIANTS = {
    "background": "another background image of the same game",
    "no-background": "a black background (Procgen's use_backgrounds=False)",
    "monochrome": "objects as plain rectangles, the same background"
    " (Procgen's use_monochrome_assets=True)",
}
"""What is changed; "background" is nearest to the paper's."""

METRICS = {
    "JSD": "Jensen-Shannon divergence of pi(.|s) and pi(.|s'), in nats: 0 to ln 2",
    "value difference": "|V(s) - V(s')|, in units of the normalized rewards"
    " that V was learned from",
    "cycle-consistency 2-way %": "observations that return to themselves, or to a neighbour in"
    " time, from nearest neighbour to nearest neighbour along V -> U -> V, by Euclidean distance of"
    " what the policy's last layer sees",
    "cycle-consistency 3-way %": "the same along both V -> U -> J -> V and V -> J -> U -> V,"
    " where J has another background than V and U",
}
"""Names as in results/published/robustness.csv."""

SOURCES = {
    "all": "Raileanu et al. 2021, Automatic Data Augmentation for Generalization in Deep RL,"
    " section 4.4 and Table 2",
    "cycle-consistency": "Aytar et al. 2018, Playing hard exploration games by watching YouTube,"
    " section 3.3; Lee et al. 2020, Network Randomization, section 4.2",
}

COLUMNS = ("metric", "game", "split", "variant", "pairs", "value", "standard_error")


def unavailable(game: str) -> dict[str, str]:
    """Return the variants that a game does not have, each with the reason in a sentence."""
    if backgrounds.NUM_BACKGROUNDS[game] > 1:
        return {}
    return {"background": f"{game} has one background image, so there is no other to show"}


def compare(trajectory: Trajectory, variant: str) -> dict[str, NDArray[Any]]:
    """Compare what an agent made of a trajectory as it is (V) and as drawn in a variant (U).

    Returns:
        For each of `METRICS` its values, (T,), and under "identical" where the two pictures were
        the same; (0,) where the trajectory has no such look, or the agent no features.
    """
    nothing = {name: np.empty(0) for name in (*METRICS, "identical")}
    if variant not in trajectory:
        return nothing
    v, u = trajectory[PLAIN], trajectory[variant]
    found: dict[str, NDArray[Any]] = {
        "JSD": invariance.jensen_shannon(v.policy, u.policy),
        "value difference": np.abs(v.value - u.value),
        "identical": v.pixels == u.pixels,
    }
    if v.features.shape[1]:
        two_way = invariance.two_way(v.features, u.features)
        found["cycle-consistency 2-way %"] = 100.0 * two_way
        j = trajectory.get(SECOND if variant == "background" else "background")
        if j is not None:
            three_way = invariance.three_way(v.features, u.features, j.features)
            found["cycle-consistency 3-way %"] = 100.0 * three_way
    return {**nothing, **found}


@torch.inference_mode()
def measure(
    agent: Agent,
    game: str,
    split: Split,
    episodes: int,
    num_envs: int = 64,
    seed: int = 0,
    *,
    mode: Mode = "easy",
    max_steps: int = MAX_STEPS,
    on_episode: Callable[[], None] | None = None,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Measure an agent's robustness to what does not matter, on the first steps of episodes.

    In float32, whatever the run's precision: two pictures shall not look alike by rounding.

    Args:
        agent: the policy; actions are sampled from it. A network plays in evaluation mode.
        game: one of `drac.games.GAMES`.
        split: "train" (levels 0..199), "test" (the full distribution) or a range of levels.
        episodes: trajectories, one a level.
        num_envs: played side by side.
        seed: decides levels, actions and backgrounds.
        mode: Procgen's distribution mode.
        max_steps: of an episode that are compared.
        on_episode: called after every trajectory.

    Returns:
        A row for each metric and variant, `COLUMNS`: `pairs` observations went into `value`; where
        there are none it is NaN. And for each variant, in how many pairs the pictures were equal.

    Raises:
        ValueError: for an unknown game or split, counts below 1, or a recurrent agent.
    """
    import pandas as pd

    if min(episodes, num_envs, max_steps) < 1:
        counts = f"episodes {episodes}, num_envs {num_envs} and max_steps {max_steps}"
        raise ValueError(f"{counts} must be at least 1")
    if isinstance(agent, ActorCritic) and agent.carried:
        raise ValueError("a recurrent agent answers to more than single images: not measured")
    device = next(agent.parameters()).device if isinstance(agent, nn.Module) else "cpu"
    generator = torch.Generator(device).manual_seed(stream_seed(seed, "robustness", "actions"))
    random = np.random.default_rng(seed_sequence(seed, "robustness", "backgrounds"))
    found: list[dict[str, dict[str, NDArray[Any]]]] = []
    for begin in range(0, episodes, num_envs):
        number = min(num_envs, episodes - begin)
        with contextlib.ExitStack() as stack:
            stack.enter_context(evaluating(agent))
            env_seed = stream_seed(seed, "robustness", "env", begin)
            env = ProcgenVectorEnv(game, number, split, env_seed, mode)
            stack.callback(env.close)
            twin = ProcgenVectorEnv(game, number, split, env_seed, mode)
            stack.callback(twin.close)
            played = trajectories(agent, env, twin, generator, random, max_steps=max_steps)
            for trajectory in played:
                found.append({name: compare(trajectory, name) for name in VARIANTS})
                if on_episode:
                    on_episode()
    summed = invariance.mean_and_error
    rows = [
        (metric, game, split_name(split), variant, *summed([one[variant][metric] for one in found]))
        for variant in VARIANTS
        for metric in METRICS
    ]
    identical = {v: int(sum(one[v]["identical"].sum() for one in found)) for v in VARIANTS}
    return pd.DataFrame(rows, columns=list(COLUMNS)), identical
