"""The methods with another bandit than the paper's: their wiring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import rows, tiny_config, tiny_training

from drac.train import train
from ucb import EXP3, ArmSelector, BaseSelector, DiscountedUCB, ThompsonSampling

ARMS = ("cutout-color", "flip", "crop")
OPTIONS: dict[str, tuple[dict[str, Any], type[BaseSelector], dict[str, Any]]] = {
    "thompson-drac": (
        {
            "thompson_prior_mean": 0.5,
            "thompson_prior_weight": 0.2,
            "thompson_prior_shape": 3.0,
            "thompson_prior_scale": 0.4,
        },
        ThompsonSampling,
        {"prior": [0.5, 0.2, 3.0, 0.4], "bit_generator": "PCG64"},
    ),
    "discounted-ucb-drac": (
        {"discounted_ucb_discount": 0.9, "discounted_ucb_exploration": 0.7},
        DiscountedUCB,
        {"discount": 0.9, "exploration": 0.7},
    ),
    "exp3-drac": (
        {"exp3_exploration": 0.3, "exp3_range_window": 7},
        EXP3,
        {"exploration": 0.3, "range_window": 7, "bit_generator": "PCG64"},
    ),
}


def selector_of(**options: Any) -> ArmSelector:
    return tiny_training(tiny_config(arms=ARMS, **options)).selector


@pytest.mark.parametrize("method", OPTIONS)
def test_the_options_reach_the_bandit(method: str) -> None:
    given, kind, settings = OPTIONS[method]
    selector = selector_of(method=method, **given)
    assert isinstance(selector, kind)
    assert selector.arms == ARMS
    assert selector.state_dict()["settings"] == settings


@pytest.mark.parametrize("method", ["thompson-drac", "exp3-drac"])
def test_the_seed_of_the_run_seeds_the_bandit(method: str) -> None:
    def selections(seed: int) -> list[str]:
        selector = selector_of(method=method, seed=seed)
        return [selector.select() for _ in range(40)]

    assert selections(0) == selections(0) != selections(1)


def test_the_run_s_rewards_decide_the_choices(tiny: None, tmp_path: Path) -> None:
    """The bandit, fed with progress.csv, chooses what the run chose: it is not UCB-DrAC's."""
    config = tiny_config(method="discounted-ucb-drac", arms=ARMS, steps=8 * 20, eval_every=0)
    train(config, tmp_path)
    bandit = DiscountedUCB(ARMS)
    chosen: list[str] = []
    for row in rows(tmp_path, "progress"):
        if chosen:
            bandit.update(chosen[-1], float(row["bandit_reward"]))
        chosen.append(bandit.select())
        assert row["arm"] == chosen[-1]
    assert chosen[:3] == list(ARMS)
    assert np.isfinite(list(bandit.scores().values())).all()
