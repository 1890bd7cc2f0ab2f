"""Does RL^2 learn to learn? Regret on bandit tasks never seen, beside uniform play and bandits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.table import Table
from drac.seeding import seed_sequence, stream_seed
from ucb import ArmSelector, DiscountedUCB, SlidingWindowUCB, ThompsonSampling, UniformArm

NUM_ARMS = 4
TRAINING_TASKS = 2000
NEW_TASKS = 200
_NAMES = tuple(f"arm {number}" for number in range(NUM_ARMS))

_BANDITS: dict[str, Callable[[np.random.Generator], ArmSelector]] = {
    "uniform": lambda random: UniformArm(_NAMES, random),
    "ucb": lambda random: SlidingWindowUCB(_NAMES),
    "ucb, each once": lambda random: SlidingWindowUCB(_NAMES, initial="try-each-once"),
    "ucb1": lambda random: DiscountedUCB(_NAMES, discount=1.0, exploration=2**0.5),
    "thompson": lambda random: ThompsonSampling(_NAMES, random),
}


@dataclass(frozen=True)
class Outcome:
    """Regret of one player: mean over the new tasks, and its standard error."""

    player: str
    regret: float
    error: float


def compare(
    seed: int, on_progress: Callable[[float], None] = lambda share: None, **settings: Any
) -> tuple[dict[str, Any], list[Outcome]]:
    """Train RL^2 on 2,000 tasks; return its settings, and everybody's regret on 200 new ones.

    Args:
        seed: of tasks, rewards, weights and players.
        on_progress: called with the share of the training that is done.
        settings: of `drac.rl2_meta.MetaSettings`, where they differ from the defaults.
    """
    import torch

    from drac import rl2_meta
    from drac.rl2 import RecurrentPolicy

    def generator(name: str) -> torch.Generator:
        return torch.Generator().manual_seed(stream_seed(seed, "tasks", name))

    meta = rl2_meta.MetaSettings(**settings)
    policy = RecurrentPolicy(NUM_ARMS, 32, generator("weights"))
    training = rl2_meta.draw_tasks(TRAINING_TASKS, NUM_ARMS, generator("training"))
    new = rl2_meta.draw_tasks(NEW_TASKS, NUM_ARMS, generator("new"))
    untrained = rl2_meta.regret(policy, new, meta.pulls, generator("untrained"))
    rl2_meta.meta_train(policy, training, generator("meta"), meta, on_progress)
    trained = rl2_meta.regret(policy, new, meta.pulls, generator("trained"))
    outcomes = [_outcome("rl2, trained on 2,000 tasks", trained.numpy())]
    outcomes.append(_outcome("rl2, untrained", untrained.numpy()))
    for name, make in _BANDITS.items():
        random = np.random.default_rng(seed_sequence(seed, "tasks", name))
        regrets = [_play(make(random), task, meta.pulls, random) for task in new.numpy()]
        outcomes.append(_outcome(name, np.array(regrets)))
    return asdict(meta), outcomes


def _play(
    bandit: ArmSelector, task: np.ndarray[Any, Any], pulls: int, random: np.random.Generator
) -> float:
    lost = 0.0
    for _ in range(pulls):
        arm = bandit.select()
        mean = float(task[_NAMES.index(arm)])
        bandit.update(arm, float(random.random() < mean))
        lost += float(task.max()) - mean
    return lost


def _outcome(player: str, regrets: np.ndarray[Any, Any]) -> Outcome:
    error = float(regrets.std(ddof=1) / len(regrets) ** 0.5)
    return Outcome(player, round(float(regrets.mean()), 4), round(error, 4))


def table(settings: dict[str, Any], outcomes: list[Outcome]) -> Table:
    """Return the table that is printed."""
    uniform = next(o.regret for o in outcomes if o.player == "uniform")
    cells = [
        {
            "player": o.player,
            "regret": f"{o.regret:.2f} ± {o.error:.2f}",
            "of uniform play's": f"{o.regret / uniform:.0%}",
        }
        for o in outcomes
    ]
    return Table(
        name="rl2-tasks",
        title=f"Regret on {NEW_TASKS} new bandit tasks",
        cells=pd.DataFrame(cells),
        data=pd.DataFrame([asdict(o) for o in outcomes]),
        notes=(
            (
                f"tasks: {NUM_ARMS} arms that pay 1 with probabilities uniform in [0, 1],"
                f" {settings['pulls']} pulls; mean ± standard error over the tasks"
            ),
            (
                f"rl2 was trained on {TRAINING_TASKS:,} other tasks, {settings['passes']} times"
                " each with new payments; on the new ones its weights stay as they are"
            ),
            "ucb: the paper's constants, meant for small differences; ucb1: c = sqrt 2, no window",
        ),
    )
