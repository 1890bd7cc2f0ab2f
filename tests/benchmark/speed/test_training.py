"""`drac-bench speed` without another word: what is measured and what is said of it.

No test asserts a time. Most have no child process measure: `fake_children` makes up what it finds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from graph_recorder import Recorder

from augmentations import PAPER_ARMS, make
from benchmark.cli import main
from benchmark.speed import children, plan, tables
from benchmark.speed.children import ChildFailedError
from benchmark.speed.records import Cell, Machine, Report, Task, Verdict, Workers, load
from benchmark.speed.worker import machine, measure, parity
from drac import hardware
from drac.config import TrainConfig, build
from drac.errors import ConfigError
from drac.networks import ActorCritic
from drac.timing import PHASES
from drac.train.state import Training

SIZES = ["--num-envs", "4", "--num-steps", "16"]
TINY = [*SIZES, "--device", "cpu", "--threads", "1", "--eval-episodes", "2"]
MACHINE = Machine(cpu="a CPU", cores=2, device="cpu", torch="9.9")
CELL = Cell(
    method="ppo",
    device="cpu",
    precision="float32",
    engine="drac",
    threads=2,
    num_envs=64,
    num_steps=256,
    micro_batch=128,
    env_groups=1,
    steps_per_s=250.0,
    update_s=16384 / 250,
    phases=dict.fromkeys((*PHASES, "other"), 7.0) | {"auxiliary phase": 0.0},
    network_share=0.9,
    evaluate_s=10.0,
    checkpoint_s=0.5,
    checkpoint_mb=7.7,
    forward_flop=60e6,
    both_flop=180e6,
    model_gflops=150.0,
    matmul_gflops=200.0,
    matmul_mean_gflops=190.0,
    peak_memory_mb=1500.0,
    peak_device_mb=None,
    others_cores=0.0,
)


SETTINGS = {"game": "starpilot", "num_envs": 64, "num_steps": 256, "micro_batch": 128}
SETTINGS |= {"env_groups": 1, "threads": 1, "eval_episodes": 100, "whole_updates": False}


def changed(record: Any, **values: Any) -> Any:
    return record.model_copy(update=values)


def report(*cells: Cell, workers: Sequence[Workers] = (), **values: Any) -> Report:
    given = {"machine": MACHINE, "settings": SETTINGS, **values}
    return Report(cells=cells, workers=tuple(workers), **given)


def side_by_side(number: int, cell: Cell, alone: Cell) -> Workers:
    return Workers(alone=alone, together=(cell,) * number, one=changed(CELL, method=cell.method))


def config_of(method: str, **options: Any) -> TrainConfig:
    fixed = {"device": "cpu", "precision": "float32", "threads": 1, "game": "starpilot"}
    return hardware.resolve(build({**fixed, "method": method, **options}))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[Task]]:
    """What children would have been asked; each finds a CELL of its task's config."""
    calls: list[list[Task]] = []

    def run(tasks: Sequence[Task], on_part: Any) -> list[Any]:
        calls.append(list(tasks))
        on_part("a part")
        if tasks[0].how == "parity":
            given = (("weights", 1e-12, 1e-9), ("gradient", 1, 1e-3))
            return [[dict(zip(("name", "found", "limit"), one, strict=True)) for one in given]]
        return [cell_of(task).model_dump() for task in tasks]

    monkeypatch.setattr(children, "run", run)
    return calls


def cell_of(task: Task) -> Cell:
    names = ("method", "device", "precision", "threads", "micro_batch", "env_groups")
    config = {name: getattr(task.config, name) for name in names}
    speed = 100 * task.config.threads + (task.config.micro_batch == 64)
    return changed(CELL, **config, engine=task.engine, steps_per_s=float(speed))


def check(cell: Cell) -> None:
    """A cell of the sizes of TINY adds up."""
    assert cell.steps_per_s == pytest.approx(64 / cell.update_s)
    training = {k: v for k, v in cell.phases.items() if k not in ("evaluate", "checkpoint")}
    assert sum(training.values()) == pytest.approx(cell.update_s)
    assert set(cell.phases) == {*PHASES, "other"}
    inside = cell.phases["act"] + cell.phases["forward, backward"]
    assert cell.network_share == pytest.approx(inside / cell.update_s)
    passes = 64 * 2 * 3 * cell.both_flop + (64 + 4) * cell.forward_flop
    assert cell.model_gflops == pytest.approx(passes / cell.update_s / 1e9)
    assert 0 < cell.matmul_mean_gflops <= cell.matmul_gflops
    assert 300 < cell.peak_memory_mb < 4000
    assert cell.peak_device_mb is None


def test_the_command_measures_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made up here: a process trains, evaluates and saves."""
    out = tmp_path / "new" / "speed.json"
    words = [*TINY, "--methods", "ucb-drac", "--precisions", "float32"]
    assert main(["speed", *words, "--json", str(out)]) == 0
    printed, progress = capsys.readouterr()
    assert "| ucb-drac | drac   | cpu    | float32   | 1 " in printed
    for part in ("start", "training", "evaluation", "matrix products"):
        assert f"ucb-drac, float32: {part}" in progress
    found = load(out)
    (cell,) = found.cells
    assert found.machine.torch == torch.__version__
    check(cell)
    assert (cell.method, cell.engine, cell.precision) == ("ucb-drac", "drac", "float32")
    assert cell.evaluate_s
    assert cell.phases["evaluate"] == pytest.approx(cell.evaluate_s * 64 / 500_000)
    assert cell.checkpoint_s
    assert cell.phases["checkpoint"] == pytest.approx(cell.checkpoint_s * cell.update_s / 600)
    assert main(["speed", "compare", str(out), str(out)]) == 0
    assert "1.000" in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["speed", "compare", str(out), str(out)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(("engine", "how"), [("reference", "epoch"), ("drac", "quick")])
def test_what_a_child_does(engine: Any, how: Any) -> None:
    """The plain engine, and the short measurements of --calibrate, in this process."""
    config = config_of("ucb-drac", num_envs=4, num_steps=16)
    parts: list[str] = []
    cell = measure.measure(Task(config=config, how=how, engine=engine), parts.append)
    assert parts == ["training", "matrix products"]
    check(cell)
    assert cell.engine == engine
    assert (cell.evaluate_s, cell.checkpoint_s) == (None, None)


def test_a_quick_measurement_takes_gradient_steps_of_the_true_size() -> None:
    config = config_of("ppo")
    short = measure.one_step(config)
    assert (short.epochs, short.minibatches) == (1, 1)
    assert short.rollout_size == config.rollout_size // config.minibatches


def test_what_is_measured_by_default(
    asked: list[list[Task]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hardware, "has_native_bf16", lambda device: True)
    assert main(["speed", "--device", "cpu", "--reference"]) == 0
    tasks = [task for call in asked for task in call]
    measured = [(t.config.method, t.config.precision, t.engine) for t in tasks]
    assert measured == [
        ("ppo", "float32", "drac"),
        ("ppo", "bf16", "drac"),
        ("ppo", "float32", "reference"),
        ("ucb-drac", "float32", "drac"),
        ("ucb-drac", "bf16", "drac"),
        ("ucb-drac", "float32", "reference"),
    ]
    for task in tasks:
        assert (task.config.num_envs, task.config.num_steps, task.how) == (64, 256, "epoch")
        assert task.evaluate == (task.engine == "drac")
    assert len(asked) == 6
    assert "Where the time goes" in capsys.readouterr().out


def test_without_bf16_it_is_left_out(
    asked: list[list[Task]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "has_native_bf16", lambda device: False)
    assert main(["speed", "--device", "cpu", "--methods", "ppo", "--full"]) == 0
    (((task,)),) = asked
    assert (task.config.precision, task.how) == ("float32", "whole")


def test_workers_side_by_side(
    asked: list[list[Task]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "workers.json"
    words = ["--device", "cpu", "--methods", "ppo", "--precisions", "float32", "--workers", "3"]
    assert main(["speed", *words, "--json", str(out)]) == 0
    assert [[task.config.threads for task in call] for call in asked] == [[1], [1, 1, 1], [3]]
    assert not any(task.evaluate for call in asked for task in call)
    (row,) = load(out).workers
    assert (len(row.together), row.one.threads) == (3, 3)
    said = capsys.readouterr().out
    assert "every worker has 1 thread; all begin at the same moment" in said
    assert "| 3.00 " in said
    assert "100.0%" in said


def test_the_speed_up_of_workers_is_that_of_their_sum() -> None:
    alone, *together = (
        changed(CELL, steps_per_s=speed, matmul_mean_gflops=rate)
        for speed, rate in ((100.0, 100.0), (95.0, 99.0), (97.0, 98.0))
    )
    row = Workers(alone=alone, together=tuple(together), one=CELL)
    assert row.speed_up == pytest.approx(1.92)
    assert row.matmul_speed_up == pytest.approx(1.97)
    assert row.efficiency == pytest.approx(1.92 / 1.97)


def test_calibration_recommends_the_fastest(
    asked: list[list[Task]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2})
    words = ["--device", "cpu", "--methods", "ppo", "--precisions", "float32", "--calibrate"]
    assert main(["speed", *words]) == 0
    tried = [(t.config.threads, t.config.micro_batch) for (t,) in asked]
    assert tried == [(threads, size) for threads in (1, 3) for size in plan.MICRO_BATCHES]
    assert all((t.how, t.evaluate) == ("quick", False) for (t,) in asked)
    said = capsys.readouterr().out
    best = "drac train --device cpu --precision float32 --threads 3 --micro-batch 64"
    assert f"fastest here: {best}\n" in said


def test_on_cuda_groups_of_envs_are_tried() -> None:
    config = config_of("ppo", num_envs=6).model_copy(update={"device": "cuda"})
    assert list(plan.choices(config, 8)) == [{"env_groups": 1}, {"env_groups": 2}]


def test_the_check_prints_a_verdict_a_line_and_its_status_tells(
    asked: list[list[Task]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--device", "cpu", "--methods", "ppo", "--precisions", "float32", "--check"]
    assert main(["speed", *words]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "ok      weights: 1e-12 (at most 1e-09)",
        "FAILED  gradient: 1 (at most 0.001)",
    ]
    assert lines[2] == "## Speed of training"
    assert [call[0].how for call in asked] == ["parity", "epoch"]


def test_a_figure_that_is_no_number_fails() -> None:
    for at_least in (False, True):
        assert not Verdict(name="a", found=float("nan"), limit=1, at_least=at_least).passed
    fine = Verdict(name="a", found=0.995, limit=0.99, at_least=True)
    assert fine.text() == "ok      a: 0.995 (at least 0.99)"


def test_this_device_agrees_with_the_plain_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "METHODS", (("drac-crop", "released"),))
    parts: list[str] = []
    found = parity.verdicts(config_of("ppo", num_envs=4, num_steps=8), parts.append)
    assert parts == ["drac-crop (released), micro-batches"]
    kinds = [verdict.name.partition(": ")[2] for verdict in found]
    assert kinds[:2] == ["weights after an update in float64", "gradients in float32"]
    assert all(verdict.passed for verdict in found[:2]), [v.text() for v in found]
    assert found[0].limit == 1e-9


def test_the_check_sees_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "METHODS", (("ppo", "paper"),))
    seeds = iter(range(100))
    monkeypatch.setattr(
        parity,
        "generators",
        lambda: [torch.Generator().manual_seed(next(seeds)) for _ in range(3)],
    )
    found = parity.verdicts(config_of("ppo", num_envs=4, num_steps=8), lambda name: None)
    assert found
    assert not any(verdict.passed for verdict in found)


def test_every_augmentation_has_its_turn() -> None:
    arms = [make(name) for name in PAPER_ARMS]
    for name, arm in zip(PAPER_ARMS, arms, strict=True):
        arm.name = name
    turn = measure.InTurn(arms)
    images = torch.rand(2, 3, 64, 64)
    for arm in (*arms, arms[0]):
        generator, same = (torch.Generator().manual_seed(3) for _ in range(2))
        params = turn.sample(images.shape, generator)
        wanted = arm.apply(images, arm.sample(images.shape, same))
        assert torch.equal(turn.apply(images, params), wanted)


def test_the_operations_of_the_network_are_those_of_a_count_by_hand() -> None:
    """Multiplications and additions of the convolutions and the three linear layers."""
    by_hand, size, channels = 0, 64, 3
    for out in (16, 32, 32):
        by_hand += 2 * 9 * channels * out * size * size
        size, channels = size // 2, out
        by_hand += 4 * 2 * 9 * channels * channels * size * size
    by_hand += 2 * (size * size * channels * 256 + 256 * 15 + 256)
    forward, both = measure.flop(ActorCritic(15), (3, 64, 64))
    assert forward == by_hand
    first = 2 * 9 * 3 * 16 * 64 * 64  # nobody needs the gradient of the images
    assert both == 3 * by_hand - first


def passes(method: str) -> tuple[float, float]:
    """The passes of an update, with the gradient, and forward alone."""
    return {
        "ppo": (3, 0),
        "drac-crop": (6, 0),
        "rad-rollout-crop": (3, 0),
        "drac-meta-coef-crop": (6 + 1 / 8, 1 / 8),  # of one minibatch the regularization's too
        "a2c": (1, 0),
        "daac": (10, 0),  # 1 of the policy, 9 of the value
        "dcpg": (1 + 6, 1),
        "ppg": (2 * (1 + 6), 1),
    }[method]


FEW = ("ppo", "rad-rollout-crop", "dcpg")


@pytest.mark.parametrize(
    "method",
    [
        *FEW,
        *(
            pytest.param(name, marks=pytest.mark.full)
            for name in ("drac-crop", "drac-meta-coef-crop", "a2c", "daac", "ppg")
        ),
    ],
)
def test_the_operations_of_an_update_are_those_of_its_passes(method: str) -> None:
    config = config_of(method, num_envs=4, num_steps=16)
    forward, both = measure.flop(ActorCritic(15), (3, 64, 64))
    gradients, others = passes(method)
    expected = 64 * (gradients * both + others * forward)
    assert measure.update_flop(config, 0.0) == pytest.approx(expected, rel=1e-3)


def test_the_auxiliary_phase_has_its_row() -> None:
    phases = CELL.phases | {"auxiliary phase": 70.0}
    text = tables.phases(report(CELL, changed(CELL, method="ppg", phases=phases))).markdown()
    assert "70.000 (50.0%)" in text
    assert "timed in a phase on one rollout" in text
    assert "auxiliary" not in tables.phases(report(CELL)).markdown()
    older = {name: value for name, value in CELL.phases.items() if name != "auxiliary phase"}
    assert tables.phases(report(changed(CELL, phases=older))).markdown() == (
        tables.phases(report(CELL)).markdown()
    )


def test_matrix_products_are_counted() -> None:
    best, mean = machine.matmul_rates(torch.device("cpu"), "float32", 0.01, side=64)
    assert 0 < mean <= best


def test_the_tables_say_what_was_measured() -> None:
    plain = changed(CELL, engine="reference", steps_per_s=50.0, evaluate_s=None)
    found = report(CELL, plain)
    text = tables.cells(found).markdown()
    lines = [" ".join(line.replace("|", " ").split()) for line in text.splitlines()]
    hours = 25e6 / 16384 * 70 / 3600
    assert f"ppo drac cpu float32 2 250 5.00x {hours:.1f} 90.0% 75% 1,500" in lines
    assert "starpilot, 64 envs x 256 steps; on CPU a rollout and one epoch" in text
    assert "a CPU, 2 cores, torch 9.9" in text
    text = tables.phases(found).markdown()
    assert text.count("7.000 (10.0%)") == 20
    assert text.count("70.000 (100.0%)") == 2
    assert "100 episodes on each split" in text


def test_tables_call_a_method_of_ones_own_as_all_tables_do() -> None:
    one, other = (changed(CELL, method=f"drac-vignette-{digits}") for digits in ("0" * 8, "1" * 8))
    alone = report(one, workers=(side_by_side(2, one, alone=one),))
    made = (tables.cells, tables.phases, tables.calibration, tables.workers)
    for text in (table(alone).markdown() for table in made):
        assert "drac-vignette" in text
        assert one.method not in text
    assert "| drac-vignette | " in tables.comparison(alone, alone).markdown()
    both = tables.phases(report(one, other)).markdown()
    assert f"{one.method}, float32" in both  # which would be called alike
    assert f"{other.method}, float32" in both


def test_a_disturbed_measurement_is_called_so() -> None:
    busy = changed(CELL, precision="bf16", others_cores=0.5)
    assert (
        "measure again; how many: ppo, bf16: 0.50\n" in tables.cells(report(CELL, busy)).markdown()
    )
    assert "measure again" not in tables.cells(report(CELL)).markdown()


@pytest.mark.parametrize("attempts", [1, 3])
def test_what_was_disturbed_is_measured_again(
    attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least disturbed counts; what was not disturbed is measured once."""
    busy = iter([0.9, 0.4, 0.7, 0.0])

    def run(tasks: Sequence[Task], on_part: Any) -> list[Any]:
        return [changed(cell_of(tasks[0]), others_cores=next(busy)).model_dump()]

    monkeypatch.setattr(children, "run", run)
    configs = (config_of("ppo"), config_of("ucb-drac"))
    found = plan.Plan(configs, attempts=attempts).cells(reference=False)
    wanted = [0.9, 0.4] if attempts == 1 else [0.4, 0.0]
    assert [cell.others_cores for cell in found.cells] == wanted


def test_workers_do_not_disturb_each_other() -> None:
    beside = changed(CELL, threads=1, others_cores=2.02)
    row = side_by_side(3, beside, alone=changed(CELL, threads=1))
    assert row.others_cores == pytest.approx(0.02)
    row = changed(row, one=changed(CELL, others_cores=0.3))
    assert row.others_cores == 0.3
    text = tables.workers(report(workers=(row,))).markdown()
    assert "how many: ppo, float32: 0.30" in text


def test_others_are_seen_and_we_are_not_among_them() -> None:
    """A process at work beside us is seen; what we do ourselves is not counted."""
    code = (
        "import time; print(flush=True)\nuntil = time.time() + 60\nwhile time.time() < until: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        watched = machine.Others()
        until = time.perf_counter() + 1
        while time.perf_counter() < until:
            pass
        busy = watched.cores()
        other.kill()
    assert 0.05 < busy < (os.cpu_count() or 1) + 0.2


def test_the_gpus_memory_has_its_column() -> None:
    found = report(changed(CELL, device="cuda", peak_device_mb=2345.6))
    assert "2,346" in tables.cells(found).markdown()
    assert "their sum exceeds" in tables.phases(found).markdown()


def test_a_comparison_names_what_differs() -> None:
    faster = changed(CELL, steps_per_s=500.0, peak_memory_mb=750.0)
    other = changed(CELL, method="ucb-drac")
    first = report(CELL, other)
    settings = {**SETTINGS, "num_envs": 8}
    second = report(faster, machine=changed(MACHINE, cores=4), settings=settings)
    text = tables.comparison(first, second).markdown()
    assert "| 250 -> 500 | 2.000 | 0.500 " in text
    assert "- machine cores: 2 in the first, 4 in the second\n" in text
    assert "- settings num_envs: 64 in the first, 8 in the second\n" in text
    assert "- only in the first: ucb-drac cpu float32 drac\n" in text
    assert "machine and settings are the same" in tables.comparison(first, first).markdown()
    nothing = tables.comparison(report(other), report(CELL)).markdown()
    assert "| method | device " in nothing
    assert "- only in the second: ppo cpu float32 drac\n" in nothing


def test_workers_are_compared_too() -> None:
    found = report(workers=(side_by_side(2, CELL, alone=CELL),))
    assert tables.comparison(found, found).markdown().count("1.000 | 1.000") == 4


def test_the_file_keeps_everything_and_has_no_date(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    found = report(CELL, workers=(side_by_side(2, CELL, alone=CELL),))
    path.write_text(found.to_json())
    assert load(path) == found
    data = json.loads(path.read_text())
    assert set(data) == {"format", "machine", "settings", "cells", "workers"}
    assert data["format"] == 1
    assert set(data["machine"]) == {"cpu", "cores", "device", "torch"}


BROKEN = {
    "nothing there": (None, "cannot be read"),
    "no JSON": ("{", "is no JSON file of drac-bench speed"),
    "another kind": ("[1]", "is no JSON file of drac-bench speed"),
    "a later format": ('{"format": 9}', "has format 9; this version reads format 1"),
    "damaged": ('{"format": 1, "machine": {}}', "is damaged: machine.cpu: Field required"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    text, message = BROKEN[name]
    if text is not None:
        (tmp_path / "speed.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "speed.json")


TASK = Task(config=config_of("ppo"))


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def play(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have children run some lines in place of measuring."""
    monkeypatch.setattr(children, "COMMAND", (sys.executable, "-u", "-c", code))


IN_STEP = """
import json, os
task = json.loads(input())
for part in "ab":
    print(json.dumps({"part": part}))
    assert input() == "go"
print(json.dumps({"result": [task["engine"], os.environ["OMP_NUM_THREADS"]]}))
"""


def test_children_go_on_together(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, IN_STEP)
    parts: list[str] = []
    found = children.run([TASK, changed(TASK, engine="reference")], parts.append)
    assert found == [["drac", "1"], ["reference", "1"]]
    assert parts == ["ppo, float32: a", "ppo, float32: b"]
    assert list(logs.iterdir()) == []


FAILING = {
    "raises": ("input()\nraise ValueError('it is late')", "exit status 1, ValueError: it is late"),
    "is killed": ("import os\ninput()\nos.kill(os.getpid(), 9)", "killed by signal 9"),
    "reads nothing": ("raise SystemExit(3)", "exit status 3"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_child_that_fails_is_one_sentence(
    name: str, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, message = FAILING[name]
    play(monkeypatch, code)
    with pytest.raises(ChildFailedError) as caught:
        children.run([TASK])
    (log,) = logs.iterdir()
    said = str(caught.value)
    assert said == f"measuring ppo, float32 failed ({message}); its log is {log}"


def test_a_child_that_fails_has_status_1(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(monkeypatch, "input()\nraise ValueError('it is late')")
    assert main(["speed", *TINY, "--methods", "ppo"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "drac-bench speed: error: measuring ppo, float32 failed (exit status 1" in err


def test_ctrl_c_ends_the_children(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, 'import os, time\nprint(\'{"part": "%d"}\' % os.getpid())\ntime.sleep(99)')
    found: list[int] = []

    def interrupt(part: str) -> None:
        found.append(int(part.rpartition(" ")[2]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        children.run([TASK], interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(found[0], signal.SIGTERM)
    assert list(logs.iterdir()) == []


BAD = {
    "no CUDA": ("--device cuda", "torch finds no CUDA device"),
    "unknown method": ("--methods pqo", "unknown method 'pqo'"),
    "unknown precision": ("--precisions fp8", "precision 'fp8' is not possible"),
    "no methods": ("--methods", "--methods names nothing to measure"),
    "no attempts": ("--attempts 0", "attempts must be at least 1"),
    "no workers": ("--workers 0", "workers must be at least 1"),
    "not divisible": ("--num-envs 3 --num-steps 3", "not divisible by minibatches 8"),
    "two questions": ("--calibrate --check", "are different measurements"),
    "a reference of workers": ("--workers 2 --reference", "has no meaning beside --workers"),
    "a folder": ("--json folder", "folder is a folder"),
    "one file": ("compare folder", "give two files"),
    "three files": ("compare a b c", "give two files"),
    "no file": ("compare a b", "a cannot be read: No such file or directory"),
    "unknown command": ("comparison a b", "unknown command 'comparison'"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    yield tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.usefixtures("folder", "asked")
def test_bad_input_is_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    flags, message = BAD[name]
    assert main(["speed", *flags.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    (line,) = (line for line in err.splitlines() if line.strip())
    assert line.startswith("drac-bench speed")
    assert ": error: " in line


def test_recordings_that_fail_are_seen() -> None:
    """On a live run: two updates, with what stands in for CUDA's recorder."""

    def fails(function: Any) -> Any:
        raise RuntimeError("no such thing here\nmore")

    config = config_of("drac-crop", num_envs=4, num_steps=8, minibatches=2)
    good = parity.recordings("drac-crop", Training(config, record=Recorder()))
    assert good.text() == "ok      drac-crop: recordings that do not hold: 0 (at most 0)"
    bad = parity.recordings("drac-crop", Training(config, record=fails))
    assert bad.found == 2
    assert bad.name == "drac-crop: recordings that do not hold (no such thing here)"
    assert not parity.recordings("drac-crop", Training(config)).passed  # nothing was to be recorded


def test_the_table_says_whether_steps_are_replayed_and_how_attempts_differ() -> None:
    cell = changed(CELL, device="cuda", graphs=False, attempts=(3.0, 1.0, 2.0))
    row = tables.cells(report(cell)).cells.iloc[0]
    assert row["graphs"] == "no"
    assert row["least, median, most of the attempts"] == "1, 2, 3"
    plain = tables.cells(report(CELL)).cells
    assert not {"graphs", "least, median, most of the attempts"} & set(plain.columns)
