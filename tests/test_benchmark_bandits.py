"""`drac-bench bandits`: what is simulated, what is said of it, and that it shows the lock-in."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from benchmark import bandits, bandits_plot, bandits_table
from benchmark.bandits import ARMS, CURVES, GAP, NOISE, SELECTORS, Run, simulate, simulate_all
from benchmark.cli import main
from drac import selectors
from drac.config import TrainConfig

EVIDENCE = Path(__file__).parent.parent / "results" / "evidence" / "bandits"


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_has_one_best_arm_at_a_time(name: str) -> None:
    seen = set()
    for seed in range(100):
        means = CURVES[name].means(300, np.random.default_rng(seed))
        assert means.shape == (300, 8)
        ordered = np.sort(means, axis=1)
        assert np.allclose(ordered[:, -1] - ordered[:, -2], GAP)
        assert np.allclose(ordered[:, 0], ordered[:, -2])
        best = means.argmax(axis=1)
        changes = np.flatnonzero(np.diff(best)) + 1
        assert changes.tolist() == ([100, 200] if name == "switching" else [])
        seen |= {*best.tolist()}
    assert seen == set(range(8))


def test_the_levels_of_the_curves() -> None:
    levels = {
        name: np.median(curve.means(300, np.random.default_rng(0)), axis=1)
        for name, curve in CURVES.items()
    }
    assert set(levels["constant"]) == set(levels["switching"]) == {0.3}
    assert (levels["rising"][0], levels["rising"][-1]) == pytest.approx((0.0, 2.99))


def test_a_run_is_that_of_an_independent_loop() -> None:
    """Counts and regret recomputed by hand from the same streams."""
    run = simulate("switching", "discounted ucb", 3, pulls=90)
    random = np.random.default_rng(bandits.seed_sequence(3, "bandits", "switching"))
    means = CURVES["switching"].means(90, random)
    noise = random.normal(0.0, NOISE, size=90)
    bandit = SELECTORS["discounted ucb"](3)
    counts, wrong, lost, curve = dict.fromkeys(ARMS, 0), dict.fromkeys(ARMS, 0), 0.0, []
    for t in range(90):
        arm = bandit.select()
        value = means[t][ARMS.index(arm)]
        bandit.update(arm, value + noise[t])
        counts[arm] += 1
        wrong[arm] += value < max(means[t])
        lost += max(means[t]) - value
        if t in (24, 49, 74, 89):
            curve.append(lost)
    assert run.counts == tuple(counts.values())
    assert run.wrong == tuple(wrong.values())
    assert run.regret == pytest.approx(curve, abs=1e-6)
    assert run.best == 90 - sum(wrong.values())
    assert len(run.best_arms) == 3


def test_the_same_seed_gives_the_same_run_in_any_order_and_process() -> None:
    names = ("uniform", "thompson", "rl2")
    one = list(simulate_all(["rising"], names, [0, 1], pulls=40))
    two = list(simulate_all(["rising"], names[::-1], [1, 0], pulls=40, workers=2))
    assert bandits_table.as_json(one) == bandits_table.as_json(two)
    assert one[0] != simulate("rising", one[0].selector, 2, pulls=40)


def test_the_simulated_selectors_are_those_of_the_methods() -> None:
    """Their defaults, by the settings that a checkpoint would hold."""
    by_method = {
        "ucb": selectors.sliding_window_ucb,
        "thompson": selectors.thompson,
        "discounted ucb": selectors.discounted_ucb,
        "exp3": selectors.exp3,
        "rl2": selectors.rl2,
        "uniform": selectors.uniform,
    }
    for name, make in by_method.items():
        state = make(TrainConfig(), ARMS).state_dict()
        assert SELECTORS[name](0).state_dict() == state


def test_the_paper_s_constants_lock_in() -> None:
    """docs/fidelity.md, "Worth knowing": crop at a constant 0.30, any one arm where it rises.

    Without noise crop would be kept for ever (tests/test_ucb_sliding_window.py); with it a run of
    low rewards may set the bandit free late.
    """
    constant = [simulate("constant", "ucb", seed) for seed in range(8)]
    assert all(int(np.argmax(run.counts)) == 0 for run in constant)
    assert sum(run.counts[0] == 1525 for run in constant) >= 4
    assert all(run.locked for run in constant if run.counts[0] == 1525 and run.best_arms != (0,))
    rising = [simulate("rising", "ucb", seed) for seed in range(8)]
    assert all(max(run.counts) > 0.9 * 1525 for run in rising)
    assert len({int(np.argmax(run.counts)) for run in rising}) > 1
    assert sum(run.locked for run in rising) >= 1
    for curve in ("constant", "rising"):  # the two options together find the best arm
        runs = [simulate(curve, "ucb, both", seed) for seed in range(8)]
        assert not any(run.locked for run in runs)


def test_what_is_locked() -> None:
    def run(counts: tuple[int, ...], best_arms: tuple[int, ...]) -> Run:
        wrong = tuple(0 if arm in best_arms else n for arm, n in enumerate(counts))
        return Run("constant", "ucb", 0, counts, wrong, best_arms, (1.0,))

    assert run((96, 4), (1,)).locked
    assert not run((94, 6), (1,)).locked
    assert not run((96, 4), (0,)).locked
    assert bandits_plot.shares_of(run((10, 50, 25, 15), (2,))) == (0.25, 0.5, 0.25)


def test_the_command_writes_a_table_files_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seeds", "0-2", "--pulls", "60", "--out", str(tmp_path / "new")]
    chosen = ["--selectors", "ucb", "exp3", "ucb, both", "--curves", "constant", "switching"]
    assert main(["bandits", *words, *chosen]) == 0
    said = capsys.readouterr().out
    assert "| constant  | ucb " in said
    assert "60 pulls of 8 arms, 3 seeds" in said
    with (tmp_path / "new" / "bandits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["curve"], row["selector"], row["seed"]) for row in rows] == [
        (curve, selector, seed)
        for curve in ("constant", "switching")
        for selector in ("ucb", "ucb, both", "exp3")
        for seed in "012"
    ]
    assert all(sum(int(row[arm]) for arm in ARMS) == 60 for row in rows)
    content = json.loads((tmp_path / "new" / "bandits.json").read_text())
    assert content["settings"] == {"arms": list(ARMS), "noise": NOISE, "gap": GAP}
    assert [run["seed"] for run in content["runs"]] == [0, 1, 2] * 6
    assert image.imread(tmp_path / "new" / "bandits.png")[..., :3].std() > 0.05


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--selectors", "thomson"], "unknown selector 'thomson' .did you mean 'thompson'"),
        (["--curves", "flat"], "unknown curve 'flat'"),
        (["--seeds", "3-1"], "seeds '3-1' must be"),
        (["--seeds"], "seed"),
        (["--pulls", "1"], "pulls must be at least 2, not 1"),
        (["--workers", "0"], "workers must be at least 1, not 0"),
        (["--sedes", "0"], "did you mean"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["bandits", *words, "--out", str(tmp_path / "new")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert not (tmp_path / "new").exists()


def test_the_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bandits", "--help"])
    assert "drac-bench bandits --seeds 0-19" in capsys.readouterr().out


def test_the_committed_results_can_be_made_again() -> None:
    """The first seed of the selectors that take no time, bit for bit."""
    content = json.loads((EVIDENCE / "bandits.json").read_text())
    runs = {(r["curve"], r["selector"], r["seed"]): r for r in content["runs"]}
    assert {key[:2] for key in runs} == {(c, s) for c in CURVES for s in SELECTORS}
    for curve in CURVES:
        for selector in ("ucb", "exp3", "discounted ucb", "thompson"):
            again = simulate(curve, selector, 0)
            assert runs[curve, selector, 0]["counts"] == list(again.counts)
            assert runs[curve, selector, 0]["regret"] == pytest.approx(again.regret)
