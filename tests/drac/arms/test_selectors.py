"""The methods with another bandit than the paper's: wiring, and runs that continue exactly."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drac.config import TrainConfig, build
from drac.errors import ConfigError
from drac.runs import checkpoint
from drac.train import train
from drac.train.state import Training
from ucb import EXP3, BaseSelector, DiscountedUCB, ThompsonSampling

ARMS = ("cutout-color", "flip", "crop")
SMALL: dict[str, Any] = {
    "game": "starpilot",
    "num_envs": 4,
    "num_steps": 16,
    "steps": 256,  # four updates
    "minibatches": 4,
    "epochs": 1,
    "hidden_size": 16,
    "eval_episodes": 1,
    "eval_every": 0,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "arms": ARMS,
}
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


def small(**options: Any) -> TrainConfig:
    return TrainConfig(**{**SMALL, **options})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        timing = ("wall_s", "charts/SPS")
        return [{k: v for k, v in row.items() if k not in timing} for row in csv.DictReader(file)]


@pytest.mark.parametrize("method", OPTIONS)
def test_the_options_reach_the_bandit(method: str) -> None:
    given, kind, settings = OPTIONS[method]
    selector = Training(small(method=method, **given)).selector
    assert isinstance(selector, kind)
    assert selector.arms == ARMS
    assert selector.state_dict()["settings"] == settings


@pytest.mark.parametrize("method", OPTIONS)
def test_another_method_has_not_these_options(method: str) -> None:
    for name, value in OPTIONS[method][0].items():
        with pytest.raises(ConfigError, match=f"'ucb-drac' has no option {name}.* {method}"):
            build({"method": "ucb-drac", name: value})
        with pytest.raises(ConfigError, match=f"'{method}' has no option ucb_window"):
            build({"method": method, "ucb_window": 3})


@pytest.mark.parametrize("method", ["thompson-drac", "exp3-drac"])
def test_the_seed_of_the_run_seeds_the_bandit(method: str) -> None:
    def selections(seed: int) -> list[str]:
        config = small(method=method, seed=seed)
        selector = Training(config).selector
        return [selector.select() for _ in range(40)]

    assert selections(0) == selections(0) != selections(1)


@pytest.mark.parametrize("method", OPTIONS)
def test_a_continued_run_has_the_same_bits(method: str, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(small(method=method), tmp_path / "straight")
        train(small(method=method, steps=128), tmp_path / "continued")
        train(small(method=method), tmp_path / "continued")
    finally:
        torch.set_num_threads(before)
    for name in ("progress", "arms"):
        straight, continued = (
            rows(tmp_path / d / f"{name}.csv") for d in ("straight", "continued")
        )
        assert straight == continued
    one, other = (
        checkpoint.load(checkpoint.newest(tmp_path / d) or Path())["training"]
        for d in ("straight", "continued")
    )
    assert one["selector"] == other["selector"]
    assert all(torch.equal(one["network"][n], other["network"][n]) for n in one["network"])


def test_the_run_s_rewards_decide_the_choices(tmp_path: Path) -> None:
    """The bandit, fed with progress.csv, chooses what the run chose: it is not UCB-DrAC's."""
    train(small(method="discounted-ucb-drac", steps=640), tmp_path)
    bandit = DiscountedUCB(ARMS)
    chosen: list[str] = []
    for row in rows(tmp_path / "progress.csv"):
        if chosen:
            bandit.update(chosen[-1], float(row["bandit_reward"]))
        chosen.append(bandit.select())
        assert row["arm"] == chosen[-1]
    assert chosen[:3] == list(ARMS)
    assert np.isfinite(list(bandit.scores().values())).all()
