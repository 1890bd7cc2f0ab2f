"""What an H100 did, as the pages on performance and scaling say it: made from its files."""

from __future__ import annotations

import json

import pytest
from checkout import EVIDENCE, ROOT

from benchmark import cli
from benchmark.speed import tables as speed_tables
from benchmark.speed.records import load

H100 = EVIDENCE / "cuda-h100"


def test_the_performance_page_shows_what_an_h100_did() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    before, now = (load(H100 / f"{name}.json") for name in ("speed-before", "speed"))
    for shown in (speed_tables.cells(now), speed_tables.phases(now)):
        assert all(line in page for line in shown.markdown().splitlines() if line.startswith("|"))
    first = [f"{cell.steps_per_s:,.0f}" for cell in before.cells]
    assert f"It began at {' and '.join(first)} steps/s" in page
    speeds = [f"{cell.steps_per_s:,.0f}" for cell in now.cells]
    assert "in bf16: PPO {}, UCB-DrAC {}.".format(*speeds) in page
    minutes = {}
    for cell in now.cells:
        assert cell.graphs
        update_s = cell.update_s + cell.phases["evaluate"] + cell.phases["checkpoint"]
        minutes[cell.method] = 25e6 / (cell.num_envs * cell.num_steps) * update_s / 60
        assert cell.steps_per_s >= {"ppo": 30_000, "ucb-drac": 20_000}[cell.method]
    take = f"PPO {minutes['ppo']:.1f} minutes and UCB-DrAC {minutes['ucb-drac']:.1f}"
    assert f"evaluations included, take {take}" in " ".join(page.split())


@pytest.mark.parametrize(
    ("name", "file", "variant"),
    [
        ("at first", "choices-before", "baseline"),
        ("at first, measured again", "choices-before", "baseline again"),
        ("at first, one group of envs", "choices-before", "env groups 1"),
        ("at first, four", "choices-before", "env groups 4"),
        ("at first, 16 threads of torch", "choices-before", "16 threads of torch"),
        ("at first, deterministic algorithms", "choices-before", "deterministic"),
        ("at first, not recorded", "choices-before", "no CUDA graphs"),
        ("at first, float32", "choices-before", "float32"),
        ("at first, float32 with TF32", "choices-before", "float32, tf32"),
        ("at first, `--compile True`", "choices-before", "compile"),
        ("now", "choices", "baseline"),
        ("now, measured again", "choices", "baseline again"),
        ("now, torch's kernels", "choices", "torch's kernels"),
        ("now, four groups of envs", "choices", "env groups 4"),
        ("now, cuDNN's benchmarking", "cudnn-benchmark", "cuDNN benchmark"),
    ],
)
def test_the_performance_page_shows_what_each_choice_gave(
    name: str, file: str, variant: str
) -> None:
    found = json.loads((H100 / f"{file}.json").read_text(encoding="utf-8"))
    cells = []
    for method in ("ppo", "ucb-drac"):
        measured = found.get(f"{method}, {variant}", {})
        parts = ("collect_s", "learn_s")
        cells += [f"{measured[part]:.3f}" if measured else "-" for part in parts]
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert f"| {name} | {' | '.join(cells)} |" in page


def test_two_runs_of_a_seed_had_the_same_bits_on_an_h100() -> None:
    for file in ("choices-before", "choices-pooling"):
        found = json.loads((H100 / f"{file}.json").read_text(encoding="utf-8"))
        same = [figures["same_bits"] for name, figures in found.items() if "bits" in name]
        assert len(same) >= 3
        assert all(same)


def test_what_suites_cost_on_an_h100(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("paper-table1", "paper-hard", "levels")
    assert cli.main(["suites", *names, f"--speed={H100 / 'speed.json'}"]) == 0
    hours = {
        line.split()[0]: float(line.split()[3].replace(",", ""))
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(names)
    }
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for name in names:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
        assert row.endswith(f"| {hours[name]:,.0f} | {hours[name] / 24 / 8:.1f} |")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"the suite {hours['paper-table1']:,.0f} hours" in readme
