"""Records what the rliable library says of the public scores, for test_rliable.py.

rliable breaks with pandas 3 and is no dependency of ours, so it gets an environment of its own:

    python -m venv /tmp/rliable
    /tmp/rliable/bin/pip install rliable==1.2.0 "pandas<3" "numpy<2"
    /tmp/rliable/bin/python tests/scripts/rliable_numbers.py

It reads results/published and writes tests/golden/rliable.json; ten minutes on one core. The ends
of an interval at 50,000 resamples vary from seed to seed, so rliable's are averaged over SEEDS
seeds, and their standard deviation is recorded; ours are compared as they are. rliable ignores the
`random_state` that it is given: the global one is seeded.

rliable's probability of improvement asks scipy for sixteen p-values a resample, ten minutes an
interval. Its values are recorded from it; its intervals from rliable's bootstrap of a plain count
of comparisons, which is first checked to agree with rliable's function on resamples.
"""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "rliable.json"
RESAMPLES = 50_000
SEEDS = 3
BASELINE = "PPO"
THRESHOLDS = [round(0.05 * i, 2) for i in range(-4, 29)]
PROFILE_RESAMPLES = 2_000


def normalized_scores() -> dict[str, np.ndarray]:
    """Return method -> (10 runs, 16 games), min-max normalized by the default ranges."""
    ranges = {}
    with (ROOT / "results/published/score_ranges.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["mode"] == "easy" and row["source"].startswith("impoola"):
                ranges[row["game"]] = float(row["r_min"]), float(row["r_max"])
    scores: dict[str, dict[str, list[float]]] = {}
    with (ROOT / "results/published/run_scores.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            low, high = ranges[row["game"]]
            games = scores.setdefault(row["method"], {})
            games.setdefault(row["game"], []).append((float(row["score"]) - low) / (high - low))
    return {
        method: np.array([games[game] for game in sorted(games)]).T
        for method, games in scores.items()
    }


def record(
    scores: dict[str, np.ndarray] | dict[str, list[np.ndarray]], statistic: Callable
) -> dict[str, dict[str, float]]:
    """Return method -> the statistic and the mean ends of its interval over the seeds."""
    from rliable import library

    ends: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for seed in range(SEEDS):
        np.random.seed(seed)  # noqa: NPY002 - what rliable draws from
        values, intervals = library.get_interval_estimates(
            scores, lambda *x: np.array([statistic(*x)]), reps=RESAMPLES
        )
        for name, interval in intervals.items():
            ends[name].append(interval[:, 0])
    return {
        name: {
            "value": float(values[name][0]),
            "low": float(np.mean(ends[name], axis=0)[0]),
            "high": float(np.mean(ends[name], axis=0)[1]),
            "spread": float(np.max(np.std(ends[name], axis=0, ddof=1))),
        }
        for name in scores
    }


def counted_improvement(x: np.ndarray, y: np.ndarray) -> float:
    """rliable's probability of improvement, without the p-values."""
    left, right = x[:, None], y[None]
    return float(np.mean((left > right) + 0.5 * (left == right)))


def check_counted_improvement(pairs: dict[str, list[np.ndarray]]) -> None:
    """Fail unless it is rliable's function, on what the bootstrap gives it."""
    from rliable import metrics

    generator = np.random.default_rng(0)
    for pair in pairs.values():
        for _ in range(100):
            x, y = (generator.permuted(scores[generator.integers(10, size=10)]) for scores in pair)
            theirs = metrics.probability_of_improvement(x, y)
            np.testing.assert_allclose(counted_improvement(x, y), theirs, rtol=0, atol=1e-12)


def main() -> None:
    from rliable import library, metrics

    scores = normalized_scores()
    pairs = {name: [x, scores[BASELINE]] for name, x in scores.items() if name != BASELINE}
    recorded: dict[str, object] = {
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("rliable", "arch", "numpy", "scipy", "pandas")},
        },
        "resamples": RESAMPLES,
        "seeds": SEEDS,
        "level": 0.95,
        "baseline": BASELINE,
    }
    for name in ("mean", "median", "iqm", "optimality_gap"):
        print(name, flush=True)
        recorded[name] = record(scores, getattr(metrics, f"aggregate_{name}"))
    print("probability_of_improvement", flush=True)
    check_counted_improvement(pairs)
    improvement = record(pairs, counted_improvement)
    for name, pair in pairs.items():
        improvement[name]["value"] = float(metrics.probability_of_improvement(*pair))
    recorded["probability_of_improvement"] = improvement
    np.random.seed(0)  # noqa: NPY002
    profiles, bands = library.create_performance_profile(scores, THRESHOLDS, reps=PROFILE_RESAMPLES)
    recorded["performance_profile"] = {
        "thresholds": THRESHOLDS,
        "resamples": PROFILE_RESAMPLES,
        "profiles": {name: values.tolist() for name, values in profiles.items()},
        "bands": {name: values.tolist() for name, values in bands.items()},
    }
    GOLDEN.write_text(json.dumps(recorded, indent=1) + "\n")
    print(f"written to {GOLDEN}")


if __name__ == "__main__":
    main()
