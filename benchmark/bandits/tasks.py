"""Does RL^2 learn to learn? Regret on bandit tasks never seen, beside uniform play and bandits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark.bandits.table import json_lines
from benchmark.tables.table import Table
from drac.seeding import seed_sequence, stream_seed
from ucb import ArmSelector, DiscountedUCB, SlidingWindowUCB, ThompsonSampling, UniformArm

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from drac.arms.rl2 import RecurrentPolicy

NUM_ARMS = 4
TRAINING_TASKS = 2000
NEW_TASKS = 200
TRAINED, UNTRAINED = "rl2, trained on 2,000 tasks", "rl2, untrained"
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
    """Regret of one player with one seed: mean over the new tasks, and its standard error."""

    seed: int
    player: str
    regret: float
    error: float


def compare(
    seed: int, on_progress: Callable[[float], None] = lambda share: None, **settings: Any
) -> list[Outcome]:
    """Train RL^2 on 2,000 tasks; return everybody's regret on the same 200 new ones.

    Args:
        seed: of tasks, rewards, weights and players.
        on_progress: called with the share of the training that is done.
        settings: of `benchmark.bandits.rl2_training.MetaSettings`, where they differ from the
        defaults.
    """
    from benchmark.bandits import rl2_training

    meta = rl2_training.MetaSettings(**settings)
    policy, training = _untrained(seed), _tasks(seed, "training", TRAINING_TASKS)
    rl2_training.meta_train(policy, training, _generator(seed, "meta"), meta, on_progress)
    new = _tasks(seed, "new", NEW_TASKS)
    regrets = rl2_training.regret(policy, new, meta.pulls, _generator(seed, "trained"))
    return [_outcome(seed, TRAINED, regrets.numpy()), *others(seed, meta.pulls)]


def others(seed: int, pulls: int) -> list[Outcome]:
    """Return the regret of everybody who needs no training, on that seed's new tasks."""
    from benchmark.bandits import rl2_training

    new = _tasks(seed, "new", NEW_TASKS)
    regrets = rl2_training.regret(_untrained(seed), new, pulls, _generator(seed, "untrained"))
    outcomes = [_outcome(seed, UNTRAINED, regrets.numpy())]
    for name, make in _BANDITS.items():
        random = np.random.default_rng(seed_sequence(seed, "tasks", name))
        lost = [_play(make(random), task, pulls, random) for task in new.numpy()]
        outcomes.append(_outcome(seed, name, np.array(lost)))
    return outcomes


def _generator(seed: int, name: str) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, "tasks", name))


def _untrained(seed: int) -> RecurrentPolicy:
    from drac.arms.rl2 import RecurrentPolicy

    return RecurrentPolicy(NUM_ARMS, 32, _generator(seed, "weights"))


def _tasks(seed: int, name: str, number: int) -> Tensor:
    from benchmark.bandits import rl2_training

    return rl2_training.draw_tasks(number, NUM_ARMS, _generator(seed, name))


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


def _outcome(seed: int, player: str, regrets: np.ndarray[Any, Any]) -> Outcome:
    error = float(regrets.std(ddof=1) / len(regrets) ** 0.5)
    return Outcome(seed, player, round(float(regrets.mean()), 4), round(error, 4))


def shares(outcomes: Sequence[Outcome], player: str) -> list[float]:
    """Return the player's regret over that of uniform play, one number a seed."""
    uniform = {o.seed: o.regret for o in outcomes if o.player == "uniform"}
    return [o.regret / uniform[o.seed] for o in outcomes if o.player == player]


def table(outcomes: Sequence[Outcome], settings: dict[str, Any]) -> Table:
    """Return the table that is printed: regret with every seed, and over uniform play's."""
    cells = []
    for player in dict.fromkeys(o.player for o in outcomes):
        regrets = {f"seed {o.seed}": f"{o.regret:.2f}" for o in outcomes if o.player == player}
        of_uniform = shares(outcomes, player)
        median, worst = np.median(of_uniform), max(of_uniform)
        cells.append(
            {"player": player, **regrets, "of uniform's": f"{median:.0%}", "worst": f"{worst:.0%}"}
        )
    errors = [o.error for o in outcomes]
    return Table(
        name="rl2-tasks",
        title=f"Regret on {NEW_TASKS} new bandit tasks",
        cells=pd.DataFrame(cells),
        data=pd.DataFrame([asdict(o) for o in outcomes]),
        notes=(
            (
                f"tasks: {NUM_ARMS} arms that pay 1 with probabilities uniform in [0, 1],"
                f" {settings['pulls']} pulls; regret is the mean over the tasks, with a standard"
                f" error of {min(errors):.2f} to {max(errors):.2f}"
            ),
            "of uniform's: regret over that of uniform play, median and worst of the seeds",
            (
                f"rl2 was trained on {TRAINING_TASKS:,} other tasks, each played once; on the new"
                " ones its weights stay as they are"
            ),
            "ucb: the paper's constants, meant for small differences; ucb1: c = sqrt 2, no window",
        ),
    )


def as_json(outcomes: Sequence[Outcome], settings: dict[str, Any]) -> str:
    """Return settings and outcomes as JSON, one line an outcome."""
    return json_lines(settings, "outcomes", map(asdict, outcomes))
