"""`drac-bench bandits`: what is simulated, what is said of it, and that it shows the lock-in."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT
from matplotlib import image
from refusals import refused

from benchmark.bandits import plot as bandits_plot
from benchmark.bandits import simulation
from benchmark.bandits import table as bandits_table
from benchmark.bandits.simulation import (
    ARMS,
    CURVES,
    GAP,
    NOISE,
    SELECTORS,
    Run,
    simulate,
    simulate_all,
)
from benchmark.cli import main
from drac.arms import selectors
from drac.config import TrainConfig

DOCS = ROOT / "docs"
EVIDENCE = ROOT / "results" / "evidence" / "bandits"


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
    assert (levels["rising"][0], levels["rising"][-1]) == pytest.approx((0.0, 2.98), abs=5e-3)
    assert levels["rising"][150] == pytest.approx(3 * (1 - np.exp(-2.5)))


def test_a_run_is_that_of_an_independent_loop() -> None:
    """Counts and regret recomputed by hand from the same streams."""
    run = simulate("switching", "discounted ucb", 3, pulls=90)
    random = np.random.default_rng(simulation.seed_sequence(3, "bandits", "switching"))
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


@pytest.mark.parametrize("third", ["exp3", pytest.param("rl2", marks=pytest.mark.full)])
def test_the_same_seed_gives_the_same_run_in_any_order_and_process(third: str) -> None:
    names = ("uniform", "thompson", third)
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


def test_the_paper_s_constants_lock_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/fidelity.md, "Worth knowing": crop at a constant 0.30, any one arm where it rises.

    Noise may set the bandit free of crop late; without it crop is kept for ever.
    """
    constant = [simulate("constant", "ucb", seed) for seed in range(20)]
    assert all(int(np.argmax(run.counts)) == 0 for run in constant)
    assert sum(run.locked for run in constant) >= 4
    rising = [simulate("rising", "ucb", seed) for seed in range(20)]
    assert all(max(run.counts) >= 0.95 * 1525 for run in rising)
    assert len({int(np.argmax(run.counts)) for run in rising if run.locked}) > 1
    monkeypatch.setattr(simulation, "NOISE", 0.0)
    quiet = [simulate("constant", "ucb", seed) for seed in range(8)]
    assert all(run.counts[0] == 1525 for run in quiet)
    assert any(run.locked for run in quiet)


def test_the_two_options_together_find_the_best_arm() -> None:
    both = [simulate("constant", "ucb, both", seed) for seed in range(20)]
    assert not any(run.locked for run in both)


def test_a_straight_rise_does_not_lock_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/methods.md says so: it is the steep start that decides for an arbitrary arm."""
    straight = simulation.Curve("from 0 to 3", lambda share: 3 * share)
    monkeypatch.setitem(simulation.CURVES, "rising", straight)
    runs = [simulate("rising", "ucb", seed) for seed in range(20)]
    assert not any(run.locked for run in runs)
    assert all(max(run.counts) > 0.95 * 1525 for run in runs)


def test_what_is_locked() -> None:
    def run(counts: tuple[int, ...], best_arms: tuple[int, ...]) -> Run:
        wrong = tuple(0 if arm in best_arms else n for arm, n in enumerate(counts))
        return Run("constant", "ucb", 0, counts, wrong, best_arms, (1.0,))

    assert run((96, 4), (1,)).locked
    assert not run((94, 6), (1,)).locked
    assert not run((96, 4), (0,)).locked
    runs = [run((96, 4), (1,)), run((4, 96), (1,)), run((5, 5), (0,))]
    said = bandits_plot.locked_in(runs)
    assert "gets 81% of the pulls" in said
    assert said.endswith("1 of 3 runs")
    others = [dataclasses.replace(one, selector="exp3") for one in runs]
    assert bandits_plot.locked_in(others) == ""
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
    again = tmp_path / "pictures" / "again.svg"
    bandits_plot.draw(bandits_table.from_json(json.dumps(content)), again)
    assert again.read_text().startswith("<?xml")


def test_the_command_puts_the_picture_elsewhere(tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "bandits.png"
    words = ["--seeds", "0", "--pulls", "30", "--selectors", "fixed", "--curves", "rising"]
    out = ["--out", str(tmp_path / "new"), "--picture", str(picture)]
    assert main(["bandits", *words, *out]) == 0
    assert picture.is_file()
    assert not (tmp_path / "new" / "bandits.png").exists()


def test_labels_of_lines_keep_apart_and_in_order() -> None:
    heights = [5.0, 5.1, 9.9, 0.0, 10.0, 9.8]
    placed = bandits_plot.spread(heights, 1.0, 10.0)
    assert np.argsort(placed).tolist() == np.argsort(heights).tolist()
    assert min(np.diff(np.sort(placed))) >= 1 - 1e-9
    assert max(placed) == 10
    assert (placed[3], placed[0]) == (0.0, 5.0)


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
        (["--picture", "bandits.docx"], "bandits.docx must end in .png, .pdf, .svg"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refused(["bandits", *words, "--out", str(tmp_path / "new")], tmp_path, capsys)
    assert re.search(message, line)


def test_the_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bandits", "--help"])
    assert "drac-bench bandits --seeds 0-19" in capsys.readouterr().out


def committed() -> list[Run]:
    return bandits_table.from_json((EVIDENCE / "bandits.json").read_text(encoding="utf-8"))


def test_the_committed_results_can_be_made_again() -> None:
    """Two seeds of the selectors that take no time, number by number."""
    runs = {(run.curve, run.selector, run.seed): run for run in committed()}
    assert set(runs) == set(itertools.product(CURVES, SELECTORS, range(20)))
    for curve, seed in itertools.product(CURVES, (0, 19)):
        for selector in ("fixed", "ucb", "ucb, both", "exp3", "discounted ucb", "thompson"):
            assert runs[curve, selector, seed] == simulate(curve, selector, seed)


def test_the_committed_files_agree() -> None:
    content = (EVIDENCE / "bandits.json").read_text(encoding="utf-8")
    assert bandits_table.as_json(committed()) == content
    rows = bandits_table.frame(committed()).to_csv(index=False)
    assert rows == (EVIDENCE / "bandits.csv").read_text(encoding="utf-8")


def test_the_page_shows_the_committed_numbers() -> None:
    """Every row of its table, recomputed; and the picture that the command below it draws."""
    page = (DOCS / "methods.md").read_text(encoding="utf-8")
    page = page.partition("### Which bandit?")[2].partition("\n## ")[0]
    rows = pd.read_csv(EVIDENCE / "bandits.csv")
    for selector in SELECTORS:
        cells = []
        for curve in CURVES:
            group = rows[(rows["curve"] == curve) & (rows["selector"] == selector)]
            share = f"{group['best_share'].mean():.0%}"
            cells.append(f"{group['regret'].mean():.1f} ({share}, {group['locked'].sum()})")
        assert f"| {selector} | {' | '.join(cells)} |" in page
    words = re.search(r"^    drac-bench (bandits .*)$", page, re.MULTILINE)
    assert words is not None
    assert "--seeds 0-19 --out results/evidence/bandits" in words[1]
    picture = words[1].partition("--picture ")[2]
    assert (DOCS.parent / picture).is_file()
    assert f"]({Path(picture).relative_to('docs')})" in page


def test_what_the_page_says_of_the_lock_in() -> None:
    page = " ".join((DOCS / "methods.md").read_text(encoding="utf-8").split())
    said = {}
    for curve in ("constant", "rising"):
        runs = [run for run in committed() if (run.curve, run.selector) == (curve, "ucb")]
        mean = np.mean([max(run.counts) / run.pulls for run in runs])
        said[curve] = (f"{mean:.0%}", sum(run.locked for run in runs))
        if curve == "constant":
            assert all(int(np.argmax(run.counts)) == 0 for run in runs)
    share, locked = said["constant"]
    assert f"`crop` is the most pulled arm of all 20 runs, with {share} of the pulls" in page
    assert f"in {locked} of them it is a wrong arm with 95 % or more" in page
    share, locked = said["rising"]
    assert f"one arm gets {share} of the pulls of every run, in {locked} of 20 a wrong one" in page
