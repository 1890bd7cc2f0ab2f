"""README and the pages beside it: their code runs, commands parse, numbers are the files'."""

from __future__ import annotations

import csv
import glob
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import DOCS, ROOT

from augmentations import registry
from benchmark import cli as bench
from drac import cli

TYPED = (ROOT / "README.md", DOCS / "python.md", DOCS / "policies.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PERFORMANCE = (DOCS / "performance.md").read_text(encoding="utf-8")
EVIDENCE = ROOT / "results" / "evidence" / "starpilot-ppo-500k"


def rows(name: str) -> list[dict[str, str]]:
    with (EVIDENCE / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_new_augmentation_trains(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The example as it stands, but for its length."""
    monkeypatch.setattr(registry, "_TABLE", dict(registry._TABLE))
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    tiny = (
        'steps=128, num_envs=4, num_steps=16, hidden_size=8, device="cpu", epochs=1,'
        ' ucb_initial="try-each-once", eval_episodes=1'
    )
    assert code.count('steps="1M"') == 1
    exec(compile(code.replace('steps="1M"', tiny), "python.md", "exec"), {})  # noqa: S102
    (arms,) = tmp_path.rglob("arms.csv")
    with arms.open(newline="") as file:
        selected = [row["arm"] for row in csv.DictReader(file) if row["selected"] == "1"]
    assert selected == ["crop", "invert"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "checker", ["mypy --strict --follow-imports=silent", f"pyright --pythonpath {sys.executable}"]
)
def test_the_python_examples_have_their_types(checker: str, tmp_path: Path) -> None:
    """As a user's type checker sees them, with defaults; pyright is tried where it is installed."""
    words = checker.split()
    pytest.importorskip(words[0])
    for page in TYPED:
        (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        (tmp_path / f"{page.stem.lower()}.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", *words, *sorted(tmp_path.glob("*.py"))],
        cwd=tmp_path,
        env={
            **os.environ,
            "MYPYPATH": str(ROOT),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


STORE = ("suites", "logs", "import-runs", "index")
SHOWN = ("evaluate", "methods", "performance", "rehearsal", "report", "suites")
"""The pages of which README shows the beginning."""
COMMANDS = [
    command
    for page in (ROOT / "README.md", *(DOCS / f"{name}.md" for name in SHOWN))
    for command in re.findall(
        r"^    ((?:drac|drac-bench) [^#\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
]


def test_readme_is_short_and_its_jobs_too() -> None:
    assert len(README.splitlines()) < 150
    jobs = re.findall(r"^\*\*.*?(?=^\*\*|^## )", README.split("## Three jobs")[1], re.M | re.S)
    assert [job.split(".**")[0][2:] for job in jobs] == [
        "Reproduce the paper's tables",
        "Add an augmentation",
        "Evaluate per game",
    ]
    assert all(len([line for line in job.splitlines() if line]) <= 8 for job in jobs)


def test_what_the_jobs_cost_is_what_was_measured() -> None:
    costs = (DOCS / "reproduce.md").read_text(encoding="utf-8")
    for begins, said in (
        ("one run of PPO", "A run of PPO takes {} hours"),
        ("Table 1, the suite: all eleven methods", "and the suite {}:"),
        ("one run of UCB-DrAC", "{} hours for 25M steps"),
    ):
        (hours,) = re.findall(rf"^\| {begins} \|[^|]*\|[^|]*\| ([\d,]+) \|", costs, re.MULTILINE)
        assert said.format(hours) in README
    gains = re.findall(r"^\| [a-z-]+ \| \w+ \| [\d,]+ \| ([\d.]+)x \|", PERFORMANCE, re.MULTILINE)
    assert f"speed: {min(gains, key=float)} to {max(gains, key=float)} times" in README


def test_the_pages_show_every_command() -> None:
    shown = {tuple(command.split()[:2]) for command in COMMANDS}
    for program, usage in (("drac", cli.USAGE), ("drac-bench", bench.USAGE)):
        for name in re.findall(r"^  (\w+)  ", usage, re.MULTILINE):
            assert (program, name) in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything up to the work itself."""
    reached: list[Any] = []
    for place in (
        "drac.commands.train._train",
        "drac.commands.augmentations.listing",
        "drac.pictures.gallery.draw",
        "benchmark.commands.speed._augmentations",
        "benchmark.commands.speed._training",
        "benchmark.commands.speed._compare",
        "benchmark.commands.bandits._report",
        "benchmark.commands.bandits._tasks",
        "benchmark.commands.compare._report",
        "benchmark.commands.figures._draw",
        "benchmark.commands.import_scores._bring_in",
        "benchmark.commands.report._write",
        "benchmark.commands.run._run",
        "benchmark.commands.tables._tabulate",
        "benchmark.figures.run_curves.learning_curves",
    ):
        monkeypatch.setattr(place, lambda *args, **more: reached.append(args) or 0)
    monkeypatch.setattr("benchmark.bandits.simulation.simulate_all", lambda *args: ())
    names = ["paper-table1", "augmentation-sweep", "demo", "rehearsal", "rehearsal-augmentations"]
    names += ["evidence", "default"]
    monkeypatch.setattr("benchmark.store.store.Store.experiments", lambda store: names)
    monkeypatch.setattr("drac.files.run_folder.require_writable", lambda folder: None)
    monkeypatch.chdir(ROOT)
    program, *words = shlex.split(command)
    words = [path for word in words for path in sorted(glob.glob(word)) or [word]]  # noqa: PTH207
    needs_files = words[0] in ("evaluate", "export", "watch", "status", *STORE)
    if needs_files or "mine.toml" in words:
        pytest.skip("covered by the tests of the commands")
    assert (cli.main if program == "drac" else bench.main)(words) == 0
    assert reached or words[-1] == "help"


def test_ppo_learns_starpilot_and_the_page_says_so() -> None:
    """The evidence: at least 3.5 over the last 100 training episodes; random play gives 1.5."""
    last = rows("progress.csv")[-1]
    assert int(last["step"]) == 491_520
    assert int(last["episodes"]) >= 100
    assert float(last["train_return"]) >= 3.5
    episodes = rows("eval.csv")
    means = {
        split: statistics.mean(float(row["return"]) for row in episodes if row["split"] == split)
        for split in ("train", "test")
    }
    page = (DOCS / "evidence.md").read_text(encoding="utf-8")
    said = re.search(
        r"average ([\d.]+); 100 evaluation episodes average ([\d.]+) on the training levels\s+"
        r"and ([\d.]+) on unseen\s+ones",
        page,
    )
    assert said
    numbers = (float(last["train_return"]), means["train"], means["test"])
    assert [float(text) for text in said.groups()] == [round(number, 2) for number in numbers]
    assert f"{int(last['step']):,} steps" in page


def test_the_speeds_are_those_of_the_file() -> None:
    text = (ROOT / "results" / "evidence" / "augmentation-speed.json").read_text(encoding="utf-8")
    measured = {row["spec"]: row for row in json.loads(text)["rows"]}
    for name in registry.PAPER_ARMS:
        row = measured[name]
        numbers = f"{row['images_per_s']:,.0f} | {row['update_share']:.1%}"
        assert f"| {name} | {numbers} | {row['released_images_per_s']:,.0f} |" in PERFORMANCE


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
