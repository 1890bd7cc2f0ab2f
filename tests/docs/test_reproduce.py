"""docs/reproduce.md: its commands parse, its costs and numbers are those of the files."""

from __future__ import annotations

import csv
import re
import shlex
from typing import Any

import pytest
from checkout import ROOT

from benchmark import cli, suites
from benchmark.scores import published
from benchmark.speed.records import load
from drac import cli as drac_cli
from drac import methods

PAGE = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:drac|drac-bench|for) [^\n]*)", PAGE, re.MULTILINE)

TABLE_1 = ("ppo", "drac-crop", "ucb-drac")
ALL_11 = (
    *("ppo", "rand-fm", "ibac-sni", "drac-best", "rad-best", "ucb-drac", "rl2-drac"),
    *("meta-drac", "rand-drac", "drac-crop", "ucb-rad"),
)
ABLATION = ("dra-crop", "drc-crop", "rad-crop")
SWEEP = suites.get("augmentation-sweep").methods
REHEARSED = suites.get("rehearsal-augmentations")
FULL = 25_000_000

COSTS = {
    "one run of PPO": (("ppo",), 1, FULL),
    "one run of UCB-DrAC": (("ucb-drac",), 1, FULL),
    "Table 1, three methods: PPO, Crop-DrAC, UCB-DrAC": (TABLE_1, 160, FULL),
    "Table 1, the suite: all eleven methods": (ALL_11, 160, FULL),
    "best augmentation of each game": (SWEEP, 160, FULL),
    "ablation: DrA, DrC, RAD with crop": (ABLATION, 160, FULL),
    "the rehearsal below": (("ppo", "ucb-drac"), 16, 50_000),
    "its augmentations": (REHEARSED.methods, 4, 16_000),
}
"""What is costed: methods, runs of each, steps of a run."""


def passes_like(method: str) -> str:
    """The measured method that has as many network passes."""
    objective = methods.get(method).objective
    return "ucb-drac" if objective.startswith("drac.objectives.drac:") else "ppo"


@pytest.mark.parametrize("what", COSTS)
def test_the_costs_are_those_of_the_measured_speeds(what: str) -> None:
    chosen, each, steps = COSTS[what]
    cells = load(ROOT / "results/evidence/training-speed.json").cells
    hours = {
        (cell.method, cell.precision): cell.run_hours for cell in cells if cell.engine == "drac"
    }
    texts = []
    for precision in ("bf16", "float32"):
        run = [hours[passes_like(method), precision] * steps / FULL for method in chosen]
        total = each * sum(run)
        texts.append(f"{total:,.0f}" if total >= 10 else f"{total:.1f}")
    millions = each * len(chosen) * steps / 1e6
    steps_text = f"{millions:,.0f}M" if millions >= 10 else f"{millions:.1f}M"
    row = f"| {what} | {each * len(chosen):,} | {steps_text} | {texts[0]} | {texts[1]} |"
    assert row in PAGE


def test_the_suites_are_what_the_costs_are_of() -> None:
    assert suites.get("paper-table1").methods == ALL_11
    assert len(SWEEP) == 8
    for name in ("paper-table1", "augmentation-sweep"):
        suite = suites.get(name)
        assert (len(suite.games), len(suite.seeds)) == (16, 10)
        assert {config.steps for _, config in suite.runs()} == {FULL}
    assert f"--methods {' '.join(TABLE_1)}\n" in PAGE
    paper = published.normalized("test", published.NORMALIZED_SOURCES[0])
    assert {published.NAMES[method] for method in ALL_11} == set(paper)


def test_every_cost_stands_in_the_page_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [\d,]+ \| [\d,.]+M \|", PAGE, re.MULTILINE)
    assert rows == list(COSTS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything up to the work itself."""
    reached: list[Any] = []
    monkeypatch.setattr(
        "benchmark.commands.run._run", lambda *args, **how: reached.append(args) or 0
    )
    for name, work in (("tables", "_tabulate"), ("figures", "_draw")):
        command_of = f"benchmark.commands.{name}"
        monkeypatch.setattr(f"{command_of}.{work}", lambda *args: reached.append(args))
        monkeypatch.setattr(f"{command_of}.experiments", lambda store, wanted, *suite: wanted)
    monkeypatch.setattr("drac.files.run_folder.require_writable", lambda folder: None)
    monkeypatch.chdir(ROOT)
    if loop := re.fullmatch(r"for run in (\S+); do (drac evaluate .*); done", command):
        pattern, each = loop.groups()
        assert pattern == "results/runs/paper-table1/{ppo,ucb-drac}/*/seed*"
        assert shlex.split(each) == ["drac", "evaluate", "$run", "--robustness"]
        assert "evaluate" in drac_cli.USAGE
        return
    program, *words = shlex.split(command)
    assert program == "drac-bench"
    assert cli.main(words) == 0
    assert reached


def test_what_is_expected_is_what_was_published() -> None:
    with (published.FOLDER / "ppo_normalized.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            r for r in csv.DictReader(file) if (r["method"], r["split"]) == ("UCB-DrAC", "test")
        ]
    paper, plr, _ = rows
    page = " ".join(PAGE.split())
    assert (
        f"median of {paper['median']} % of PPO and a mean of {paper['mean']} %, with a standard"
        f" deviation of {paper['std']}" in page
    )
    assert f"has a mean of {plr['mean']} % and {plr['std']})" in page
    known, _ = published.robustness()
    both = {
        metric: [known[method, metric, "mean"] for method in ("PPO", "UCB-DrAC")]
        for _, metric, _ in known
    }
    jsd, two, three = both.values()
    assert f"divergence of {jsd[0]} for PPO and {jsd[1]} for UCB-DrAC" in page
    assert f"cycle-consistency of {two[0]} % and {two[1]} % (2-way)" in page
    assert f"{three[0]} % and {three[1]} % (3-way)" in page
    best, _ = published.best_augmentation()
    assert list(best.values()).count("crop") == 9
    assert "crop on nine of 16 games" in page
