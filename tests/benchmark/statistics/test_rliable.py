"""Our statistics of the public scores beside those of rliable, recorded by rliable_numbers.py."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from checkout import GOLDEN
from matrix import sampled

from benchmark.scores import imported as imports
from benchmark.scores.published import FOLDER
from benchmark.statistics import aggregate, bands, bootstrap, normalize
from benchmark.statistics.aggregate import Scores
from drac.games import GAMES

RECORDED: dict[str, Any] = json.loads((GOLDEN / "rliable.json").read_text())
STATISTICS = {
    name: getattr(aggregate, name) for name in ("mean", "median", "iqm", "optimality_gap")
}
METHODS = ("PPO", "UCB-DrAC", "Mixreg", "PLR", "PPG", "DAAC", "IDAAC")
PAIRS = [method for method in METHODS if method != RECORDED["baseline"]]
POINT, ENDS = 1e-9, 0.02
"""Allowed differences: of values, and of ends of intervals in widths of the interval."""


@cache
def normalized(method: str) -> Scores:
    """(10, 16), by the default ranges."""
    rows = imports.read(FOLDER / "run_scores.csv", "public").rows
    table = rows[rows["method"] == method].pivot(index="run", columns="game", values="score")
    return normalize.min_max(table[list(GAMES)].to_numpy(), GAMES)


def fresh() -> np.random.Generator:
    return np.random.default_rng(20_210_830)


def off(found: bootstrap.Interval, recorded: dict[str, float]) -> float:
    """How far the ends are from the recorded ones, in widths of the recorded interval."""
    distances = abs(found.low - recorded["low"]), abs(found.high - recorded["high"])
    return max(distances) / (recorded["high"] - recorded["low"])


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("method", sampled(METHODS, ("UCB-DrAC",)))
def test_aggregates_and_their_intervals(name: str, method: str) -> None:
    recorded, statistic = RECORDED[name][method], STATISTICS[name]
    assert statistic(normalized(method)) == pytest.approx(recorded["value"], abs=POINT, rel=0)
    found = bootstrap.interval(normalized(method), statistic, generator=fresh())
    assert off(found, recorded) < ENDS


@pytest.mark.parametrize("method", sampled(PAIRS, ("UCB-DrAC",)))
def test_probability_of_improvement_and_its_interval(method: str) -> None:
    recorded = RECORDED["probability_of_improvement"][method]
    x, y = normalized(method), normalized(RECORDED["baseline"])
    chance = aggregate.probability_of_improvement
    assert chance(x, y) == pytest.approx(recorded["value"], abs=POINT, rel=0)
    found = bootstrap.interval_between(x, y, chance, generator=fresh())
    assert off(found, recorded) < ENDS


@pytest.mark.parametrize("method", sampled(METHODS, ("UCB-DrAC",)))
def test_performance_profiles(method: str) -> None:
    recorded = RECORDED["performance_profile"]
    profile = aggregate.performance_profile(normalized(method), recorded["thresholds"])
    assert profile == pytest.approx(np.array(recorded["profiles"][method]), abs=POINT, rel=0)
    share, low, high = bands.profile(
        normalized(method), np.array(recorded["thresholds"]), generator=fresh()
    )
    assert share == pytest.approx(profile, abs=1e-12)
    # 2,000 resamples each, of shares of 160 runs: two steps of noise.
    assert np.array([low, high]) == pytest.approx(
        np.array(recorded["bands"][method]), abs=2.01 / 160, rel=0
    )


def test_what_was_recorded() -> None:
    assert set(METHODS) == set(RECORDED["mean"]) == {*PAIRS, RECORDED["baseline"]}
    assert RECORDED["resamples"] == bootstrap.RESAMPLES == 50_000
    assert RECORDED["versions"]["rliable"] == "1.2.0"
    assert RECORDED["versions"]["pandas"].startswith("2.")
    # Single recordings scatter far less than what is allowed.
    for name in (*STATISTICS, "probability_of_improvement"):
        for numbers in RECORDED[name].values():
            assert numbers["spread"] < 0.01 * (numbers["high"] - numbers["low"])


WRONG_VALUES = {
    "iqm of the games' means": lambda x: aggregate.iqm(x.mean(axis=0, keepdims=True)),
    "mean of 20 % trimmed": lambda x: np.sort(x, axis=None)[32:-32].mean(),
    "one score too few cut": lambda x: np.sort(x, axis=None)[39:-40].mean(),
}
"""Estimators that are nearly the IQM."""


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_a_wrong_estimator_is_found(wrong: str) -> None:
    found = [float(WRONG_VALUES[wrong](normalized(method))) for method in METHODS]
    recorded = [RECORDED["iqm"][method]["value"] for method in METHODS]
    assert np.abs(np.subtract(found, recorded)).min() > POINT


def test_a_wrong_bootstrap_is_found() -> None:
    generator, values = fresh(), normalized("PLR")
    recorded = RECORDED["iqm"]["PLR"]
    rows = values[generator.integers(10, size=(20_000, 10))]  # whole runs: games not independent
    pooled = generator.choice(values.ravel(), size=(20_000, 10, 16))  # games mixed
    for wrong in (rows, pooled):
        low, high = np.percentile(aggregate.iqm(wrong), [2.5, 97.5])
        assert off(bootstrap.Interval(low, high), recorded) > ENDS
